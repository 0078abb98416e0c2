import { Tokenizer } from '@tesserae/tokenizer'
import type { RawVocabulary } from './contest.js'

/** Of cl100k_base, the token that ends a text; those behind it are for other purposes. */
const END = 100_257

export interface Tokens extends RawVocabulary {
  readonly encode: (text: string) => number[]
  readonly decode: (ids: readonly number[]) => string
}

/** The vocabulary that all engines get: cl100k_base up to the token that ends a text. */
export async function cl100k(): Promise<Tokens> {
  const tokenizer = await Tokenizer.fromEncoding('cl100k_base')
  const tokens = Array.from({ length: END + 1 }, (_, id) => (id < END - 1 ? tokenizer.tokenBytes(id) : undefined))
  return { tokens, end: END, encode: (text) => [...tokenizer.encode(text, { special: 'text' })], decode: (ids) => tokenizer.decode(ids) }
}
