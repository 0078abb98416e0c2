/** Tiny Llamas whose context is stretched to 131,072 tokens, with transformers' answers (tools/transformer/generate-long-context-fixtures.py). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const longKinds = ['linear', 'llama3', 'yarn'] as const

export const longFolder = (kind: (typeof longKinds)[number]): string => join(import.meta.dirname, '../__fixtures__', `long-${kind}`)

export interface LongAnswers {
  /** Logits behind so many ids of the text. */
  readonly logits: Readonly<Record<string, readonly number[]>>
  /** Of the first `tokens` ids, seen through a window. */
  readonly perplexity: { readonly tokens: number; readonly window: number; readonly stride: number; readonly value: number }
}

export const longAnswers = (kind: (typeof longKinds)[number]): LongAnswers =>
  JSON.parse(readFileSync(join(longFolder(kind), 'answers.json'), 'utf8')) as LongAnswers

/** The first ids of the text: the six highest bits of a generator of Numerical Recipes', chapter 7.1. */
export function longText(count: number): number[] {
  let state = 1
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 26
  })
}

/** The largest difference of two lists. */
export const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((most, one) => Math.max(most, one), a.length === b.length ? 0 : Infinity)
