/**
 * Whole trainings beside PyTorch's: every update of fine-tuning, a reward model, DPO and PPO on the same weights and batches. Each training is also done
 * with one thing wrong, which has to show.
 */
import { readFileSync } from 'node:fs'
import { realize, resolveDevice } from '@tesserae/tensor'
import { cosineSchedule, freshOptimizerState, makeTrainable } from '@tesserae/transformer'
import { describe, expect, it } from 'vitest'
import { adaptiveKl } from '../advantage/kl-controller.js'
import { batchIndices } from '../data/collate.js'
import {
  cutOffPenalty,
  decoderWeights,
  exampleOf,
  gpt2Config,
  llamaConfig,
  pairOf,
  ppoRows,
  rolloutOf,
  scalarHead,
} from '../__fixtures__/trajectories.js'
import { dpo, type DpoTrainOptions } from './dpo.js'
import { learn } from './ppo-learn.js'
import { runnable } from './ppo-models.js'
import type { PpoState, PpoTrained } from './ppo-options.js'
import { makePpoPrograms, updateMetrics } from './ppo-programs.js'
import { ppoSettings } from './ppo-settings.js'
import { trainReward } from './reward.js'
import type { StepMetrics } from './run.js'
import { sft } from './sft.js'
import { disposeAll, leavesOf } from './tensors.js'

type Columns = Readonly<Record<string, readonly number[]>>

interface Goldens {
  readonly sft: Columns
  readonly reward: Columns
  readonly dpo: Columns
  readonly ipo: Columns
  readonly ppo: { readonly orders: readonly string[]; readonly klCoefficients: readonly number[]; readonly updates: Columns }
}

const goldens = JSON.parse(readFileSync(new URL('../__fixtures__/trajectories.json', import.meta.url), 'utf8')) as Goldens
const device = await resolveDevice('cpu')
const [steps, rows, seed] = [50, 4, 'trajectory']
/** Largest relative difference of any figure. With ONNX Runtime on a CPU it is 4e-7 for what learns from rows and 2e-6 for PPO. */
const tolerance = 1e-5
/** What one thing wrong changes at least. */
const visible = 100 * tolerance

/** Examples in such places that the order in which a run draws them is that of their numbers. */
function inOrderOfDrawing<T>(count: number, make: (n: number) => T): T[] {
  const out = Array.from<T>({ length: count })
  batchIndices(0, { examples: count, rows: count, seed }).forEach((place, n) => (out[place] = make(n)))
  return out
}

async function metricsOf(run: AsyncIterable<{ readonly metrics: StepMetrics<never> }> & Disposable): Promise<Record<string, number[]>> {
  using _ = run
  const all: Readonly<Record<string, number>>[] = []
  for await (const { metrics } of run) all.push(metrics)
  return Object.fromEntries(Object.keys(all[0]!).map((name) => [name, all.map((metrics) => metrics[name]!)]))
}

/** Largest relative difference over the updates; figures that pass through 0 are measured against their largest value. */
function difference(found: readonly number[], expected: readonly number[], throughZero = false): number {
  expect(found.length).toBe(expected.length)
  const largest = Math.max(...expected.map(Math.abs))
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value) / (throughZero ? largest : Math.abs(value))))
}

const common = { steps, rows, seed, device }

const runs: Record<string, { readonly mutation: string; readonly train: (mutated: boolean) => Promise<Record<string, number[]>> }> = {
  sft: {
    mutation: 'the last token of every prompt learnt too',
    train: (mutated) =>
      metricsOf(
        sft({
          ...common,
          policy: { config: llamaConfig, weights: decoderWeights(llamaConfig) },
          data: inOrderOfDrawing(2 * steps * rows, (n) => exampleOf(n, mutated ? 1 : 0)),
          accumulate: 2,
          learningRate: cosineSchedule({ peak: 1e-2, warmup: 5, decay: steps }),
          optimizer: { beta2: 0.95, weightDecay: 0.1 },
        }),
      ),
  },
  reward: {
    mutation: 'rewards centred by 0.011',
    train: (mutated) =>
      metricsOf(
        trainReward({
          ...common,
          policy: { config: gpt2Config, weights: decoderWeights(gpt2Config), head: scalarHead() },
          data: inOrderOfDrawing(steps * rows, pairOf),
          learningRate: 1e-3,
          centering: mutated ? 0.011 : 0.01,
        }),
      ),
  },
  dpo: { mutation: 'β of 0.101', train: (mutated) => trainDpo({ variant: 'sigmoid', beta: mutated ? 0.101 : 0.1 }) },
  ipo: { mutation: 'log-ratios summed, not averaged', train: (mutated) => trainDpo({ variant: 'ipo', lengthNormalized: !mutated }) },
}

