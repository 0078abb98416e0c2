/** The probabilities, parameters and results of llama.cpp's tests/test-sampling.cpp (MIT), all of them; results agree to 1e-5. */
import { Candidates } from '../candidates.js'
import { SamplingError } from '../errors.js'
import {
  dry,
  dynamicTemperature,
  minP,
  penalties,
  pLess,
  temperature,
  topK,
  topNSigma,
  topP,
  typical,
  xtc,
  type SamplerStep,
} from '../index.js'
import { distribution } from './helpers.js'

export interface LlamaCppCase {
  readonly name: string
  /** The largest difference of a token's probability; ∞ where other tokens are left. */
  readonly deviation: () => number
}

type Case = readonly [
  name: string,
  step: () => SamplerStep,
  probabilities: readonly number[],
  history: readonly number[],
  expected: readonly number[] | Readonly<Record<number, number>>,
]

const four = [0.1, 0.2, 0.3, 0.4]
const falling = [0.4, 0.3, 0.2, 0.1]
const equal = (count: number): number[] => Array.from({ length: count }, () => 1 / count)
const always = (threshold: number) => () => xtc({ probability: 0.99, threshold })
const penalised = (repeat: number, frequency: number, presence: number, lastN: number) => () =>
  penalties({ repeat, frequency, presence, lastN })
const repeating =
  (multiplier: number, allowedLength: number, lastN: number, breakers: number[][] = []) =>
  () =>
    dry({ multiplier, base: 1.1, allowedLength, lastN, breakers })

const cases: readonly Case[] = [
  ['temperature 1', () => temperature(1), four, [], four],
  ['temperature 0', () => temperature(0), four, [], { 3: 1 }],
  ['dynamic temperature of no range', () => dynamicTemperature({ min: 1, max: 1 }), four, [], four],
  ['dynamic temperature 0', () => dynamicTemperature({ min: 0, max: 0 }), four, [], { 3: 1 }],
  ['top-k 1', () => topK(1), four, [], { 3: 1 }],
  ['top-k 3', () => topK(3), four, [], { 3: 0.44444, 2: 0.33333, 1: 0.22222 }],
  ['top-k 4', () => topK(4), four, [], four],
  ['top-k 0', () => topK(0), four, [], four],
  ['top-p 0', () => topP(0), four, [], { 3: 1 }],
  ['top-p 0.7', () => topP(0.7), four, [], { 3: 0.571429, 2: 0.428571 }],
  ['top-p 0.8', () => topP(0.8), four, [], { 3: 0.44444, 2: 0.33333, 1: 0.22222 }],
  ['top-p 1', () => topP(1), four, [], four],
  ['min-p 0', () => minP(0), four, [], four],
  ['min-p 0.24', () => minP(0.24), four, [], four],
  ['min-p 0.26', () => minP(0.26), four, [], { 1: 0.2 / 0.9, 2: 0.3 / 0.9, 3: 0.4 / 0.9 }],
  ['min-p 0.49', () => minP(0.49), four, [], { 1: 0.2 / 0.9, 2: 0.3 / 0.9, 3: 0.4 / 0.9 }],
  ['min-p 0.51', () => minP(0.51), four, [], { 2: 0.3 / 0.7, 3: 0.4 / 0.7 }],
  ['min-p 0.74', () => minP(0.74), four, [], { 2: 0.3 / 0.7, 3: 0.4 / 0.7 }],
  ['min-p 0.76', () => minP(0.76), four, [], { 3: 1 }],
  ['min-p 1', () => minP(1), four, [], { 3: 1 }],
  ['xtc, threshold 0.09', always(0.09), falling, [], { 3: 1 }],
  ['xtc, threshold 0.19', always(0.19), falling, [], { 2: 0.2 / 0.3, 3: 0.1 / 0.3 }],
  ['xtc, threshold 0.29', always(0.29), falling, [], { 1: 0.3 / 0.6, 2: 0.2 / 0.6, 3: 0.1 / 0.6 }],
  ['xtc, threshold 0.39', always(0.39), falling, [], falling],
  ['typical of a peak', () => typical(0.5), [0.97, 0.01, 0.01, 0.01], [], { 0: 1 }],
  ['typical of a plain', () => typical(0.5), [0.4, 0.2, 0.2, 0.2], [], { 1: 1 / 3, 2: 1 / 3, 3: 1 / 3 }],
  ['repetition of one', penalised(50, 0, 0, 1), equal(5), [0], [0, 0.25, 0.25, 0.25, 0.25]],
  ['repetition of three', penalised(50, 0, 0, 3), equal(5), [0, 1, 2], [0, 0, 0, 0.5, 0.5]],
  ['repetition of five', penalised(50, 0, 0, 5), equal(5), [0, 1, 2, 0, 0], [0, 0, 0, 0.5, 0.5]],
  ['frequency and presence of one', penalised(1, 5, 5, 1), equal(5), [0], [0.000011, 0.249997, 0.249997, 0.249997, 0.249997]],
  ['frequency and presence of three', penalised(1, 5, 5, 3), equal(5), [0, 1, 2], [0.000023, 0.000023, 0.000023, 0.499966, 0.499966]],
  ['frequency and presence of five', penalised(1, 5, 5, 5), equal(5), [0, 1, 2, 0, 0], [0, 0.000023, 0.000023, 0.499977, 0.499977]],
  ['dry, nothing repeated', repeating(1, 2, 4), equal(4), [0, 1], equal(4)],
  ['dry, two repeated', repeating(1, 2, 5), equal(4), [0, 1, 2, 0, 1], [0.296923, 0.296923, 0.109232, 0.296923]],
  ['dry, a breaker', repeating(1, 2, 6, [[3]]), equal(5), [0, 1, 3, 4, 0, 1], equal(5)],
  ['dry, twice as dear', repeating(2, 2, 5), equal(5), [0, 1, 2, 0, 1], [0.241818, 0.241818, 0.032727, 0.241818, 0.241818]],
  ['dry, shorter than allowed', repeating(1, 4, 7), equal(5), [0, 1, 2, 3, 4, 0, 1], equal(5)],
  ['top-n-sigma 1', () => topNSigma(1), four, [], { 2: 0.428571, 3: 0.571429 }],
  ['top-n-sigma 0', () => topNSigma(0), four, [], four],
  ['top-n-sigma 3', () => topNSigma(3), four, [], four],
  ['p-less', () => pLess(), [0.1, 0.15, 0.2, 0.25, 0.3], [], { 3: 0.45454545, 4: 0.54545455 }],
  ['p-less of equal ones', () => pLess(), equal(5), [], equal(5)],
]

