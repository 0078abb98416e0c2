import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { resolveDevice, type Device, type DeviceName } from '@tesserae/tensor'
import { openGgufPath, openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { checkConfig } from '../../architectures/config.js'
import { checkWeights } from '../../architectures/weights.js'
import { TransformerError } from '../../errors.js'
import { checkModelMemory, modelMemory } from '../../generate/memory.js'
import { readLlama2c, type LoadedModel } from '../llama2c.js'
import { readGgufConfig, readGgufModel, type GgufModel } from '../gguf.js'
import { ggufNames } from '../families/names.js'
import { isHuggingFace, readHuggingFaceConfig } from '../hugging-face.js'
import { configText, entriesOf, parseConfig, parseRecord, readRecord } from '../record.js'
import { layoutsIn, type WeightType } from '../matrix.js'
import { makeFolder, readText, writeText } from './files.js'

/**
 * Writes a model as a folder with `config.json` and `model.safetensors`, each replaced whole. The weights stay the caller's.
 * Errors: CHECKPOINT, CONFIG, WEIGHTS; IO and ABORTED of the writer.
 */
export async function saveModel(folder: string, model: LoadedModel, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  const config = checkConfig(model.config)
  checkWeights(model.weights, config)
  await makeFolder(folder)
  await saveSafetensors(join(folder, 'model.safetensors'), entriesOf(model.weights), options)
  await writeText(join(folder, 'config.json'), configText(config))
}

export interface LoadModelOptions {
  /** Where the model is to run: what cannot fit there is refused before the weights are read. Default: not looked at. */
  readonly device?: Device | DeviceName
  /** Tokens that its cache will hold, for that; default the configuration's context. */
  readonly capacity?: number
}

/**
 * Reads a folder that {@link saveModel} wrote, or one of Hugging Face's: `config.json` of a Llama, SmolLM, Mistral, Qwen 2, 2.5 or 3, and `model.safetensors` or the shards of its index, in f32, f16 or bf16. Tensors are mapped
 * where the platform can. Mistral's context ends at its sliding window. Errors: CHECKPOINT, CONFIG; FILE and IO of the reader; OUT_OF_MEMORY
 * with the numbers when a device was named and cannot hold it.
 */
export async function loadModel(folder: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const path = join(folder, 'config.json')
  const values = parseRecord(await readText(path), path)
  const { config, family } = isHuggingFace(values)
    ? readHuggingFaceConfig(values, path)
    : { config: parseConfig(values, path), family: undefined }
  if (options.device !== undefined) checkModelMemory(modelMemory(config, options), await resolveDevice(options.device))
  const file = await openSafetensorsPath(folder)
  try {
    return { config, weights: await readRecord(file, config, folder, family?.names(config, file.has)) }
  } finally {
    await file.dispose()
  }
}

/**
 * Reads a model out of a GGUF file, or of the files of a split one by the path of any: Llama, SmolLM, Mistral, Qwen 2, 2.5 and 3 in any type that is decoded (see `openGguf` of `@tesserae/tensor`). Matrices stay in the file's blocks unless `dtype` says
 * otherwise. Errors: OPTION, CHECKPOINT, CONFIG; FILE, IO and DTYPE of the reader; OUT_OF_MEMORY as for {@link loadModel}.
 */
export async function loadGguf(path: string, options: LoadModelOptions & { readonly dtype?: WeightType } = {}): Promise<GgufModel> {
  const file = await openGgufPath(path)
  try {
    if (options.device !== undefined) {
      const config = await readGgufConfig(file, path)
      const layout = layoutsIn(file, ggufNames(config, file.has), options.dtype)
      checkModelMemory(modelMemory(config, { ...options, layout }), await resolveDevice(options.device))
    }
    return await readGgufModel(file, path, options)
  } finally {
    await file.dispose()
  }
}

/** Reads a llama2.c checkpoint (version 0) from a path, see {@link readLlama2c}. Errors: CHECKPOINT. */
export async function loadLlama2c(path: string): Promise<LoadedModel> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    throw new TransformerError('CHECKPOINT', `${path} could not be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
  return readLlama2c(bytes, { label: path })
}