async function trainDpo(options: Partial<DpoTrainOptions>): Promise<Record<string, number[]>> {
  const reference = { config: gpt2Config, weights: decoderWeights(gpt2Config, 1) }
  try {
    return await metricsOf(
      dpo({
        ...common,
        policy: { config: gpt2Config, weights: decoderWeights(gpt2Config) },
        reference,
        data: inOrderOfDrawing(steps * rows, pairOf),
        learningRate: 1e-3,
        ...options,
      }),
    )
  } finally {
    disposeAll(reference.weights)
  }
}

describe(`${steps} steps as PyTorch takes them`, () => {
  it.each(['sft', 'reward', 'dpo', 'ipo'] as const)('%s', async (name) => {
    const { train, mutation } = runs[name]!
    const found = await train(false)
    for (const [figure, expected] of Object.entries(goldens[name])) {
      const gap = difference(found[figure]!, expected, figure === 'margin')
      expect(gap, figure).toBeLessThan(tolerance)
    }
    const mutated = await train(true)
    expect(difference(mutated['loss']!, goldens[name]['loss']!), mutation).toBeGreaterThan(visible)
  })
})

/** PPO's part after sampling and scoring, by given completions and scores: the metrics of each update, and the KL coefficient of each step. */
async function learnPpo(options: { readonly lambda: number }): Promise<{ updates: Record<string, number[]>; klCoefficients: number[] }> {
  const settings = ppoSettings({
    ...options,
    reward: () => 0,
    prompts: [[0]],
    steps: 4,
    maxTokens: 1,
    rows: ppoRows,
    epochs: 4,
    minibatches: 4,
    learningRate: 1e-3,
    valueLearningRate: 2e-3,
    gamma: 0.99,
    entropyCoefficient: 0.01,
    missingEosPenalty: cutOffPenalty,
    sampling: { temperature: 0.9 },
  })
  const own = runnable(gpt2Config)
  const compiled = makePpoPrograms({ policy: own, reference: own }, settings, device)
  const weights: PpoTrained = { policy: decoderWeights(gpt2Config), value: { head: scalarHead() } }
  const reference = decoderWeights(gpt2Config, 1)
  const start = freshOptimizerState(weights)
  await makeTrainable([start.weights, start.m, start.v])
  await realize(leavesOf(reference))
  const holder: { current: PpoState } = {
    current: { config: gpt2Config, step: 0, updates: 0, seed, klCoefficient: 0.05, ...start },
  }
  const kl = adaptiveKl({ initial: 0.05, target: 3, horizon: 100 })
  const reports: Float32Array[] = []
  const programs: typeof compiled = {
    ...compiled,
    async update(...given) {
      const updated = await compiled.update(...given)
      reports.push(Float32Array.from(await updated.metrics.data()))
      return updated
    },
  }
  const klCoefficients: number[] = []
  try {
    for (let step = 0; step < 4; step++) {
      klCoefficients.push(kl.value)
      const learning = { settings, programs, frozen: { base: undefined, reference }, kl, logprobTolerance: Infinity, signal: undefined }
      await learn(holder, rolloutOf(step), learning)
    }
  } finally {
    compiled.dispose()
    disposeAll([holder.current.weights, holder.current.m, holder.current.v, reference])
  }
  return {
    updates: Object.fromEntries(updateMetrics.map((name, i) => [name, reports.map((report) => report[i]!)])),
    klCoefficients,
  }
}

it('64 updates of PPO as PyTorch makes them, through experience, passes and the steered KL coefficient', async () => {
  const { updates: expected, klCoefficients } = goldens.ppo
  const found = await learnPpo({ lambda: 0.95 })
  expect(difference(found.klCoefficients, klCoefficients)).toBeLessThan(tolerance)
  for (const [figure, values] of Object.entries(expected)) {
    const gap = difference(found.updates[figure]!, values, ['policyLoss', 'approxKl'].includes(figure))
    expect(gap, figure).toBeLessThan(tolerance)
  }
  const mutated = await learnPpo({ lambda: 0.94 })
  expect(difference(mutated.updates['policyLoss']!, expected['policyLoss']!, true), 'λ of 0.94').toBeGreaterThan(visible)
  expect(difference(mutated.updates['valueLoss']!, expected['valueLoss']!), 'λ of 0.94').toBeGreaterThan(visible)
})
