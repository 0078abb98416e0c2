/**
 * The encodings without the readers of other files: for pages and edge functions, where every kilobyte counts. What `createTokenizer` gives
 * turns text into ids and back.
 */
import { CoreTokenizer } from './core-tokenizer.js'
import type { EncodingData } from './encodings/encoding-data.js'
import { readEncoding } from './encodings/read-encoding.js'

export type { EncodingData, EncodingName } from './encodings/encoding-data.js'
export { TokenizerError, type TokenizerErrorCode } from './errors.js'
export type { SpecialPolicy } from './special-tokens.js'
export type { StreamDecoder } from './stream-decoder.js'
export { CoreTokenizer, type DecodeOptions, type EncodeOptions } from './core-tokenizer.js'

/** A tokenizer from data that was imported from `@tesserae/tokenizer/encodings/NAME`. */
export function createTokenizer(data: EncodingData): CoreTokenizer {
  return new CoreTokenizer(readEncoding(data))
}
