import { readdir, stat } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { throwIfAborted } from '@tesserae/core'
import {
  loadOnnx,
  openGguf,
  openSafetensors,
  openSafetensorsIndex,
  type ByteSource,
  type GgufFile,
  type LoadOnnxOptions,
  type OnnxModel,
} from '@tesserae/tensor'
import { loadOnnxPath, openGgufPath, openSafetensorsPath } from '@tesserae/tensor/node'
import { createEncoder } from '../../embed/encoder.js'
import { loadEncoder } from '../../embed/node/files.js'
import type { TextEmbedder } from '../../embed/embedder.js'
import { readTextFile, type CheckpointFiles as HubFiles } from '../../checkpoints/files.js'
import { readText } from '../../checkpoints/node/files.js'
import { soleEntry } from '../../checkpoints/open.js'
import { TransformerError } from '../../errors.js'
import { readHubId, type PlaceOptions } from '../../load/address.js'
import { hubFiles } from '../../load/node/hub/files.js'
import { checkTextSize, limitsOf, readEncoderTokenizer, type CheckpointFiles } from '../checkpoint.js'
import { openEmbedder, type LoadEmbedderOptions } from '../embedder.js'
import { readGgufEmbedder } from '../gguf.js'
import { onnxEmbedder, type OnnxTextEmbedder } from '../onnx-embedder.js'
import { openReranker, type LoadRerankerOptions, type Reranker } from '../reranker.js'
import { readPipeline } from '../sentence-transformers.js'

/** What `hf:` takes beside. */
export type HubOptions = Pick<PlaceOptions, 'token' | 'cacheFolder' | 'offline'>

function checkSource(source: unknown): asserts source is string {
  if (typeof source !== 'string' || source === '')
    throw new TransformerError(
      'OPTION',
      `an encoder is loaded from a path or hf:owner/name, got ${source === '' ? 'an empty text' : String(source)}`,
    )
}

/** A place of an encoder: its files, and the GGUF file among them where it is one. */
interface Place {
  readonly files: CheckpointFiles
  readonly gguf?: () => Promise<GgufFile>
}

async function placeOf(source: string, options: LoadEmbedderOptions & HubOptions): Promise<Place> {
  checkSource(source)
  if (source.startsWith('hf:')) return hubPlace(await hubFiles(source.slice('hf:'.length), options))
  if (source.endsWith('.gguf')) return { files: unreadable(source), gguf: () => openGgufPath(source) }
  const files = await folderFiles(source)
  const names = await readdir(source)
  const entry = await soleEntry({ names, label: source })
  return { files, ...(entry?.endsWith('.gguf') === true ? { gguf: () => openGgufPath(join(source, entry)) } : {}) }
}

async function hubPlace(hub: HubFiles): Promise<Place> {
  const { label } = hub
  const entry = hub.entry ?? (await soleEntry(hub))
  const files = encoderFiles(hub)
  return { files, ...(entry?.endsWith('.gguf') === true ? { gguf: async () => openGguf(await openedOf(hub, entry), { label }) } : {}) }
}

async function openedOf(hub: HubFiles, path: string): Promise<ByteSource> {
  const source = await hub.open(path)
  if (source === undefined) throw new TransformerError('CHECKPOINT', `${hub.label}: there is no file ${path}`)
  return source
}

const encoderFiles = (hub: HubFiles): CheckpointFiles => ({
  label: hub.label,
  text: (path) => readTextFile(hub, path),
  async tensors(inside) {
    const { label } = hub
    const at = inside === '' ? '' : `${inside}/`
    const index = await hub.open(`${at}model.safetensors.index.json`)
    if (index !== undefined) return openSafetensorsIndex(index, (shard) => openedOf(hub, at + shard), { label })
    return openSafetensors(await openedOf(hub, `${at}model.safetensors`), { label })
  },
})

/** A file by itself has no others. */
const unreadable = (label: string): CheckpointFiles => ({
  label,
  text: async () => undefined,
  tensors: () => Promise.reject(new TransformerError('CHECKPOINT', `${label} is a file; expected a folder with model.safetensors`)),
})

/** The files of a folder. */
async function folderFiles(folder: string): Promise<CheckpointFiles> {
  const kind = await kindOf(folder)
  if (kind === undefined) throw new TransformerError('CHECKPOINT', `there is nothing at ${folder}; expected a folder, or hf:owner/name`)
  if (!kind.isDirectory())
    throw new TransformerError(
      'CHECKPOINT',
      `${folder} is not a folder; expected one with config.json, tokenizer.json and model.safetensors`,
    )
  return {
    label: folder,
    async text(path) {
      const found = await kindOf(join(folder, path))
      if (found?.isFile() !== true) return undefined
      checkTextSize(found.size, join(folder, path))
      return readText(join(folder, path))
    },
    tensors: (inside) => openSafetensorsPath(join(folder, inside)),
  }
}

const kindOf = (path: string) => stat(path).catch(() => undefined)

/**
 * Loads an embedder from a folder: one of sentence-transformers (`modules.json`), a bare encoder of Hugging Face's transformers (BERT, MiniLM, BGE, E5, RoBERTa, XLM-R, DistilBERT,
 * ModernBERT) in safetensors of f32, f16 or bf16, or one that `saveEncoder` wrote; from a GGUF file of a BERT; or from the hub, as `hf:owner/name`, `hf:owner/name@revision` or `hf:owner/name/file.gguf`. Errors: CHECKPOINT, CONFIG, OPTION; FILE and IO of the readers; OUT_OF_MEMORY; AbortError.
 *
 * @example
 * using embedder = await loadEmbedder('models/all-MiniLM-L6-v2')
 * const { vectors } = await embedder.embed(['Where is the whale?'])
 */
