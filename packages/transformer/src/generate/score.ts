/** How likely a model finds a text. */
import { throwIfAborted } from '@tesserae/core'
import { FixedCache } from '../cache/fixed.js'
import { TransformerError } from '../errors.js'
import { judgedRows } from './programs.js'
import { aborting, type StreamContext } from './stream.js'
import { turns } from './turn.js'

export interface ScoreOptions {
  /**
   * Tokens by which the window moves on where a text is longer than the capacity, from 1 to the capacity: each token sees at least capacity − stride before it. Default half of the capacity.
   */
  readonly stride?: number
  readonly signal?: AbortSignal
}

export interface Score {
  /** Natural logarithm of each token's probability behind those before it; the first has none, so there is one fewer than ids. */
  readonly logprobs: Float32Array
  /** Their sum. */
  readonly logprob: number
  /** exp(−mean of `logprobs`). */
  readonly perplexity: number
}

/** Errors: TOKEN for fewer than two ids, OPTION, AbortError. */
export async function scoreIds(
  { config, programs, capacity }: StreamContext,
  ids: readonly number[],
  options: ScoreOptions,
): Promise<Score> {
  const { stride = Math.max(1, Math.floor(capacity / 2)), signal } = options
  if (ids.length < 2)
    throw new TransformerError('TOKEN', `a score needs at least two tokens, got ${ids.length}: the first has nothing before it`)
  if (!Number.isInteger(stride) || stride < 1 || stride > capacity)
    throw new TransformerError('OPTION', `stride must be an integer from 1 to the capacity of ${capacity}, got ${String(stride)}`)
  const logprobs = new Float32Array(ids.length - 1)
  const turn = turns()
  using cache = new FixedCache(config, { capacity, sliding: true })
  // The last id is only ever a label.
  for (let start = 0, done = 0; done < logprobs.length; start += stride) {
    cache.truncate(0)
    const end = Math.min(start + capacity, logprobs.length)
    for (let at = start; at < end; at += judgedRows) {
      throwIfAborted(signal, 'Scoring')
      const to = Math.min(at + judgedRows, end)
      const losses = await aborting(programs.losses(cache, ids.slice(at, to), ids.slice(at + 1, to + 1), signal))
      for (let i = Math.max(at, done); i < to; i++) logprobs[i] = -losses[i - at]!
      await turn()
    }
    done = end
  }
  const logprob = logprobs.reduce((sum, one) => sum + one, 0)
  return { logprobs, logprob, perplexity: Math.exp(-logprob / logprobs.length) }
}
