/** The trainers on rows, each for a few steps on the tiny fixtures: by one process, or as a rank of a group. */
import { initWeights, type DecoderConfig } from '@tesserae/transformer'
import { conversations, preferences, template, tinyConfig, tinyTokenizer } from '../__fixtures__/tiny.js'
import { preparePreferences, prepareSft } from '../data/prepare.js'
import { initScalarHead } from '../rewards/scalar-head.js'
import { dpo, type DpoState } from '../trainers/dpo.js'
import { trainReward } from '../trainers/reward.js'
import type { RunOptions, TrainerRun } from '../trainers/run.js'
import { sft } from '../trainers/sft.js'
import { leavesOf } from '../trainers/tensors.js'

export const groupTrainers = ['sft', 'trainReward', 'dpo'] as const
export type GroupTrainer = (typeof groupTrainers)[number]

export type AnyRun = TrainerRun<object, string>
export interface GroupTraining extends RunOptions {
  /** Of the weights that it starts from; only rank 0's count. */
  readonly start?: number
  /** Of dpo: a state to go on from. */
  readonly state?: DpoState
}

/** Starts a run. Batches of three rows differ in how much there is to learn from them. */
export async function beginTraining(trainer: GroupTrainer, { start = 1, state, ...options }: GroupTraining): Promise<AnyRun> {
  const tokenizer = await tinyTokenizer()
  // Without biases: that of attention's keys has no gradient but rounding, of which AdamW makes whole steps.
  const config: DecoderConfig = tinyConfig(tokenizer, { kind: 'llama' })
  const weights = initWeights(config, { seed: start })
  const common = { steps: 3, rows: 3, learningRate: 1e-3, ...options }
  const prepared = { tokenizer, template, maxLength: 48 }
  switch (trainer) {
    case 'sft':
      return sft({ ...common, policy: { config, weights }, data: prepareSft(conversations, prepared) }) as AnyRun
    case 'trainReward': {
      const head = initScalarHead(config.width, { seed: start })
      return trainReward({ ...common, policy: { config, weights, head }, data: preparePreferences(preferences, prepared) }) as AnyRun
    }
    case 'dpo':
      return dpo({
        ...common,
        ...(state === undefined ? { policy: { config, weights } } : { state }),
        data: preparePreferences(preferences, prepared),
      }) as AnyRun
    default:
      return trainer satisfies never
  }
}

/** Metrics of all steps. */
export async function finishTraining(run: AnyRun): Promise<Readonly<Record<string, number>>[]> {
  const out: Readonly<Record<string, number>>[] = []
  for await (const { metrics } of run) out.push(metrics)
  return out
}

/** What was trained, as numbers. */
export async function valuesOf(trained: object): Promise<Float32Array> {
  const parts = await Promise.all(leavesOf(trained).map((leaf) => leaf.data()))
  return Float32Array.from(parts.flatMap((part) => [...part]))
}

/** NaN where there are more of one. */
export function largestDifference(one: Float32Array, other: Float32Array): number {
  if (one.length !== other.length) return NaN
  return one.reduce((largest, value, i) => Math.max(largest, Math.abs(value - other[i]!)), 0)
}
