/** Checkpoints of all formats, looked at before their weights are read. */
import {
  convertFloats,
  fromBytes,
  openGguf,
  openGgufParts,
  openSafetensors,
  openSafetensorsIndex,
  ggufPartNames,
  resolveDevice,
} from '@tesserae/tensor'
import type { ByteSource, Device, DeviceName, GgufFile, GgufValue, Tensor, Tensors } from '@tesserae/tensor'
import { throwIfAborted, type OnProgress } from '@tesserae/core'
import type { DecoderConfig } from '../architectures/config.js'
import { isPackable, mapWeights, namedWeights, type AnyDecoderWeights, type DecoderWeights } from '../architectures/weights.js'
import { TransformerError } from '../errors.js'
import { checkModelMemory, modelMemory, packedLayout, type ModelMemory, type ModelMemoryOptions } from '../generate/memory.js'
import { readTextFile, type CheckpointFiles } from './files.js'
import { ggufNames } from './families/names.js'
import { readGgufConfig, readGgufModel } from './gguf.js'
import { isHuggingFace, readHuggingFaceConfig } from './hugging-face.js'
import { readLlama2c, readLlama2cConfig } from './llama2c.js'
import { checkWeightDevice, checkWeightType, isHalf, layoutsIn, type HalfType, type WeightType } from './matrix.js'
import { quantize } from './quantize.js'
import { parseConfig, parseRecord, readPackedRecord } from './record.js'

export interface LoadCheckpointOptions {
  /** What matrices are kept in. Default 'f32'. */
  readonly dtype?: WeightType
  /** Where the model is to run: what cannot fit there is refused before the weights are read. Default: not looked at. */
  readonly device?: Device | DeviceName
  /** Tokens that its cache will hold, for that; default the configuration's context. */
  readonly capacity?: number
  /** Ends reading between two tensors. */
  readonly signal?: AbortSignal
  /** Told of the bytes that were read: task `load-model`. */
  readonly onProgress?: OnProgress
}

/** A model out of a checkpoint. The caller owns the weights, or hands both to `createModel`. */
export interface LoadedCheckpoint<Weights extends AnyDecoderWeights = DecoderWeights> {
  readonly config: DecoderConfig
  readonly weights: Weights
  /** All that a GGUF file says of it: what `Tokenizer.fromGGUF` takes, its template of chats, its licence. */
  readonly metadata?: ReadonlyMap<string, GgufValue>
}

interface ReadWeightsOptions extends LoadCheckpointOptions {
  readonly dtype: WeightType
  /** Each weight is frozen and goes there when it has been read, so that they are never in memory twice. */
  readonly freezeOn?: Device
}

/** A checkpoint whose header and configuration were read and checked. */
export interface OpenCheckpoint {
  readonly format: 'safetensors' | 'gguf' | 'llama2.c'
  /** What it calls its kind of model. */
  readonly architecture: string
  readonly config: DecoderConfig
  /** Values of `config.json`. */
  readonly values: Readonly<Record<string, unknown>>
  readonly metadata: ReadonlyMap<string, GgufValue> | undefined
  /** What is stored; of llama2.c's files nothing has a name. */
  tensors(): Promise<Tensors | undefined>
  /** What it takes with weights in a type, as far as that can be told. */
  memory(options: { readonly dtype: WeightType } & Pick<ModelMemoryOptions, 'capacity' | 'cacheType'>): Promise<ModelMemory>
  readWeights(options: ReadWeightsOptions): Promise<AnyDecoderWeights>
  dispose(): Promise<void>
}

/**
 * Opens the checkpoint among some files: the one that was asked for, else `config.json` with its weights, else the only GGUF file. Errors: CHECKPOINT, CONFIG; FILE and IO of the readers.
 */
export async function openCheckpoint(files: CheckpointFiles): Promise<OpenCheckpoint> {
  const entry = files.entry ?? (await soleEntry(files))
  if (entry === undefined || entry.endsWith('.json') || entry.endsWith('.safetensors')) return openFolder(files, entry)
  const source = await openNamed(files, entry)
  let start: Uint8Array
  try {
    start = await source.read(0, Math.min(source.size, 4))
  } catch (error) {
    await source.dispose?.()
    throw error
  }
  if (String.fromCharCode(...start) === 'GGUF') return openGgufEntry(files, entry, source)
  if (!entry.endsWith('.gguf')) return openLlama2c(source, labelOf(files, entry))
  await source.dispose?.()
  throw new TransformerError(
    'CHECKPOINT',
    `${labelOf(files, entry)}: its ${source.size} bytes do not begin as GGUF does; is it another kind of file, or was its download broken off?`,
  )
}

