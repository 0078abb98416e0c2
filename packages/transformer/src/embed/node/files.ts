import { join } from 'node:path'
import { openSafetensorsPath, saveSafetensors } from '@tesserae/tensor/node'
import { Tokenizer } from '@tesserae/tokenizer'
import { checkWeights } from '../../architectures/weights.js'
import { makeFolder, readText, writeText } from '../../checkpoints/node/files.js'
import { entriesOf, parseRecord, readRecord } from '../../checkpoints/record.js'
import { checkEncoderConfig } from '../encoder.js'
import { checkVocabulary, encoderText, parseEncoderConfig, type LoadedEncoder } from '../files.js'

/**
 * Writes an encoder as a folder with `encoder.json`, `model.safetensors` and `tokenizer.json`, each replaced whole. The weights stay the
 * caller's. Errors: CHECKPOINT, CONFIG, WEIGHTS; IO and ABORTED of the writer.
 */
export async function saveEncoder(folder: string, encoder: LoadedEncoder, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  const config = checkEncoderConfig(encoder.config)
  checkWeights(encoder.weights, config)
  checkVocabulary(encoder.tokenizer, config, folder)
  await makeFolder(folder)
  await saveSafetensors(join(folder, 'model.safetensors'), entriesOf(encoder.weights), options)
  await writeText(join(folder, 'tokenizer.json'), JSON.stringify(encoder.tokenizer))
  await writeText(join(folder, 'encoder.json'), encoderText(config))
}

/** Reads a folder that {@link saveEncoder} wrote. Errors: CHECKPOINT, CONFIG; FILE and IO of the readers. */
export async function loadEncoder(folder: string): Promise<LoadedEncoder> {
  const path = join(folder, 'encoder.json')
  const config = parseEncoderConfig(await readText(path), path)
  const tokenizerPath = join(folder, 'tokenizer.json')
  const tokenizer = Tokenizer.fromJSON(parseRecord(await readText(tokenizerPath), tokenizerPath))
  checkVocabulary(tokenizer, config, folder)
  const file = await openSafetensorsPath(join(folder, 'model.safetensors'))
  try {
    return { config, weights: await readRecord(file, config, folder), tokenizer }
  } finally {
    await file.dispose()
  }
}
