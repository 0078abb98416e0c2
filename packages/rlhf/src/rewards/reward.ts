/** What a policy is rewarded for: any function of a sample, with the ways in which one can fail said plainly. */
import { AbortedError, throwIfAborted } from '@tesserae/core'
import { RlhfError } from '../errors.js'

/** One prompt with what the policy made of it. */
export interface RewardSample {
  /** Place among the samples of the step. */
  readonly index: number
  /** Ids of the prompt. */
  readonly prompt: readonly number[]
  /** Sampled ids; a stop id is the last. */
  readonly completion: readonly number[]
  /** Why sampling ended: `stop` at a stop id, otherwise cut off. */
  readonly finishReason: 'stop' | 'length' | 'context'
  /** The two as text, without special tokens, where the trainer has a tokenizer. */
  readonly promptText?: string
  readonly completionText?: string
}

export interface RewardContext {
  /** Aborted when the run is, or when the deadline has passed. */
  readonly signal: AbortSignal
}

/** A number, higher for better; null to leave the sample out of training. Errors and NaN end the step, naming the sample. */
export type RewardFunction = (sample: RewardSample, context: RewardContext) => number | null | Promise<number | null>

/** A reward that scores samples together, as models do. Gives one answer for each sample. */
export interface BatchReward {
  score(samples: readonly RewardSample[], context: RewardContext): Promise<readonly (number | null)[]>
}

export type Reward = RewardFunction | BatchReward

export interface ScoreOptions {
  /** Milliseconds until an unanswered reward counts as hanging; default 60,000, Infinity to wait for ever. */
  readonly deadline?: number
  readonly signal?: AbortSignal
}

/**
 * The rewards of samples, in their order; functions are asked all at once. Errors: REWARD for one that throws, gives something
 * other than a finite number or null, or does not answer by the deadline, naming the sample; AbortError.
 */
export async function scoreSamples(
  reward: Reward,
  samples: readonly RewardSample[],
  options: ScoreOptions = {},
): Promise<(number | null)[]> {
  const { deadline = 60_000, signal } = options
  if (!(deadline > 0)) throw new RlhfError('OPTION', `deadline must be a number of milliseconds above 0, got ${deadline}`)
  throwIfAborted(signal, 'Scoring')
  if (samples.length === 0) return []
  const controller = new AbortController()
  const context = { signal: controller.signal }
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new AbortedError('Scoring was aborted by its signal', { cause: signal?.reason }))
    signal?.addEventListener('abort', stop, { once: true })
  })
  aborted.catch(() => undefined) // it is looked at only where a reward takes its time
  let answered: readonly (number | null)[]
  try {
    if (typeof reward === 'function')
      answered = await Promise.all(
        samples.map((sample) => waited(() => reward(sample, context), { what: nameOf(sample), deadline, aborted })),
      )
    else {
      const what = samples.length === 1 ? nameOf(samples[0]!) : `samples ${samples[0]!.index} to ${samples.at(-1)!.index}`
      answered = await waited(() => reward.score(samples, context), { what, deadline, aborted })
      if (!Array.isArray(answered) || answered.length !== samples.length)
        throw new RlhfError(
          'REWARD',
          `the reward of ${what} gave ${Array.isArray(answered) ? `${answered.length} answers` : typeof answered}; expected one for each of ${samples.length} samples`,
        )
    }
  } catch (error) {
    // Whoever still works on an answer need not: the step has failed.
    controller.abort(error)
    throw error
  } finally {
    if (stop !== undefined) signal?.removeEventListener('abort', stop)
  }
  return answered.map((value, i) => checked(value, samples[i]!))
}

interface Waiting {
  readonly what: string
  readonly deadline: number
  /** Rejects when the caller's signal comes. */
  readonly aborted: Promise<never>
}

/** The answer, or an error that says whose it was. */
async function waited<T>(ask: () => T | PromiseLike<T>, { what, deadline, aborted }: Waiting): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    const answer = ask()
    if (!isThenable(answer)) return answer
    const late = new Promise<never>((_, reject) => {
      const error = `the reward of ${what} did not answer within ${deadline} ms; raise deadline, or let it give up`
      if (Number.isFinite(deadline)) timer = setTimeout(() => reject(new RlhfError('REWARD', error)), deadline)
    })
    return await Promise.race([answer, late, aborted])
  } catch (cause) {
    if (cause instanceof AbortedError || RlhfError.isInstance(cause)) throw cause
    throw new RlhfError('REWARD', `the reward of ${what} threw: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  } finally {
    clearTimeout(timer)
  }
}

const isThenable = <T>(value: T | PromiseLike<T>): value is PromiseLike<T> =>
  typeof (value as Partial<PromiseLike<T>> | null | undefined)?.then === 'function'

function checked(value: unknown, sample: RewardSample): number | null {
  if (value === null) return null
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new RlhfError(
    'REWARD',
    `the reward of ${nameOf(sample)} is ${typeof value === 'number' ? value : `a ${typeof value}`}; expected a finite number, or null to leave the sample out`,
  )
}

/** `sample 3 (prompt "…", completion "…")`, shortened. */
function nameOf({ index, prompt, completion, promptText, completionText }: RewardSample): string {
  const show = (text: string | undefined, ids: readonly number[]): string => {
    const whole = text === undefined ? `[${ids.slice(0, 12).join(', ')}${ids.length > 12 ? ', …' : ''}]` : JSON.stringify(text)
    return whole.length > 60 ? `${whole.slice(0, 57)}…` : whole
  }
  return `sample ${index} (prompt ${show(promptText, prompt)}, completion ${show(completionText, completion)})`
}
