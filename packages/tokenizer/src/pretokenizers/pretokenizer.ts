import type { IdList } from '../id-list.js'

/**
 * The splits known by name. `gpt2` is GPT-2's, also that of r50k and p50k. `cl100k` is that of GPT-3.5 and GPT-4: contractions in any case,
 * numbers in groups of three digits, line breaks together. `llama3` is the same but for white space with a line break at the end of
 * a text, which it divides; `qwen2` is llama3's with every digit by itself. `o200k` is GPT-4o's: words end where a capital follows
 * a small letter, and contractions stay with their word.
 */
export type PatternName = 'gpt2' | 'cl100k' | 'llama3' | 'qwen2' | 'o200k'

/** Splits text into pieces; byte-pair merging never crosses the border of a piece. Pieces cover the text without a gap. */
export interface PreTokenizer {
  readonly pattern: PatternName | { readonly source: string }
  /**
   * Appends the end of every piece to `ends`, as an offset of bytes.
   *
   * @param text the text
   * @param bytes the same text in UTF-8, with U+FFFD for lone surrogates
   * @param length how many of `bytes` count
   */
  split(text: string, bytes: Uint8Array, length: number, ends: IdList): void
}
