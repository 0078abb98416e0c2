/**
 * The encodings without the readers of other files: for pages and edge functions, where every kilobyte counts. What `createTokenizer` gives does all that
 * a `Tokenizer` does.
 */
import type { EncodingData } from './encodings/encoding-data.js'
import { readEncoding } from './encodings/read-encoding.js'
import { TextTokenizer } from './text-tokenizer.js'

export type { EncodingData, EncodingName } from './encodings/encoding-data.js'
export { TokenizerError, type TokenizerErrorCode } from './errors.js'
export type { SpecialPolicy } from './special-tokens.js'
export type { StreamDecoder } from './stream-decoder.js'
export { TextTokenizer, type DecodeOptions, type EncodeOptions } from './text-tokenizer.js'

/** A tokenizer from data that was imported from `@tesserae/tokenizer/encodings/NAME`. */
export function createTokenizer(data: EncodingData): TextTokenizer {
  return new TextTokenizer(readEncoding(data))
}
