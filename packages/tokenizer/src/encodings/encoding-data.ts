import type { PatternName } from '../pretokenizers/pretokenizer.js'

/** The encodings of OpenAI's models, by tiktoken's names. */
export type EncodingName = 'gpt2' | 'r50k_base' | 'p50k_base' | 'p50k_edit' | 'cl100k_base' | 'o200k_base' | 'o200k_harmony'

/** Tokens with ids from `first` on, each as the pair of earlier tokens that it joins; see `readEncoding` for the form. */
export interface MergedTokens {
  readonly first: number
  readonly pairs: string
}

/** An encoding with its vocabulary, as the entry points `@tesserae/tokenizer/encodings/NAME` export it. */
export interface EncodingData {
  readonly name: EncodingName
  readonly pattern: PatternName
  /** What follows the 256 single bytes. */
  readonly tokens: readonly MergedTokens[]
  readonly special: Readonly<Record<string, number>>
}
