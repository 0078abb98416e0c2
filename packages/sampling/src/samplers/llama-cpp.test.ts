/** The probabilities, parameters and results of llama.cpp's tests/test-sampling.cpp (MIT), for the steps beyond those in samplers.test.ts; results agree to 1e-5. */
import { describe, expect, it } from 'vitest'
import { distribution } from '../__fixtures__/helpers.js'
import type { SamplerStep } from '../step.js'
import { dry } from './dry.js'
import { dynamicTemperature } from './dynamic-temperature.js'
import { pLess } from './p-less.js'
import { penalties } from './penalties.js'
import { topNSigma } from './top-n-sigma.js'
import { typical } from './typical.js'
import { xtc } from './xtc.js'

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
  ['dynamic temperature of no range', () => dynamicTemperature({ min: 1, max: 1 }), four, [], four],
  ['dynamic temperature 0', () => dynamicTemperature({ min: 0, max: 0 }), four, [], { 3: 1 }],
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

describe('llama.cpp’s published cases', () => {
  it.each(cases)('%s', (_, make, probabilities, history, expected) => {
    const step = make()
    for (const id of history) step.accept?.(id)
    const found = distribution(Float32Array.from(probabilities, Math.log), step)
    const wanted = Object.entries(expected).map(([id, probability]) => [Number(id), probability as number] as const)
    for (const id of found.keys()) expect(wanted.map(([one]) => one)).toContain(id)
    for (const [id, probability] of wanted) expect(Math.abs((found.get(id) ?? 0) - probability)).toBeLessThan(1e-5)
  })
})
