import type { Candidates } from '../candidates.js'
import { checkIds, checkInteger, checkRange } from '../check.js'
import { SamplingError } from '../errors.js'
import type { SamplerStep } from '../step.js'

/** A step whose work depends on how many tokens were accepted. */
function counting(name: string, needsAll: boolean, apply: (candidates: Candidates, count: number) => void, start = 0): SamplerStep {
  let count = start
  return {
    name,
    needsAll,
    apply: (candidates) => apply(candidates, count),
    accept: () => void count++,
    reset: () => void (count = 0),
    clone: () => counting(name, needsAll, apply, count),
    state: () => count,
    restore(state) {
      if (!Number.isInteger(state))
        throw new SamplingError('STATE', `The state of ${name} must be a number of tokens, got ${JSON.stringify(state)}`)
      count = state as number
    },
  }
}

function ban(candidates: Candidates, ids: readonly number[]): void {
  for (let i = 0; i < ids.length; i++) {
    const place = candidates.placeOf(ids[i]!)
    if (place >= 0) candidates.set(place, -Infinity)
  }
  candidates.reorder()
}

const mostTokens = 2 ** 30

export interface MinTokensOptions {
  /** Fewer tokens than this have no end. */
  readonly count: number
  /** The tokens that end a text. */
  readonly stop: readonly number[]
  /** Of the accepted tokens, how many are the prompt's and do not count. Default 0. */
  readonly prompt?: number
}

/** Bans the tokens that end a text until there are enough others. */
export function minTokens({ count, stop, prompt = 0 }: MinTokensOptions): SamplerStep {
  checkInteger('count', count, 0, mostTokens)
  checkIds('stop', stop)
  checkInteger('prompt', prompt, 0, mostTokens)
  return counting('minTokens', false, (candidates, accepted) => {
    if (accepted - prompt < count) ban(candidates, stop)
  })
}

export interface LengthDecayOptions {
  /** The number of tokens from which on the end becomes likelier. */
  readonly start: number
  /** By how much: to the logits of the tokens that end a text is added |logit|·(factor^n − 1) after n tokens more. From 0 to 1e3, and below 1 the end becomes less likely. */
  readonly factor: number
  /** The tokens that end a text. */
  readonly stop: readonly number[]
  /** Of the accepted tokens, how many are the prompt's and do not count. Default 0. */
  readonly prompt?: number
}

/** Makes the end of a text likelier the longer it gets. Defined as Hugging Face's `exponential_decay_length_penalty`. */
export function lengthDecay({ start, factor, stop, prompt = 0 }: LengthDecayOptions): SamplerStep {
  checkInteger('start', start, 0, mostTokens)
  checkRange('factor', factor, 0, 1e3)
  checkIds('stop', stop)
  checkInteger('prompt', prompt, 0, mostTokens)
  return counting('lengthDecay', false, (candidates, accepted) => {
    const more = accepted - prompt - start
    if (more <= 0) return
    for (let i = 0; i < stop.length; i++) {
      const id = stop[i]!
      const place = candidates.placeOf(id)
      if (place < 0) {
        if (factor > 1) candidates.raiseMissing(id)
        continue
      }
      const logit = candidates.logits[place]!
      if (logit === -Infinity) continue
      candidates.logits[place] = logit + Math.abs(logit) * (factor ** more - 1)
      candidates.settle(place)
    }
    candidates.reorder()
  })
}

/** Bans tokens. */
export function suppress(ids: readonly number[]): SamplerStep {
  checkIds('suppress', ids, true)
  return { name: 'suppress', needsAll: false, apply: (candidates) => ban(candidates, ids) }
}

/** Bans tokens as the first of a text, behind a prompt of so many accepted tokens. */
export function suppressAtBegin(ids: readonly number[], options: { readonly prompt?: number } = {}): SamplerStep {
  const { prompt = 0 } = options
  checkIds('suppressAtBegin', ids, true)
  checkInteger('prompt', prompt, 0, mostTokens)
  return counting('suppressAtBegin', false, (candidates, accepted) => {
    if (accepted === prompt) ban(candidates, ids)
  })
}

/**
 * Makes certain which token comes at some positions, the number of accepted tokens before it: a language's token at the beginning, the end at a maximum length.
 *
 * @param tokens by position; `VALUE` is thrown for anything but integers from 0 on
 */
export function forceTokens(tokens: Readonly<Record<number, number>> | Iterable<readonly [position: number, id: number]>): SamplerStep {
  const entries = Symbol.iterator in tokens ? [...tokens] : Object.entries(tokens).map(([position, id]) => [Number(position), id] as const)
  for (const [position, id] of entries) {
    checkInteger('a position of forceTokens', position, 0, mostTokens)
    checkIds('forceTokens', [id])
  }
  const byPosition = new Map(entries)
  return counting('forceTokens', true, (candidates, accepted) => {
    const id = byPosition.get(accepted)
    if (id === undefined) return
    const place = candidates.placeOf(id)
    if (place < 0) return void (candidates.size = 0)
    candidates.ids[0] = id
    // Whatever the model thinks of it.
    candidates.logits[0] = 0
    candidates.size = 1
    candidates.sorted = true
  })
}
