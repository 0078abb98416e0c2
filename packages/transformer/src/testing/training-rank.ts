/**
 * One rank of a training under MPI. In the folder that is the first argument each rank reports how it went; rank 0 then trains alone, by batches twice as large, and compares. The second argument is how many steps, the
 * third 'well' or 'killed': rank 1 kills itself after two steps.
 */
import { resolveDevice } from '@tesserae/tensor'
import { mpiGroup } from '@tesserae/tensor/node'
import { PeerError } from '@tesserae/tensor/parallel'
import { beginRank, reportRank } from '../../../tensor/src/parallel/testing/rank.js'
import { initWeights } from '../architectures/initialize.js'
import { llama } from '../architectures/llama.js'
import { randomWindows } from '../train/data.js'
import { train, type StepEvent } from '../train/run.js'
import { largestDifference, pairwise } from './pairwise.js'

export interface TrainingReport {
  readonly description: string
  readonly losses: readonly number[]
  readonly tokens: number
  /** Largest differences of rank 0's weights from those of one process: with batches twice as large, and accumulating two. */
  readonly difference?: number
  readonly accumulated?: number
  readonly failure?: { readonly code: string; readonly ranks: readonly number[]; readonly message: string; readonly ms: number }
}

const [folder, stepsText, fate] = process.argv.slice(2) as [string, string, string]
const steps = Number(stepsText)
const config = llama({ vocabSize: 96, width: 48, layers: 1, heads: 4, kvHeads: 2, hidden: 96, context: 32 })
const text = Array.from({ length: 4000 }, (_, i) => (i * i * 7 + (i >> 3)) % 96)
const data = randomWindows(text, { rows: 4, length: 32, seed: 1 })
// Ranks of one machine share its processors.
const common = { config, steps, learningRate: 1e-3, device: await resolveDevice('cpu', { threads: 1 }) }

const group = await mpiGroup({ deadlineMs: 10_000 })
beginRank(folder, group.rank)
const losses: number[] = []
let tokens = 0
let last = performance.now()
// Rank 0's weights are the ones that count.
const run = train({ ...common, weights: initWeights(config, { seed: 1 + group.rank }), data, group, bucketBytes: 32 * 1024 })
const report = (more: Partial<TrainingReport>): void =>
  reportRank(folder, group.rank, { description: group.description, losses, tokens, ...more } satisfies TrainingReport)
try {
  for await (const event of run) {
    follow(event)
    if (fate === 'killed' && group.rank === 1 && event.step === 2) process.kill(process.pid, 'SIGKILL')
  }
  await group.close()
  if (group.rank === 0) {
    const alone = await weightsOf({ data: pairwise(data) })
    const accumulating = await weightsOf({ data, accumulate: 2 })
    report({ difference: await largestDifference(run.weights, alone), accumulated: await largestDifference(run.weights, accumulating) })
  } else report({})
} catch (error) {
  if (!(error instanceof PeerError)) throw error
  const { code, ranks, message } = error
  report({ failure: { code, ranks, message, ms: performance.now() - last } })
  process.exit(1)
}

function follow(event: StepEvent): void {
  losses.push(event.loss)
  tokens += event.tokens
  last = performance.now()
}

async function weightsOf(options: { readonly data: typeof data; readonly accumulate?: number }) {
  const single = train({ ...common, weights: initWeights(config, { seed: 1 }), ...options })
  for await (const { step } of single) if (step === steps) break
  return single.weights
}
