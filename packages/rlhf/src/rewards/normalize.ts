import { RlhfError } from '../errors.js'
import { scoreSamples, type Reward, type RewardSample, type ScoreOptions } from './reward.js'

/** Mean and standard deviation (Bessel-corrected) of a reward over samples. */
export interface RewardStatistics {
  readonly mean: number
  readonly deviation: number
}

/**
 * Measures a reward on reference samples, such as completions of the policy before training. Samples that it leaves out do not count. Errors: REWARD, also
 * for fewer than two rewards.
 */
export async function rewardStatistics(
  reward: Reward,
  samples: readonly RewardSample[],
  options: ScoreOptions = {},
): Promise<RewardStatistics> {
  const values = (await scoreSamples(reward, samples, options)).filter((value) => value !== null)
  if (values.length < 2)
    throw new RlhfError('REWARD', `${values.length} of ${samples.length} samples have a reward; expected at least 2 to measure its spread`)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) }
}

/**
 * The reward shifted and scaled, so that on the samples it was measured on it has mean 0 and deviation 1; nulls stay. One that was constant is only
 * shifted.
 */
export function normalizeReward(reward: Reward, { mean, deviation }: RewardStatistics): Reward {
  const normalized = (value: number | null): number | null => (value === null ? null : (value - mean) / (deviation > 0 ? deviation : 1))
  if (typeof reward !== 'function') return { score: async (samples, context) => (await reward.score(samples, context)).map(normalized) }
  return (sample, context) => {
    const value = reward(sample, context)
    return typeof value === 'object' && value !== null ? value.then(normalized) : normalized(value)
  }
}
