import type { EncodingData, EncodingName } from '../encodings/encoding-data.js'
import { TokenizerError } from '../errors.js'
import type { GgufMetadata } from '../formats/gguf/metadata.js'
import type { ReadJsonOptions, TokenizerConfig } from '../formats/hf-json/read.js'
import type { SentencePieceOptions } from '../formats/sentencepiece/read.js'
import type { TiktokenOptions } from '../formats/tiktoken/read.js'
import { Tokenizer } from '../tokenizer.js'

/** What a tokenizer is read from, once in every thread; the same as the arguments of `Tokenizer`'s functions. */
export type TokenizerSource =
  | { readonly encoding: EncodingName }
  | { readonly encodingData: EncodingData }
  | { readonly json: unknown; readonly config?: TokenizerConfig | string; readonly options?: ReadJsonOptions }
  | { readonly tiktoken: string | Uint8Array; readonly options: TiktokenOptions }
  | { readonly sentencePiece: Uint8Array; readonly options?: SentencePieceOptions }
  | { readonly gguf: Uint8Array | GgufMetadata }
  | { readonly llama2c: Uint8Array }

/** The names that a source may have. */
const kinds = ['encoding', 'encodingData', 'json', 'tiktoken', 'sentencePiece', 'gguf', 'llama2c'] as const

/** @throws TokenizerError `VALUE` for what is no source, and what reading it throws */
export async function readSource(source: TokenizerSource): Promise<Tokenizer> {
  checkSource(source)
  if ('encoding' in source) return Tokenizer.fromEncoding(source.encoding)
  if ('encodingData' in source) return Tokenizer.fromEncodingData(source.encodingData)
  if ('json' in source) return Tokenizer.fromJSON(source.json, source.config, source.options)
  if ('tiktoken' in source) return Tokenizer.fromTiktoken(source.tiktoken, source.options)
  if ('sentencePiece' in source) return Tokenizer.fromSentencePiece(source.sentencePiece, source.options)
  if ('gguf' in source) return Tokenizer.fromGGUF(source.gguf)
  return Tokenizer.fromLlama2c(source.llama2c)
}

export function checkSource(source: unknown): void {
  if (typeof source === 'object' && source !== null && kinds.some((kind) => kind in source)) return
  throw new TokenizerError(
    'VALUE',
    `A batch encoder is created from an object with one of ${kinds.join(', ')}, such as { encoding: 'cl100k_base' }; got ${
      typeof source === 'object' && source !== null ? `one with ${Object.keys(source).join(', ') || 'nothing'}` : String(source)
    }`,
  )
}