export async function loadEmbedder(source: string, options: LoadEmbedderOptions & HubOptions = {}): Promise<TextEmbedder> {
  const { files, gguf } = await placeOf(source, options)
  if (gguf !== undefined) {
    const file = await gguf()
    return readGgufEmbedder(file, { label: files.label, ...options }).finally(() => file.dispose())
  }
  if ((await files.text('encoder.json')) === undefined) return openEmbedder(files, options)
  if (source.startsWith('hf:'))
    throw new TransformerError(
      'UNSUPPORTED',
      `${source} is what saveEncoder wrote, which is read from a folder: download it, and give its path`,
    )
  const { device } = options
  return createEncoder({ ...(await loadEncoder(source)), ...(device === undefined ? {} : { device }) })
}

/**
 * Loads a cross-encoder from a folder of Hugging Face's transformers or sentence-transformers, or from the hub as `hf:owner/name`: a classifier with one label over BERT, RoBERTa, XLM-R, DistilBERT or ModernBERT. Errors: CHECKPOINT,
 * CONFIG; FILE and IO of the readers; OUT_OF_MEMORY; AbortError.
 *
 * @example
 * using reranker = await loadReranker('models/bge-reranker-base')
 * const [best] = await reranker.rank('Where is the whale?', passages, { topK: 1 })
 */
export async function loadReranker(source: string, options: LoadRerankerOptions & HubOptions = {}): Promise<Reranker> {
  const { files, gguf } = await placeOf(source, options)
  if (gguf !== undefined)
    throw new TransformerError(
      'UNSUPPORTED',
      `${files.label}: rerankers are read from safetensors; take the checkpoint that this GGUF file was made of`,
    )
  return openReranker(files, options)
}

export interface LoadOnnxEmbedderOptions extends LoadEmbedderOptions, HubOptions {
  /** Which model of the folder; default the first that is there of `onnx/model.onnx` and `model.onnx`. */
  readonly file?: string
}

/**
 * Loads an embedder whose encoder is an ONNX model, whatever its architecture, as Optimum and the hub have them: `onnx/model.onnx` with `tokenizer.json`, and `config.json` and sentence-transformers' files where
 * they are. From a folder, or from the hub as `hf:owner/name`, `hf:owner/name@revision` or `hf:owner/name/onnx/model_quantized.onnx`. Errors: CHECKPOINT, OPTION; FILE, IO, DEVICE and RUNTIME of `loadOnnx`; AbortError.
 *
 * @example
 * using embedder = await loadOnnxEmbedder('hf:onnx-community/gte-multilingual-base')
 */
export async function loadOnnxEmbedder(source: string, options: LoadOnnxEmbedderOptions = {}): Promise<OnnxTextEmbedder> {
  const { device, signal, pooling, normalize } = options
  const { files, file, open } = await onnxPlace(source, options)
  const pipeline = await readPipeline(files)
  const { tokenizer, maxTokens } = await readEncoderTokenizer(files, pipeline.folder, await limitsOf(files, pipeline.folder), {
    maxTokens: options.maxTokens ?? pipeline.maxTokens,
  })
  throwIfAborted(signal, 'Loading the encoder')
  const model = await open({
    ...(device === undefined ? {} : { device }),
    ...(signal === undefined ? {} : { signal }),
  })
  try {
    const dense = pipeline.steps.find(({ kind }) => kind === 'dense')
    if (dense !== undefined && !model.outputs.some(({ name }) => name === 'sentence_embedding'))
      throw new TransformerError('CHECKPOINT', `${source}: modules.json has a Dense layer, which ${file} lacks; export the whole pipeline`)
    return await onnxEmbedder(model, {
      tokenizer,
      pooling: pooling ?? pipeline.pooling,
      normalize: normalize ?? pipeline.steps.some(({ kind }) => kind === 'normalize'),
      maxTokens,
      prompts: pipeline.prompts,
      ...(pipeline.defaultPrompt === undefined ? {} : { defaultPrompt: pipeline.defaultPrompt }),
      lowerCase: pipeline.lowerCase,
    })
  } catch (error) {
    model.dispose()
    throw error
  }
}

/** An encoder's files, which of them is its model, and how that is opened. */
interface OnnxPlace {
  readonly files: CheckpointFiles
  readonly file: string
  readonly open: (options: LoadOnnxOptions) => Promise<OnnxModel>
}

async function onnxPlace(source: string, options: LoadOnnxEmbedderOptions): Promise<OnnxPlace> {
  checkSource(source)
  if (!source.startsWith('hf:')) {
    const files = await folderFiles(source)
    const isThere = async (name: string): Promise<boolean> => (await kindOf(join(source, name)))?.isFile() === true
    const file = options.file ?? (await firstOf(source, isThere))
    return { files, file, open: (how) => loadOnnxPath(join(source, file), how) }
  }
  const { repository, revision, file: named } = readHubId(source.slice('hf:'.length))
  const hub = await hubFiles(revision === undefined ? repository : `${repository}@${revision}`, options)
  const file = options.file ?? named ?? (await firstOf(hub.label, (name) => hub.has(name)))
  return {
    files: encoderFiles(hub),
    file,
    open: async (how) =>
      loadOnnx(await openedOf(hub, file), {
        label: `${hub.label}/${file}`,
        openExternal: (location) => openedOf(hub, posix.join(posix.dirname(file), location)),
        ...how,
      }),
  }
}

const usualModels = ['onnx/model.onnx', 'model.onnx']

async function firstOf(label: string, isThere: (name: string) => boolean | Promise<boolean>): Promise<string> {
  for (const name of usualModels) if (await isThere(name)) return name
  throw new TransformerError('CHECKPOINT', `${label} holds neither ${usualModels.join(' nor ')}; name its model with the option file`)
}
