import type { Call } from './protocol.js'

/** The vocabulary that comes with the page, or the one that was trained in it. */
export type Vocabulary = 'shipped' | 'trained'

export interface TokenView {
  readonly id: number
  readonly bytes: readonly number[]
  /** The token's text; undefined where its bytes are a part of a character. */
  readonly text?: string
}

export interface VocabularyFacts {
  readonly size: number
  /** Texts of the tokens that were merged last, the newest first. */
  readonly newest: readonly string[]
}

export interface TokenizerCalls {
  'tokenizer.facts': Call<{ readonly vocabulary: Vocabulary }, never, VocabularyFacts>
  'tokenizer.encode': Call<{ readonly vocabulary: Vocabulary; readonly text: string }, never, { readonly tokens: readonly TokenView[] }>
  'tokenizer.train': Call<
    { readonly text: string; readonly vocabSize: number },
    { readonly completed: number; readonly total: number },
    VocabularyFacts & { readonly seconds: number }
  >
  /** The trained vocabulary as the text of a tokenizer.json. */
  'tokenizer.export': Call<{ readonly vocabulary: Vocabulary }, never, { readonly json: string }>
}
