import { RagError } from '../errors.js'

/** A tokenizer as far as chunking needs one: that of `@tesserae/tokenizer`, or any other with either method. */
export type TokenCounter = { encode(text: string): ArrayLike<number> } | { count(text: string): number }

/** The counting function of a tokenizer. Without one, {@link estimateTokenCount}. */
export function counterOf(tokenizer: TokenCounter | undefined): (text: string) => number {
  if (tokenizer === undefined) return estimateTokenCount
  if ('count' in tokenizer && typeof tokenizer.count === 'function') return (text) => tokenizer.count(text)
  if ('encode' in tokenizer && typeof tokenizer.encode === 'function') return (text) => tokenizer.encode(text).length
  throw new RagError('OPTION', 'A tokenizer for chunking needs the method encode(text), which gives ids, or count(text)')
}

/**
 * About as many tokens as tokenizers of large models make of a text, rather more than fewer: one for every four letters begun of a word, three
 * digits, a sign, and one for every character of scripts without spaces.
 */
export function estimateTokenCount(text: string): number {
  let count = 0
  for (const _ of text.matchAll(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|\p{L}{1,4}|\p{N}{1,3}|[^\s\p{L}\p{N}]/gu)) count++
  return count
}
