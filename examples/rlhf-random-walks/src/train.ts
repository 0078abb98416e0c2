/** Both stages of the task: learning to walk at all, then PPO towards the shortest way. */
import { random } from '@tesserae/core'
import { ppo, type PpoMetrics } from '@tesserae/rlhf'
import { sampler } from '@tesserae/sampling'
import {
  cosineSchedule,
  createBatchGenerator,
  disposeWeights,
  gpt2,
  initWeights,
  train,
  type Batches,
  type DecoderWeights,
} from '@tesserae/transformer'
import { endToken, longestWalk, nodes, optimality, randomWalk, randomWalks, vocabSize, type RandomWalks } from './task.js'

export const config = gpt2({ vocabSize, width: 64, layers: 2, heads: 4, context: longestWalk + 1 })

/** Every node but the goal. */
const starts = Array.from({ length: nodes - 1 }, (_, i) => [i + 1])

/** A thousand walks, each with its end, in batches of `rows` drawn anew for each step. */
function walkBatches(task: RandomWalks, { rows, seed }: { rows: number; seed: number }): Batches {
  const draw = random(seed).stream('walks')
  const walks = Array.from({ length: 1000 }, () => [...randomWalk(task, draw), endToken])
  const length = longestWalk
  return {
    at: (index) => {
      const pick = random(seed).stream('batches').fold(index)
      const ids = new Int32Array(rows * length)
      const targets = new Int32Array(rows * length).fill(-1)
      for (let row = 0; row < rows; row++) {
        const walk = pick.choice(walks)
        ids.set(walk.slice(0, -1), row * length)
        targets.set(walk.slice(1), row * length)
      }
      return { rows, length, ids, targets }
    },
  }
}

/** Weights of a model that walks at random, as the walks it has seen. */
export async function pretrain(task: RandomWalks, options: { readonly seed: number; readonly steps: number }): Promise<DecoderWeights> {
  const { seed, steps } = options
  const run = train({
    config,
    weights: initWeights(config, { seed }),
    data: walkBatches(task, { rows: 64, seed }),
    steps,
    learningRate: cosineSchedule({ peak: 2e-3, warmup: 20, decay: steps }),
    seed,
  })
  for await (const _ of run);
  return run.release()
}

/** Mean optimality of sampled walks, `samples` from each node. */
export async function evaluate(
  task: RandomWalks,
  weights: DecoderWeights,
  options: { readonly seed: number; readonly samples: number },
): Promise<number> {
  using generator = createBatchGenerator({ config, rows: 128 })
  const prompts = Array.from({ length: options.samples }, () => starts).flat()
  const walks = await generator.generate(weights, prompts, {
    maxTokens: longestWalk - 1,
    stop: [endToken],
    sampler: (row) => sampler({ seed: `${options.seed}/evaluation/${row}` }),
  })
  const scores = walks.map(({ ids }, row) => optimality(task, [...prompts[row]!, ...ids]))
  return scores.reduce((sum, score) => sum + score, 0) / scores.length
}

export interface Outcome {
  /** Mean optimality of sampled walks before and after PPO. */
  readonly before: number
  readonly after: number
  readonly seconds: number
}

export interface SolveOptions {
  /** Of graph, model and sampling. */
  readonly seed: number
  readonly pretrainSteps?: number
  readonly steps?: number
  /** Walks sampled from each node to measure with; default 50. */
  readonly samples?: number
  readonly onStep?: (step: number, metrics: PpoMetrics) => void
  readonly signal?: AbortSignal
}

/** The whole task from one seed. */
export async function solve(options: SolveOptions): Promise<Outcome> {
  const { seed, pretrainSteps = 200, steps = 50, samples = 50, onStep, signal } = options
  const start = performance.now()
  const task = randomWalks({ seed })
  const weights = await pretrain(task, { seed, steps: pretrainSteps })
  const before = await evaluate(task, weights, { seed, samples })
  const run = ppo({
    policy: { config, weights },
    reward: ({ prompt, completion }) => optimality(task, [...prompt, ...completion]),
    prompts: starts,
    steps,
    rows: 100,
    maxTokens: longestWalk - 1,
    stop: [endToken],
    learningRate: cosineSchedule({ peak: 3e-4, decay: steps }),
    kl: 0.01,
    valueCoefficient: 0.5,
    seed,
    ...(signal === undefined ? {} : { signal }),
  })
  for await (const step of run) onStep?.(step.index, step.metrics)
  const { policy, value } = run.release()
  const trained = policy as DecoderWeights
  const after = await evaluate(task, trained, { seed, samples })
  disposeWeights(trained)
  value.head.weight.dispose()
  value.head.bias?.dispose()
  return { before, after, seconds: (performance.now() - start) / 1000 }
}
