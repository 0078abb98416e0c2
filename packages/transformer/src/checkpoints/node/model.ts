import { join } from 'node:path'
import { saveSafetensors } from '@tesserae/tensor/node'
import type { TextTokenizer } from '@tesserae/tokenizer'
import { checkConfig } from '../../architectures/config.js'
import { checkWeights, type AnyDecoderWeights } from '../../architectures/weights.js'
import { TransformerError } from '../../errors.js'
import type { LoadedModel } from '../llama2c.js'
import { isHalf, type HalfType } from '../matrix.js'
import { readCheckpoint, type LoadCheckpointOptions, type LoadedCheckpoint } from '../open.js'
import { configText, entriesOf } from '../record.js'
import { makeFolder, writeText } from './files.js'
import { pathFiles } from './path-files.js'

/** What {@link saveModel} writes. */
export interface SavedModel extends LoadedModel {
  /** Written beside the weights with its template of chats, so that `loadModel` has a model that is ready to generate. */
  readonly tokenizer?: TextTokenizer
}

export interface SaveModelOptions {
  /** What matrices are written in; default as they are. Norms and biases stay as they are. */
  readonly dtype?: 'f32' | HalfType
  readonly signal?: AbortSignal
}

/**
 * Writes a model as a folder with `config.json` and `model.safetensors`, each replaced whole, and `tokenizer.json` with `tokenizer_config.json` where there is a tokenizer. The weights stay the caller's.
 * Errors: CHECKPOINT, CONFIG, WEIGHTS; IO and ABORTED of the writer; UNSUPPORTED of a tokenizer that has no such form.
 */
export async function saveModel(folder: string, model: SavedModel, options: SaveModelOptions = {}): Promise<void> {
  const { dtype, ...writing } = options
  if (dtype !== undefined && dtype !== 'f32' && !isHalf(dtype))
    throw new TransformerError('OPTION', `saveModel: dtype is ${JSON.stringify(dtype)}; expected 'f32', 'f16' or 'bf16'`)
  const config = checkConfig(model.config)
  checkWeights(model.weights, config)
  const tokenizer = model.tokenizer === undefined ? [] : tokenizerFiles(model.tokenizer)
  await makeFolder(folder)
  await saveSafetensors(join(folder, 'model.safetensors'), entriesOf(model.weights, '', dtype), writing)
  for (const [name, value] of tokenizer) await writeText(join(folder, name), JSON.stringify(value))
  await writeText(join(folder, 'config.json'), configText(config))
}

function tokenizerFiles(tokenizer: TextTokenizer): (readonly [name: string, value: unknown])[] {
  const named = Object.entries({ bos_token: tokenizer.bosId, eos_token: tokenizer.eosId })
  const templates = [...tokenizer.chatTemplates].map(([name, template]) => ({ name, template }))
  const config = {
    ...Object.fromEntries(named.flatMap(([name, id]) => (id === undefined ? [] : [[name, tokenizer.decode([id])]]))),
    ...(templates.length === 0 ? {} : { chat_template: templates.length === 1 ? templates[0]!.template : templates }),
  }
  return [
    ['tokenizer.json', tokenizer.toJSON()],
    ['tokenizer_config.json', config],
  ]
}

/**
 * Reads a checkpoint from a path: a folder with `config.json`, of Hugging Face's or what {@link saveModel} wrote; a GGUF file, or any of a split one's; llama2.c's `.bin`. Tensors are mapped where the platform can. Matrices
 * are f32 unless `dtype` says otherwise: `'auto'` keeps those in blocks that a GGUF file has so. See `loadModel` for a model that is ready to generate. Errors: OPTION, CHECKPOINT, CONFIG; FILE, IO and DTYPE of the readers;
 * OUT_OF_MEMORY with the numbers when a device was named and cannot hold it; AbortError.
 */
export function loadCheckpoint(
  path: string,
  options?: LoadCheckpointOptions & { readonly dtype?: 'f32' | HalfType },
): Promise<LoadedCheckpoint>
export function loadCheckpoint(path: string, options: LoadCheckpointOptions): Promise<LoadedCheckpoint<AnyDecoderWeights>>
export async function loadCheckpoint(path: string, options: LoadCheckpointOptions = {}): Promise<LoadedCheckpoint<AnyDecoderWeights>> {
  return readCheckpoint(await pathFiles(path), options)
}