function deviationOf([, make, probabilities, history, expected]: Case): number {
  const step = make()
  for (const id of history) step.accept?.(id)
  const found = distribution(Float32Array.from(probabilities, Math.log), step)
  const wanted = new Map(Object.entries(expected).map(([id, probability]) => [Number(id), probability as number]))
  if ([...found.keys()].some((id) => !wanted.has(id))) return Infinity
  return Math.max(...[...wanted].map(([id, probability]) => Math.abs((found.get(id) ?? 0) - probability)))
}

const QUEUE_SIZE = 10_000

/**
 * In its queues, token i of 10,000 has the probability i / Σ, so what each step must keep is known in integers: a range of ids from
 * `lowest` to 9999.
 */
const queues: readonly (readonly [steps: string, k: number, p: number, m: number])[] = [
  ['k', 10_000, 1, 1],
  ['k', 1, 1, 1],
  ['p', 10_000, 1, 1],
  ['p', 10_000, 0, 1],
  ['m', 10_000, 1, 1],
  ['m', 10_000, 1, 1e-12],
  ['k', 100, 1, 1],
  ['p', 10_000, 0.0003, 1],
  ['p', 10_000, 0.8, 1],
  ['m', 10_000, 1, 9997.9 / 9999],
  ['m', 10_000, 1, 0.1],
  ...['kp', 'km', 'pk', 'pm', 'mk', 'mp', 'kpm', 'kmp', 'pkm', 'pmk', 'mkp', 'mpk'].map((steps) => [steps, 100, 0.8, 0.1] as const),
  ['mp', 100, 0.8, 9997.9 / 9999],
]

function queueDeviation([steps, k, p, m]: (typeof queues)[number]): number {
  const candidates = new Candidates()
  candidates.begin(Float32Array.from({ length: QUEUE_SIZE }, (_, id) => Math.log(id)))
  let lowest = 0
  for (const letter of steps) {
    if (letter === 'k') {
      topK(k).apply(candidates)
      lowest = Math.max(lowest, QUEUE_SIZE - k)
    } else if (letter === 'm') {
      minP(m).apply(candidates)
      // Token 0 has a logit of −∞, and any threshold removes it.
      lowest = Math.max(lowest, 1, Math.min(QUEUE_SIZE - 1, Math.ceil(m * (QUEUE_SIZE - 1) - 1e-3)))
    } else {
      topP(p).apply(candidates)
      const sumFrom = (id: number) => ((id + QUEUE_SIZE - 1) * (QUEUE_SIZE - id)) / 2
      const target = p * sumFrom(lowest)
      if (p < 1) for (lowest = QUEUE_SIZE - 1; sumFrom(lowest) < target;) lowest--
    }
    if (candidates.size !== QUEUE_SIZE - lowest || Math.min(...candidates.ids.subarray(0, candidates.size)) !== lowest) return Infinity
  }
  return 0
}

/** A min-p of 1.05 keeps the likeliest token there; here it is out of range, and said to be. */
function outOfRange(): number {
  try {
    minP(1.05)
  } catch (error) {
    if (error instanceof SamplingError && error.code === 'VALUE') return 0
    throw error
  }
  return Infinity
}

export const llamaCppCases: readonly LlamaCppCase[] = [
  ...cases.map((one) => ({ name: one[0], deviation: () => deviationOf(one) })),
  { name: 'min-p 1.05', deviation: outOfRange },
  ...queues.map((one) => ({
    name: `queue ${one[0]} with top-k ${one[1]}, top-p ${one[2]}, min-p ${one[3]}`,
    deviation: () => queueDeviation(one),
  })),
]
