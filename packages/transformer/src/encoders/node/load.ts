import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '@tesserae/core'
import { openGguf, openSafetensors, openSafetensorsIndex, type ByteSource, type GgufFile } from '@tesserae/tensor'
import { loadOnnxPath, openGgufPath, openSafetensorsPath } from '@tesserae/tensor/node'
import { createEncoder } from '../../embed/encoder.js'
import { loadEncoder } from '../../embed/node/files.js'
import type { TextEmbedder } from '../../embed/embedder.js'
import { readTextFile, type CheckpointFiles as HubFiles } from '../../checkpoints/files.js'
import { readText } from '../../checkpoints/node/files.js'
import { soleEntry } from '../../checkpoints/open.js'
import { TransformerError } from '../../errors.js'
import type { PlaceOptions } from '../../load/address.js'
import { hubFiles } from '../../load/node/hub/files.js'
import { checkTextSize, limitsOf, readEncoderTokenizer, type CheckpointFiles } from '../checkpoint.js'
import { openEmbedder, type LoadEmbedderOptions } from '../embedder.js'
import { readGgufEmbedder } from '../gguf.js'
import { onnxEmbedder, type OnnxTextEmbedder } from '../onnx-embedder.js'
import { openReranker, type LoadRerankerOptions, type Reranker } from '../reranker.js'
import { readPipeline } from '../sentence-transformers.js'

/** What `hf:` takes beside. */
export type HubOptions = Pick<PlaceOptions, 'token' | 'cacheFolder' | 'offline'>

/** A place of an encoder: its files, and the GGUF file among them where it is one. */
interface Place {
  readonly files: CheckpointFiles
  readonly gguf?: () => Promise<GgufFile>
}

async function placeOf(source: string, options: LoadEmbedderOptions & HubOptions): Promise<Place> {
  if (source.startsWith('hf:')) return hubPlace(await hubFiles(source.slice('hf:'.length), options))
  if (source.endsWith('.gguf')) return { files: unreadable(source), gguf: () => openGgufPath(source) }
  const files = await folderFiles(source)
  const names = await readdir(source)
  const entry = await soleEntry({ names, label: source })
  return { files, ...(entry?.endsWith('.gguf') === true ? { gguf: () => openGgufPath(join(source, entry)) } : {}) }
}

async function hubPlace(hub: HubFiles): Promise<Place> {
  const { label } = hub
  const opened = async (path: string): Promise<ByteSource> => {
    const source = await hub.open(path)
    if (source === undefined) throw new TransformerError('CHECKPOINT', `${label}: there is no file ${path}`)
    return source
  }
  const entry = hub.entry ?? (await soleEntry(hub))
  const files: CheckpointFiles = {
    label,
    text: (path) => readTextFile(hub, path),
    async tensors(inside) {
      const at = inside === '' ? '' : `${inside}/`
      const index = await hub.open(`${at}model.safetensors.index.json`)
      if (index !== undefined) return openSafetensorsIndex(index, (shard) => opened(at + shard), { label })
      return openSafetensors(await opened(`${at}model.safetensors`), { label })
    },
  }
  return { files, ...(entry?.endsWith('.gguf') === true ? { gguf: async () => openGguf(await opened(entry), { label }) } : {}) }
}

/** A file by itself has no others. */
const unreadable = (label: string): CheckpointFiles => ({
  label,
  text: async () => undefined,
  tensors: () => Promise.reject(new TransformerError('CHECKPOINT', `${label} is a file; expected a folder with model.safetensors`)),
})

/** The files of a folder. */
async function folderFiles(folder: string): Promise<CheckpointFiles> {
  if (!(await kindOf(folder))?.isDirectory())
    throw new TransformerError(
      'CHECKPOINT',
      `${folder} is not a folder; expected one with config.json, tokenizer.json and model.safetensors${folder.startsWith('hf:') ? `. Download it first: huggingface-cli download ${folder.slice(3)} --local-dir FOLDER` : ''}`,
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

export interface LoadOnnxEmbedderOptions extends Omit<LoadEmbedderOptions, 'onProgress'> {
  /** Which model of the folder; default the first that is there of `onnx/model.onnx` and `model.onnx`. */
  readonly file?: string
}

/**
 * Loads an embedder whose encoder is an ONNX model, whatever its architecture, from a folder as Optimum and the hub have them: `onnx/model.onnx` with `tokenizer.json`, and `config.json` and sentence-transformers' files where
 * they are. Errors: CHECKPOINT, OPTION; FILE, IO, DEVICE and RUNTIME of `loadOnnx`; AbortError.
 */
export async function loadOnnxEmbedder(folder: string, options: LoadOnnxEmbedderOptions = {}): Promise<OnnxTextEmbedder> {
  const { device, signal, pooling, normalize } = options
  const files = await folderFiles(folder)
  const pipeline = await readPipeline(files)
  const file = options.file ?? (await firstOf(folder, ['onnx/model.onnx', 'model.onnx']))
  const { tokenizer, maxTokens } = await readEncoderTokenizer(files, pipeline.folder, await limitsOf(files, pipeline.folder), {
    maxTokens: options.maxTokens ?? pipeline.maxTokens,
  })
  throwIfAborted(signal, 'Loading the encoder')
  const model = await loadOnnxPath(join(folder, file), {
    ...(device === undefined ? {} : { device }),
    ...(signal === undefined ? {} : { signal }),
  })
  try {
    const dense = pipeline.steps.find(({ kind }) => kind === 'dense')
    if (dense !== undefined && !model.outputs.some(({ name }) => name === 'sentence_embedding'))
      throw new TransformerError('CHECKPOINT', `${folder}: modules.json has a Dense layer, which ${file} lacks; export the whole pipeline`)
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

async function firstOf(folder: string, names: readonly string[]): Promise<string> {
  for (const name of names) if ((await kindOf(join(folder, name)))?.isFile() === true) return name
  throw new TransformerError('CHECKPOINT', `${folder} holds neither ${names.join(' nor ')}; name its model with the option file`)
}
