import { join } from 'node:path'
import { saveSafetensors } from '@tesserae/tensor/node'
import { checkConfig } from '../../architectures/config.js'
import { checkWeights } from '../../architectures/weights.js'
import type { LoadedModel } from '../llama2c.js'
import { readCheckpoint, type LoadCheckpointOptions, type LoadedCheckpoint } from '../open.js'
import { configText, entriesOf } from '../record.js'
import { makeFolder, writeText } from './files.js'
import { pathFiles } from './path-files.js'

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

/**
 * Reads a checkpoint from a path: a folder with `config.json`, of Hugging Face's or what {@link saveModel} wrote; a GGUF file, or any of a split one's; llama2.c's `.bin`. Tensors are mapped where the platform can. See
 * `loadModel` for a model that is ready to generate. Errors: CHECKPOINT, CONFIG; FILE, IO and DTYPE of the readers; OUT_OF_MEMORY with the numbers when a device was named and cannot hold it; AbortError.
 */
export async function loadCheckpoint(path: string, options: LoadCheckpointOptions = {}): Promise<LoadedCheckpoint> {
  return readCheckpoint(await pathFiles(path), options)
}
