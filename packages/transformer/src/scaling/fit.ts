/** Fitting the parametric law to runs of one's own, as approach 3 of arXiv:2203.15556 does. */
import { random, throwIfAborted, type OnProgress } from '@tesserae/core'
import { TransformerError } from '../errors.js'
import { turns } from '../generate/turn.js'
import type { ChinchillaLaw } from './chinchilla.js'
import { minimize, type Objective } from './minimize.js'

/** The end of one training run. */
export interface ScalingRun {
  /** N */
  readonly parameters: number
  /** D */
  readonly tokens: number
  /** Final loss, in nats per token. */
  readonly loss: number
}

export interface FitOptions {
  /** Where the Huber loss of log-loss residuals turns from square to straight; default the paper's 1e-3. */
  readonly delta?: number
  /** Starting points: the paper's grid of 4,500, or every combination of fewer values, 162, which finds the same minimum on its data. Default 'coarse'. */
  readonly grid?: 'paper' | 'coarse'
  /** Resamples of the runs for intervals; default 0, which gives none. */
  readonly bootstrap?: number
  /** Seed of the resamples; default 0. */
  readonly seed?: number | string
  readonly signal?: AbortSignal
  /** Receives `fit-scaling-law`, in starts. */
  readonly onProgress?: OnProgress
}

export interface ScalingFit {
  readonly law: ChinchillaLaw
  /** Sum of Huber losses at the minimum. */
  readonly objective: number
  /** 95 % intervals by percentiles of the bootstrap; with `bootstrap` only. */
  readonly intervals?: Readonly<Record<keyof ChinchillaLaw, readonly [low: number, high: number]>>
}

const grids = {
  paper: {
    a: [0, 5, 10, 15, 20, 25],
    b: [0, 5, 10, 15, 20, 25],
    e: [-1, -0.5, 0, 0.5, 1],
    alpha: [0, 0.5, 1, 1.5, 2],
    beta: [0, 0.5, 1, 1.5, 2],
  },
  coarse: { a: [0, 5, 10], b: [0, 5, 10], e: [-0.5, 0.5], alpha: [0, 0.5, 1], beta: [0, 0.5, 1] },
} as const

/**
 * Fits E, A, B, α and β by the smallest sum of Huber losses between log L and the logarithm of the predicted loss, from many starting points. Five
 * unknowns need runs of clearly different sizes and lengths: report what comes out with its intervals, and never as another's
 * exponents. The paper's approach 2, parabolas through losses of equal operations, is left out: where the sizes tried are not centred on the optimum, or
 * loss is not a parabola in log N, its minimum is biased.
 *
 * Errors: DATA for fewer than six runs or values not above 0 (the index is named), OPTION, and AbortError.
 */
export async function fitScalingLaw(runs: readonly ScalingRun[], options: FitOptions = {}): Promise<ScalingFit> {
  const { delta = 1e-3, grid = 'coarse', bootstrap = 0, seed = 0, signal, onProgress } = options
  checkRuns(runs, delta)
  const objective = objectiveOf(runs, delta)
  const starts = [...startsOf(grids[grid])]
  const turn = turns()
  let best = { x: new Float64Array(5), value: Infinity }
  for (const [i, start] of starts.entries()) {
    throwIfAborted(signal, 'Fitting')
    const found = minimize(objective, start)
    if (found.value < best.value) best = { x: Float64Array.from(found.x), value: found.value }
    if (i % 16 === 15) onProgress?.({ task: 'fit-scaling-law', completed: i + 1, total: starts.length, unit: 'starts' })
    await turn()
  }
  const law = lawOf(best.x)
  if (bootstrap === 0) return { law, objective: best.value }
  const samples: ChinchillaLaw[] = []
  const stream = random(seed).stream('bootstrap')
  for (let i = 0; i < bootstrap; i++) {
    throwIfAborted(signal, 'Fitting')
    const draw = stream.fold(i)
    const sample = runs.map(() => draw.choice(runs))
    samples.push(lawOf(minimize(objectiveOf(sample, delta), best.x).x))
    await turn()
  }
  return { law, objective: best.value, intervals: intervalsOf(samples) }
}

function checkRuns(runs: readonly ScalingRun[], delta: number): void {
  if (!(delta > 0)) throw new TransformerError('OPTION', `fitScalingLaw: delta must be above 0, got ${delta}`)
  if (runs.length < 6)
    throw new TransformerError(
      'DATA',
      `fitScalingLaw: five coefficients need more than five runs, got ${runs.length}; add runs of other sizes and lengths`,
    )
  runs.forEach((run, i) => {
    for (const field of ['parameters', 'tokens', 'loss'] as const)
      if (!(run[field] > 0) || !Number.isFinite(run[field]))
        throw new TransformerError('DATA', `fitScalingLaw: run ${i} has ${field} ${String(run[field])}; expected a number above 0`)
  })
}

/** Sum of Huber(log Σ exp(a − α log N, b − β log D, e) − log L) over the runs; x is [a, b, e, α, β] with A = exp a, B = exp b, E = exp e. */
function objectiveOf(runs: readonly ScalingRun[], delta: number): Objective {
  const logN = Float64Array.from(runs, (run) => Math.log(run.parameters))
  const logD = Float64Array.from(runs, (run) => Math.log(run.tokens))
  const logL = Float64Array.from(runs, (run) => Math.log(run.loss))
  return (x, gradient) => {
    const [a, b, e, alpha, beta] = x as unknown as readonly [number, number, number, number, number]
    gradient.fill(0)
    let sum = 0
    for (let i = 0; i < logL.length; i++) {
      const byModel = a - alpha * logN[i]!
      const byData = b - beta * logD[i]!
      const peak = Math.max(byModel, byData, e)
      const model = Math.exp(byModel - peak)
      const data = Math.exp(byData - peak)
      const rest = Math.exp(e - peak)
      const total = model + data + rest
      const residual = peak + Math.log(total) - logL[i]!
      const size = Math.abs(residual)
      sum += size <= delta ? 0.5 * residual * residual : delta * (size - 0.5 * delta)
      const pull = (size <= delta ? residual : delta * Math.sign(residual)) / total
      gradient[0]! += pull * model
      gradient[1]! += pull * data
      gradient[2]! += pull * rest
      gradient[3]! -= pull * model * logN[i]!
      gradient[4]! -= pull * data * logD[i]!
    }
    return sum
  }
}

function* startsOf({ a, b, e, alpha, beta }: (typeof grids)[keyof typeof grids]): Iterable<number[]> {
  for (const one of a)
    for (const two of b) for (const three of e) for (const four of alpha) for (const five of beta) yield [one, two, three, four, five]
}

const lawOf = (x: Float64Array): ChinchillaLaw => ({
  E: Math.exp(x[2]!),
  A: Math.exp(x[0]!),
  B: Math.exp(x[1]!),
  alpha: x[3]!,
  beta: x[4]!,
})

function intervalsOf(samples: readonly ChinchillaLaw[]): Record<keyof ChinchillaLaw, readonly [number, number]> {
  const interval = (field: keyof ChinchillaLaw): readonly [number, number] => {
    const sorted = samples.map((sample) => sample[field]).sort((x, y) => x - y)
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
    return [at(0.025), at(0.975)]
  }
  return { E: interval('E'), A: interval('A'), B: interval('B'), alpha: interval('alpha'), beta: interval('beta') }
}
