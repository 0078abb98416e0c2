import type { Rollout } from '../rollouts/rollout.js'
import { updateMetrics } from './ppo-programs.js'

/** Figures of one step, those first that say whether training works. */
export interface PpoMetrics {
  /** Mean score of the completions, before penalties. */
  readonly reward: number
  readonly rewardDeviation: number
  /** Mean over completions of log p − log p_ref summed over their tokens, in nats. */
  readonly kl: number
  /** β of the KL penalty in this step. */
  readonly klCoefficient: number
  /** Mean entropy of the policy at the sampled tokens, in nats, over the updates. */
  readonly entropy: number
  /** Mean number of sampled tokens. */
  readonly tokens: number
  /** Share of completions that ended at a stop id. */
  readonly stopped: number
  /** Completions that had a score. */
  readonly scored: number
  readonly policyLoss: number
  readonly valueLoss: number
  /** Mean of (log p − log p_old)²/2. */
  readonly approxKl: number
  readonly clipFraction: number
  readonly valueClipFraction: number
  /** 1 − mean squared error of the values over the variance of returns. */
  readonly explainedVariance: number
  /** Mean of p / p_old. */
  readonly ratio: number
  /** Mean norm of the gradients before clipping. */
  readonly gradNorm: number
  readonly learningRate: number
  /** Largest difference of a log-probability between rollout and trainer. */
  readonly rolloutGap: number
}

export interface PpoMeasurements {
  readonly rollout: Rollout
  readonly scores: readonly (number | null)[]
  /** [rows] */
  readonly kl: Float32Array
  readonly klCoefficient: number
  readonly gap: number
  /** Metrics of each update. */
  readonly rows: readonly Float32Array[]
  readonly learningRate: number
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** At least one completion must have a score. */
export function ppoMetrics({ rollout, scores, kl, klCoefficient, gap, rows, learningRate }: PpoMeasurements): PpoMetrics {
  const scored = scores.filter((score) => score !== null)
  const reward = mean(scored)
  const deviation = Math.sqrt(scored.reduce((sum, score) => sum + (score - reward) ** 2, 0) / Math.max(1, scored.length - 1))
  const update = (name: (typeof updateMetrics)[number]): number => mean(rows.map((row) => row[updateMetrics.indexOf(name)]!))
  return {
    reward,
    rewardDeviation: deviation,
    kl: mean([...kl].filter((_, row) => scores[row] !== null)),
    klCoefficient,
    entropy: update('entropy'),
    tokens: mean(rollout.samples.map(({ completion }) => completion.length)),
    stopped: mean(rollout.samples.map(({ finishReason }) => (finishReason === 'stop' ? 1 : 0))),
    scored: scored.length,
    policyLoss: update('policyLoss'),
    valueLoss: update('valueLoss'),
    approxKl: update('approxKl'),
    clipFraction: update('clipFraction'),
    valueClipFraction: update('valueClipFraction'),
    explainedVariance: update('explainedVariance'),
    ratio: update('ratio'),
    gradNorm: update('gradNorm'),
    learningRate,
    rolloutGap: gap,
  }
}
