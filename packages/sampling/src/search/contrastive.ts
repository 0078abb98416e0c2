import { throwIfAborted } from '@tesserae/core'
import { Candidates } from '../candidates.js'
import { checkInteger, checkRange } from '../check.js'
import { SamplingError } from '../errors.js'

/** What a model says of a text: the logits of the next token, and its last layer's state at the last. */
export interface ContrastiveStep {
  readonly logits: ArrayLike<number>
  readonly hidden: ArrayLike<number>
}

export interface ContrastiveSearchOptions {
  /** The states of all tokens of the prompt, and the logits behind it. */
  readonly prompt: { readonly logits: ArrayLike<number>; readonly hidden: readonly ArrayLike<number>[] }
  /** Looks at several tokens, each of which would come next behind `ids`, what was generated so far. */
  readonly expand: (ids: readonly number[], tokens: readonly number[]) => readonly ContrastiveStep[] | Promise<readonly ContrastiveStep[]>
  /** How many of the most likely tokens are looked at. From 1 to 1,000; default 4. */
  readonly topK?: number
  /** How much repeating costs: the score is (1 − alpha)·p − alpha·(the largest cosine with an earlier state). From 0 to 1; default 0.6. */
  readonly alpha?: number
  readonly maxTokens: number
  readonly stop?: readonly number[]
  readonly signal?: AbortSignal
}

/**
 * Generates the text whose tokens are likely and whose states are unlike those before, without randomness.
 *
 * Source: Y. Su et al., "A Contrastive Framework for Neural Text Generation", NeurIPS 2022.
 */
export async function* contrastiveSearch(options: ContrastiveSearchOptions): AsyncGenerator<number, void, undefined> {
  const { prompt, expand, topK = 4, alpha = 0.6, maxTokens, stop = [], signal } = options
  checkInteger('topK', topK, 1, 1000)
  checkRange('alpha', alpha, 0, 1)
  checkInteger('maxTokens', maxTokens, 0, 2 ** 30)
  const ends = new Set(stop)
  const candidates = new Candidates()
  const states = prompt.hidden.map(unit)
  const ids: number[] = []
  let { logits } = prompt
  while (ids.length < maxTokens) {
    throwIfAborted(signal, 'contrastiveSearch')
    candidates.begin(logits)
    candidates.weigh()
    const { total, max: highest } = candidates
    if (topK >= candidates.size) candidates.sort()
    candidates.keepTop(topK)
    const tokens = [...candidates.ids.subarray(0, candidates.size)]
    const steps = await expand(ids, tokens)
    if (steps.length !== tokens.length)
      throw new SamplingError('LOGITS', `contrastiveSearch asked for ${tokens.length} continuations and was given ${steps.length}`)
    let best: { place: number; score: number; state: Float64Array } = { place: 0, score: -Infinity, state: new Float64Array(0) }
    steps.forEach(({ hidden }, place) => {
      const state = unit(hidden)
      const likeness = states.reduce((most, other) => Math.max(most, dot(state, other)), -1)
      const probability = Math.exp(candidates.logits[place]! - highest) / total
      const score = (1 - alpha) * probability - alpha * likeness
      if (score > best.score) best = { place, score, state }
    })
    const id = tokens[best.place]!
    states.push(best.state)
    ids.push(id)
    ;({ logits } = steps[best.place]!)
    yield id
    if (ends.has(id)) return
  }
}

function unit(values: ArrayLike<number>): Float64Array {
  const state = Float64Array.from(values)
  const norm = Math.sqrt(dot(state, state))
  return norm > 0 ? state.map((value) => value / norm) : state
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