/**
 * Reads the checkpoint among some files: `config.json` with `model.safetensors` or the shards of its index, in f32, f16 or bf16, Hugging Face's or what `saveModel` wrote; GGUF in any type that is decoded (see
 * `openGguf` of `@tesserae/tensor`), one file or the files of a split one; llama2.c's `.bin`. Errors: OPTION, CHECKPOINT, CONFIG; FILE, IO and DTYPE of the readers; OUT_OF_MEMORY with the numbers when a device
 * was named and cannot hold it; AbortError.
 */
export async function readCheckpoint(
  files: CheckpointFiles,
  options: LoadCheckpointOptions = {},
): Promise<LoadedCheckpoint<AnyDecoderWeights>> {
  const { dtype = 'f32', device, capacity } = options
  checkWeightType(dtype)
  const opened = await openCheckpoint(files)
  try {
    const { config, metadata } = opened
    if (device !== undefined) {
      const where = await resolveDevice(device)
      checkWeightDevice(dtype, where)
      checkModelMemory(await opened.memory({ dtype, ...(capacity === undefined ? {} : { capacity }) }), where)
    }
    return { config, weights: await opened.readWeights({ ...options, dtype }), ...(metadata === undefined ? {} : { metadata }) }
  } finally {
    await opened.dispose()
  }
}

const labelOf = (files: CheckpointFiles, entry: string): string => (files.entry === entry ? files.label : `${files.label}: ${entry}`)

const isWithoutWeights = (names: readonly string[]): boolean =>
  !names.some((name) => /\.(safetensors|safetensors\.index\.json)$/.test(name))

/** The file of a folder that has GGUF files alone. Errors: CHECKPOINT where it has several. */
export async function soleEntry({ names, label }: Pick<CheckpointFiles, 'names' | 'label'>): Promise<string | undefined> {
  if (names === undefined) return undefined
  // Beside GGUF files a config.json is that of the model which they were made of.
  if (names.includes('config.json') && !isWithoutWeights(names)) return undefined
  // What reads images for a model is none.
  const models = names.filter((name) => name.endsWith('.gguf') && !name.startsWith('mmproj') && ggufPartNames(name)[0] === name)
  if (models.length > 1)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: there are several models (${models.slice(0, 20).join(', ')}${models.length > 20 ? ', …' : ''}); name one of them, such as ${label.replace(/\/$/, '')}/${models[0]!}`,
    )
  if (models.length === 1) return models[0]
  if (names.includes('config.json')) return undefined
  return names.length === 1 ? names[0] : undefined
}

async function openNamed(files: CheckpointFiles, name: string): Promise<ByteSource> {
  const source = await files.open(name)
  if (source === undefined) throw new TransformerError('CHECKPOINT', `${files.label}: there is no file ${name}`)
  return source
}

async function openFolder(files: CheckpointFiles, entry: string | undefined): Promise<OpenCheckpoint> {
  const label = `${files.label}/config.json`
  const text = await readTextFile(files, 'config.json')
  if (text === undefined) {
    const names = files.names?.slice(0, 20).join(', ')
    throw new TransformerError(
      'CHECKPOINT',
      `${files.label}: there is no config.json${names === undefined ? '' : ` among ${names || 'no files'}`}; expected a folder of Hugging Face's or of saveModel, or a file in GGUF or of llama2.c`,
    )
  }
  const values = parseRecord(text, label)
  const { config, family } = isHuggingFace(values)
    ? readHuggingFaceConfig(values, label)
    : { config: parseConfig(values, label), family: undefined }
  let opened: Promise<Tensors> | undefined
  const tensors = (): Promise<Tensors> => (opened ??= openWeights(files, entry))
  return {
    format: 'safetensors',
    architecture: family === undefined ? 'decoder' : String(values['model_type']),
    config,
    values,
    metadata: undefined,
    tensors,
    // Headers alone are looked at, and not even these where all is decoded.
    memory: async (options) => decodedMemory(config, options),
    async readWeights(options) {
      const file = watched(await tensors(), options)
      return readPackedRecord(file, config, files.label, {
        names: family?.names(config, file.has),
        type: options.dtype,
        device: options.freezeOn,
      })
    },
    dispose: async () => (await opened?.catch(() => undefined))?.dispose(),
  }
}

async function openWeights(files: CheckpointFiles, entry: string | undefined): Promise<Tensors> {
  if (entry?.endsWith('.safetensors') === true) return openSafetensors(await openNamed(files, entry))
  const index = await files.open('model.safetensors.index.json')
  if (index !== undefined) return openSafetensorsIndex(index, (shard) => openNamed(files, shard))
  const whole = await files.open('model.safetensors')
  if (whole !== undefined) return openSafetensors(whole)
  const pickled = files.names?.find((name) => /^pytorch_model.*\.bin$/.test(name))
  throw new TransformerError(
    'CHECKPOINT',
    `${files.label}: there is neither model.safetensors.index.json nor model.safetensors${pickled === undefined ? '' : `; ${pickled} is a pickle, which is not read: convert it to safetensors`}`,
  )
}

