import { readFileSync } from 'node:fs'
import type { ComponentJson } from '../pipeline/components.js'
import type { Tokenizer } from '../tokenizer.js'
import { trainBpe } from '../train/bpe.js'
import { trainWordPiece } from '../train/wordpiece.js'

/** A training by Hugging Face's trainers; see tools/tokenizer/hf_training.py. */
export interface TrainingCase {
  readonly name: string
  readonly kind: 'characters' | 'wordpiece'
  readonly vocabSize: number
  readonly minFrequency: number
  readonly specialTokens: readonly string[]
  readonly normalizer?: ComponentJson & { readonly type: string }
  readonly preTokenizer?: ComponentJson & { readonly type: string }
  readonly decoder?: ComponentJson & { readonly type: string }
}

export interface TrainingFixture {
  readonly corpus: readonly string[]
  readonly samples: readonly string[]
  readonly trained: readonly {
    readonly case: TrainingCase
    /** Tokens in the order of their ids. */
    readonly vocab: readonly string[]
    readonly merges: { readonly count: number; readonly sha256: string }
    /** Of each sample. */
    readonly ids: readonly (readonly number[])[]
    readonly decoded: readonly string[]
  }[]
  readonly runs: readonly {
    readonly text: string
    readonly vocabSize: number
    readonly minFrequency: number
    readonly merges: readonly string[]
  }[]
}

export const trainingFixture = (): TrainingFixture =>
  JSON.parse(readFileSync(new URL('training.json', import.meta.url), 'utf8')) as TrainingFixture

/** Trains what a case describes; components that it leaves out are none. */
export function trainCase({ name: _, kind, ...options }: TrainingCase, texts: Iterable<string> | AsyncIterable<string>): Promise<Tokenizer> {
  const given = { normalizer: null, preTokenizer: null, decoder: null, ...options }
  return kind === 'wordpiece' ? trainWordPiece(texts, given) : trainBpe(texts, { symbols: 'characters', ...given })
}

/** The tokens of a trained tokenizer in the order of their ids, and its merges as "left right". */
export function trainedForms(tokenizer: Tokenizer): { readonly vocab: readonly string[]; readonly merges: readonly string[] } {
  const { vocab, merges = [] } = tokenizer.toJSON().model
  return { vocab: Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!), merges: merges.map((pair) => pair.join(' ')) }
}
