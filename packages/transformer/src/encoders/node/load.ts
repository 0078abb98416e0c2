import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { throwIfAborted } from '@tesserae/core'
import { loadOnnxPath, openGgufPath, openSafetensorsPath } from '@tesserae/tensor/node'
import { createEncoder } from '../../embed/encoder.js'
import { loadEncoder } from '../../embed/node/files.js'
import type { TextEmbedder } from '../../embed/embedder.js'
import { readText } from '../../checkpoints/node/files.js'
import { TransformerError } from '../../errors.js'
import { checkTextSize, limitsOf, readEncoderTokenizer, type CheckpointFiles } from '../checkpoint.js'
import { openEmbedder, type LoadEmbedderOptions } from '../embedder.js'
import { readGgufEmbedder } from '../gguf.js'
import { onnxEmbedder, type OnnxTextEmbedder } from '../onnx-embedder.js'
import { openReranker, type LoadRerankerOptions, type Reranker } from '../reranker.js'
import { readPipeline } from '../sentence-transformers.js'

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
 * ModernBERT) in safetensors of f32, f16 or bf16, or one that `saveEncoder` wrote; or from a GGUF file of a BERT. Errors: CHECKPOINT, CONFIG, OPTION; FILE and IO of the readers; OUT_OF_MEMORY; AbortError.
 *
 * @example
 * using embedder = await loadEmbedder('models/all-MiniLM-L6-v2')
 * const { vectors } = await embedder.embed(['Where is the whale?'])
 */
export async function loadEmbedder(folder: string, options: LoadEmbedderOptions = {}): Promise<TextEmbedder> {
  if (folder.endsWith('.gguf')) {
    const file = await openGgufPath(folder)
    return readGgufEmbedder(file, { label: folder, ...options }).finally(() => file.dispose())
  }
  const files = await folderFiles(folder)
  if ((await files.text('encoder.json')) === undefined) return openEmbedder(files, options)
  const { device } = options
  return createEncoder({ ...(await loadEncoder(folder)), ...(device === undefined ? {} : { device }) })
}

/**
 * Loads a cross-encoder from a folder of Hugging Face's transformers or sentence-transformers: a classifier with one label over BERT, RoBERTa, XLM-R, DistilBERT or ModernBERT. Errors: CHECKPOINT,
 * CONFIG; FILE and IO of the readers; OUT_OF_MEMORY; AbortError.
 *
 * @example
 * using reranker = await loadReranker('models/bge-reranker-base')
 * const [best] = await reranker.rank('Where is the whale?', passages, { topK: 1 })
 */
export async function loadReranker(folder: string, options: LoadRerankerOptions = {}): Promise<Reranker> {
  return openReranker(await folderFiles(folder), options)
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
