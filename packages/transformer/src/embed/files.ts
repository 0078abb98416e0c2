/** An encoder as three files: `encoder.json`, `model.safetensors` and `tokenizer.json`. */
import { openSafetensors, type ByteSourceLike } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import type { DecoderConfig } from '../architectures/config.js'
import type { DecoderWeights } from '../architectures/weights.js'
import { parseRecord, readRecord } from '../checkpoints/record.js'
import { TransformerError } from '../errors.js'
import { checkEncoderConfig } from './encoder.js'

/** What `createEncoder` needs. */
export interface LoadedEncoder {
  readonly config: DecoderConfig
  readonly weights: DecoderWeights
  readonly tokenizer: Tokenizer
}

export interface EncoderFiles {
  /** Text of `encoder.json`. */
  readonly config: string
  /** Bytes of `model.safetensors`: an array, a Blob, or a source of ranges. */
  readonly weights: ByteSourceLike
  /** Text, or value, of `tokenizer.json`. */
  readonly tokenizer: unknown
}

const format = 'tesserae-encoder'

/** The text of an `encoder.json`. */
export const encoderText = (config: DecoderConfig): string => `${JSON.stringify({ format, version: 1, ...config }, null, 2)}\n`

/** Reads an encoder from its files' contents, in a browser for one. Errors: CHECKPOINT, CONFIG; FILE of the readers. */
export async function readEncoder(files: EncoderFiles, options: { readonly label?: string } = {}): Promise<LoadedEncoder> {
  const { label = 'encoder' } = options
  const config = parseEncoderConfig(files.config, label)
  const tokenizer = Tokenizer.fromJSON(files.tokenizer)
  checkVocabulary(tokenizer, config, label)
  const file = await openSafetensors(files.weights)
  try {
    return { config, weights: await readRecord(file, config, label), tokenizer }
  } finally {
    await file.dispose()
  }
}

/** The configuration in an `encoder.json`. Errors: CHECKPOINT for other files; CONFIG for values out of range. */
export function parseEncoderConfig(text: string, label: string): DecoderConfig {
  const { format: found, version, ...config } = parseRecord(text, label)
  if (found !== format || version !== 1)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: expected format '${format}', version 1, written by saveEncoder; it says ${JSON.stringify(found)}, version ${JSON.stringify(version)}`,
    )
  return checkEncoderConfig(config)
}

/** Errors: CHECKPOINT for a tokenizer with more tokens than a model knows. */
export function checkVocabulary(tokenizer: { readonly vocabSize: number }, config: { readonly vocabSize: number }, label: string): void {
  if (tokenizer.vocabSize > config.vocabSize)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: the tokenizer has ${tokenizer.vocabSize} tokens, the encoder knows ${config.vocabSize}; the two belong to different models`,
    )
}
