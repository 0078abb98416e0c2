import { random, throwIfAborted } from '@tesserae/core'
import { tensor, type Tensor } from '@tesserae/tensor'
import type { KlController } from '../advantage/kl-controller.js'
import { RlhfError } from '../errors.js'
import { checkRolloutLogprobs, type Rollout } from '../rollouts/rollout.js'
import { ppoMetrics, type PpoMetrics } from './ppo-metrics.js'
import type { PpoState } from './ppo-options.js'
import type { Experience, Frozen, PpoPrograms, RolloutTensors } from './ppo-programs.js'
import type { PpoSettings } from './ppo-settings.js'
import { disposeAll } from './tensors.js'

/** What learning from a step's completions needs beside them. */
export interface Learning {
  readonly settings: PpoSettings
  readonly programs: PpoPrograms
  readonly frozen: Frozen
  readonly kl: KlController
  readonly logprobTolerance: number | undefined
  readonly signal: AbortSignal | undefined
}

/**
 * Estimates advantages and makes a step's updates. Each puts its state into `holder` at once, because it has written into the one before; what is
 * refused before the first leaves it as it was.
 */
export async function learn(
  holder: { current: PpoState },
  { rollout, scores }: { readonly rollout: Rollout; readonly scores: readonly (number | null)[] },
  learning: Learning,
): Promise<PpoMetrics> {
  const { settings, programs, frozen, kl, logprobTolerance, signal } = learning
  const { step, updates } = holder.current
  if (scores.every((score) => score === null))
    throw new RlhfError('REWARD', `the reward left out all ${scores.length} samples of the step (null), so there is nothing to learn from`)
  const klCoefficient = kl.value
  const { tensors, mask } = rolloutTensors(rollout, scores, settings.missingEosPenalty)
  let learnt: { readonly experience: Experience; readonly kl: Tensor } | undefined
  try {
    learnt = await programs.experience(holder.current.weights, frozen, tensors, klCoefficient)
    const logprobs = (await learnt.experience.logprobs.data()) as Float32Array
    const gap = checkRolloutLogprobs(rollout, logprobs, logprobTolerance === undefined ? {} : { tolerance: logprobTolerance })
    const klOfRows = (await learnt.kl.data()) as Float32Array
    throwIfAborted(signal, 'Training')
    const rows = await makeUpdates(holder, { rollout: tensors, experience: learnt.experience, mask }, learning)
    const learningRate = settings.learningRate(step)
    if (!rows.every((row) => row.every(Number.isFinite)))
      throw new RlhfError(
        'DIVERGED',
        `step ${step + 1}: a loss or gradient norm is no longer a number (updates ${updates + 1} to ${holder.current.updates}); go back to a checkpoint and lower the learning rate (now ${learningRate})`,
      )
    const metrics = ppoMetrics({ rollout, scores, kl: klOfRows, klCoefficient, gap, rows, learningRate })
    kl.update(metrics.kl, metrics.scored)
    holder.current = { ...holder.current, step: step + 1, klCoefficient: kl.value }
    return metrics
  } finally {
    disposeAll([tensors, learnt])
  }
}

/** All passes over a step's rows; the metrics of each update. */
async function makeUpdates(
  holder: { current: PpoState },
  { mask, ...batch }: { readonly rollout: RolloutTensors; readonly experience: Experience; readonly mask: Float32Array },
  { settings, programs, frozen }: Learning,
): Promise<Float32Array[]> {
  const { epochs, minibatches, rows, learningRate, valueLearningRate } = settings
  const { step, seed } = holder.current
  const columns = mask.length / rows
  const out: Tensor[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = Int32Array.from(random(seed).stream('minibatches').fold(step).fold(epoch).permutation(rows))
    for (let from = 0; from < rows; from += rows / minibatches) {
      const some = order.slice(from, from + rows / minibatches)
      // Nothing to learn from rows that were all left out; an update would still move by its momentum.
      if (!some.some((row) => mask.subarray(row * columns, (row + 1) * columns).includes(1))) continue
      using picked = tensor(some, { adopt: true })
      const { weights, m, v, updates } = holder.current
      const rates = { policy: learningRate(step), value: valueLearningRate(step), number: updates + 1 }
      const { state, metrics } = await programs.update({ weights, m, v }, frozen, { ...batch, rows: picked }, rates)
      holder.current = { ...holder.current, ...state, updates: updates + 1 }
      out.push(metrics)
    }
  }
  const values = await Promise.all(out.map(async (metrics) => (await metrics.data()) as Float32Array))
  disposeAll(out)
  return values
}

/** A rollout and its scores as tensors. Rows without a score are masked; those that were cut off pay for it. */
export function rolloutTensors(
  rollout: Rollout,
  scores: readonly (number | null)[],
  penalty: number,
): { readonly tensors: RolloutTensors; readonly mask: Float32Array } {
  const { rows, length } = rollout
  const mask = rollout.mask.slice()
  const values = new Float32Array(rows)
  for (const [row, score] of scores.entries()) {
    if (score === null) mask.fill(0, row * (length - 1), (row + 1) * (length - 1))
    else values[row] = score - (rollout.samples[row]!.finishReason === 'stop' ? 0 : penalty)
  }
  const tensors = {
    ids: tensor(rollout.ids, { shape: [rows, length] }),
    mask: tensor(mask, { shape: [rows, length - 1] }),
    ends: tensor(rollout.ends),
    scores: tensor(values),
  }
  return { tensors, mask }
}