async function openGgufEntry(files: CheckpointFiles, entry: string, first: ByteSource): Promise<OpenCheckpoint> {
  const label = labelOf(files, entry)
  const names = ggufPartNames(entry)
  let file: GgufFile
  if (names.length === 1) file = await openGguf(first, { label })
  else {
    await first.dispose?.()
    const sources: ByteSource[] = []
    try {
      for (const name of names) sources.push(await openNamed(files, name))
    } catch (error) {
      for (const source of sources) await source.dispose?.()
      throw error
    }
    file = await openGgufParts(sources, { label })
  }
  try {
    const config = await readGgufConfig(file, label)
    return {
      format: 'gguf',
      architecture: String(file.metadata.get('general.architecture')),
      config,
      values: {},
      metadata: file.metadata,
      tensors: async () => file,
      memory: async ({ dtype, ...options }) =>
        modelMemory(config, {
          ...options,
          layout: layoutsIn(file, ggufNames(config, file.has), dtype),
          ...(isHalf(dtype) ? { matrices: dtype } : {}),
        }),
      readWeights: async (options) => (await readGgufModel(watched(file, options), label, options)).weights,
      dispose: () => file.dispose(),
    }
  } catch (error) {
    await file.dispose()
    throw error
  }
}

async function openLlama2c(source: ByteSource, label: string): Promise<OpenCheckpoint> {
  try {
    const config = readLlama2cConfig(await source.read(0, Math.min(source.size, 28)), label)
    return {
      format: 'llama2.c',
      architecture: 'llama',
      config,
      values: {},
      metadata: undefined,
      tensors: async () => undefined,
      memory: async (options) => decodedMemory(config, options),
      async readWeights({ dtype, signal, onProgress }) {
        throwIfAborted(signal, 'Loading the model')
        const { weights } = await readLlama2c(await source.read(0, source.size), { label })
        onProgress?.({ task: 'load-model', completed: source.size, total: source.size, unit: 'bytes' })
        if (isHalf(dtype)) return halved(weights, dtype)
        if (dtype !== 'q8' && dtype !== 'q4') return weights
        return (await quantize({ config, weights }, { type: `${dtype}_0`, ...(signal === undefined ? {} : { signal }) })).weights
      },
      dispose: async () => source.dispose?.(),
    }
  } catch (error) {
    await source.dispose?.()
    throw error
  }
}

/** Weights with matrices as halves. It takes them over. */
async function halved(weights: DecoderWeights, dtype: HalfType): Promise<DecoderWeights> {
  const found = new Map<string, Tensor>()
  for (const [name, weight] of namedWeights(weights)) {
    const shape = weight.shape as readonly number[]
    if (!isPackable(name, shape)) continue
    found.set(name, fromBytes(convertFloats('f32', dtype, await weight.bytes()), { dtype, shape, adopt: true }))
    weight.dispose()
  }
  return mapWeights(weights, (weight, name) => found.get(name) ?? weight)
}

/** Of files without blocks: matrices are f32 unless they are packed here. */
const decodedMemory = (
  config: DecoderConfig,
  { dtype, ...options }: { readonly dtype: WeightType } & Pick<ModelMemoryOptions, 'capacity' | 'cacheType'>,
): ModelMemory =>
  modelMemory(config, {
    ...options,
    ...(dtype === 'q8' || dtype === 'q4' ? { layout: packedLayout(dtype === 'q8' ? 8 : 4) } : {}),
    ...(isHalf(dtype) ? { matrices: dtype } : {}),
  })

/** Tensors that tell how many of their bytes were read, and end with the signal. */
function watched<File extends Tensors>(file: File, { signal, onProgress }: LoadCheckpointOptions): File {
  if (signal === undefined && onProgress === undefined) return file
  const total = file.names.reduce((sum, name) => sum + file.info(name).bytes, 0)
  let completed = 0
  const around =
    <Rest extends readonly unknown[], Result>(read: (name: string, ...rest: Rest) => Promise<Result>) =>
    async (name: string, ...rest: Rest): Promise<Result> => {
      throwIfAborted(signal, 'Loading the model')
      const result = await read(name, ...rest)
      completed = Math.min(total, completed + file.info(name).bytes)
      onProgress?.({ task: 'load-model', completed, total, unit: 'bytes' })
      return result
    }
  const quantized = 'quantized' in file ? { quantized: around((file as unknown as GgufFile).quantized) } : {}
  return { ...file, ...quantized, bytes: around(file.bytes), tensor: around(file.tensor) }
}
