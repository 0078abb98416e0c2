import { random, throwIfAborted, type RandomStream } from '@tesserae/core'
import type { Sampler } from '../chain.js'
import { checkInteger } from '../check.js'
import { SamplingError } from '../errors.js'
import type { Drafter } from './drafters.js'
import { drawFrom } from './draw.js'

/** A model with a context that grows and can be cut. */
export interface SpeculativeModel {
  /** Adds tokens to the context and gives the logits of the next token behind each of them. They are read before the next call. */
  extend(ids: readonly number[]): readonly ArrayLike<number>[] | Promise<readonly ArrayLike<number>[]>
  /** Takes so many of the last tokens out of the context. */
  rewind(count: number): void | Promise<void>
}

export interface SpeculativeOptions {
  /** The model whose text is wanted. Its context is empty, or what comes before `prompt`. */
  readonly target: SpeculativeModel
  /** What guesses: {@link draftModel}, {@link promptLookup}, or one of your own. */
  readonly drafter: Drafter
  /** Tokens of the prompt, one at least. */
  readonly prompt: readonly number[]
  /** Chooses, and is told what was chosen. Its steps see the prompt only where it was told of it. */
  readonly sampler: Sampler
  /** How many tokens are guessed at a time. From 1 to 1,024; default 5. */
  readonly gamma?: number
  readonly maxTokens: number
  /** Tokens that end the text; the one that does is given too. */
  readonly stop?: readonly number[]
  /** For accepting guesses; default 0. */
  readonly seed?: number | string
  readonly signal?: AbortSignal
}

export interface SpeculativeToken {
  readonly id: number
  /** Whether it was a guess that was accepted. */
  readonly drafted: boolean
}

/**
 * Generates text with fewer runs of a model: a drafter guesses several tokens, the model looks at all of them in one run, and as many are kept as it would have chosen itself. The text has exactly the
 * distribution that the sampler gives without guesses, and with a sampler that takes the most likely token it is the same text.
 *
 * Source: Y. Leviathan, M. Kalman, Y. Matias, "Fast Inference from Transformers via Speculative Decoding", ICML 2023; C. Chen et al., arXiv:2302.01318.
 *
 * @throws SamplingError `VALUE` for options out of range, `LOGITS` where models give other numbers of logits than asked for; AbortedError when the signal aborts
 * @example
 * for await (const { id } of speculative({ target, drafter: promptLookup(), prompt, sampler, maxTokens: 100 })) print(id)
 */
export async function* speculative(options: SpeculativeOptions): AsyncGenerator<SpeculativeToken, void, undefined> {
  const { target, drafter, prompt, sampler, gamma = 5, maxTokens, stop = [], seed = 0, signal } = options
  checkInteger('gamma', gamma, 1, 1024)
  checkInteger('maxTokens', maxTokens, 0, 2 ** 30)
  if (prompt.length === 0) throw new SamplingError('VALUE', 'speculative: a prompt needs at least one token')
  const ends = new Set(stop)
  const stream = random(seed).stream('speculative')
  const text = [...prompt]
  /** Tokens that the target has not seen: the prompt, then what was chosen last. */
  let unseen: readonly number[] = prompt
  let scratch = new Float64Array(0)
  for (let count = 0; count < maxTokens;) {
    throwIfAborted(signal, 'speculative')
    // One token comes from the target itself, so a guess for the last one would be for nothing.
    const wanted = Math.min(gamma, maxTokens - count - 1)
    const guesses = wanted === 0 ? [] : (await drafter.propose(text, wanted, sampler)).slice(0, wanted)
    const ids = guesses.map(({ id }) => id)
    const rows = (await target.extend([...unseen, ...ids])).slice(unseen.length - 1)
    if (rows.length !== ids.length + 1)
      throw new SamplingError(
        'LOGITS',
        `speculative: the target gave logits for ${rows.length - 1 + unseen.length} tokens, and was given ${unseen.length + ids.length}`,
      )
    throwIfAborted(signal, 'speculative')
    let accepted = 0
    let chosen: number | undefined
    for (const { id, probabilities } of guesses) {
      const logits = rows[accepted]!
      if (scratch.length !== logits.length) scratch = new Float64Array(logits.length)
      const wantedBy = sampler.probabilities(logits, scratch)
      if (isAccepted(stream, wantedBy, id, probabilities)) {
        sampler.accept(id)
        accepted++
        if (ends.has(id)) break
        continue
      }
      chosen = drawResidual(stream, wantedBy, id, probabilities)
      break
    }
    const ended = accepted > 0 && ends.has(ids[accepted - 1]!)
    if (chosen === undefined && !ended) chosen = sampler.choose(rows[accepted]!)
    if (chosen !== undefined) sampler.accept(chosen)
    if (accepted < ids.length) await target.rewind(ids.length - accepted)
    for (const id of ids.slice(0, accepted)) {
      text.push(id)
      count++
      yield { id, drafted: true }
    }
    if (chosen === undefined) return
    text.push(chosen)
    unseen = [chosen]
    count++
    yield { id: chosen, drafted: false }
    if (ends.has(chosen)) return
  }
}

/** With the probability min(1, p / q), for a guess that was drawn from q; a guess that was certain has q = 1. */
function isAccepted(stream: RandomStream, p: Float64Array, id: number, q: Float64Array | undefined): boolean {
  const drawn = q === undefined ? 1 : q[id]!
  // Of a drafter that guesses what it says it never would.
  if (!(drawn > 0)) return false
  return stream.uniform() * drawn < (p[id] ?? 0)
}

/** A token from what the target wants more of than the drafter gave, max(0, p − q), which is written over `p`. */
function drawResidual(stream: RandomStream, p: Float64Array, id: number, q: Float64Array | undefined): number {
  const left = (i: number): number => (q === undefined ? (i === id ? 0 : p[i]!) : Math.max(0, p[i]! - q[i]!))
  // Nothing is left where p and q are the same to rounding: then p itself is right.
  if (p.some((_, i) => left(i) > 0)) for (let i = 0; i < p.length; i++) p[i] = left(i)
  return drawFrom(p, stream)
}
