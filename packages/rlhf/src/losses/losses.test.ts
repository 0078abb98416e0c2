import { referenceDevice, tensor, type Tensor } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { gae, tokenRewards } from '../advantage/gae.js'
import { adaptiveKl, fixedKl } from '../advantage/kl-controller.js'
import { gradientCases, gradientError } from '../testing/gradients.js'
import { aggregate } from './aggregate.js'
import { bestOfLoss, bradleyTerryLoss } from './bradley-terry.js'
import { dpoLoss } from './dpo.js'
import { ppoPolicyLoss } from './ppo.js'

const device = referenceDevice()
const f64 = (values: unknown): Tensor => tensor(values as number[], { dtype: 'f64' })
const ints = (values: unknown): Tensor => tensor(values as number[], { dtype: 'i32' })
const read = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }))
const wave = (count: number, phase: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + phase))

const mask = (): Tensor => f64([1, 1, 0, 1, 1, 1]).reshape(2, 3)

describe('gradients', () => {
  it.each(gradientCases)('of $name are those of finite differences', async (one) => {
    const { error, at } = await gradientError(one)
    expect(error, at).toBeLessThan(1e-7)
  })
})

describe('aggregation', () => {
  const values = [1, 2, 3, 4, 5, 6]
  it('takes means of tokens or of sequences', async () => {
    const of = (options: Parameters<typeof aggregate>[2]): Promise<number[]> => read(aggregate(f64(values).reshape(2, 3), mask(), options))
    expect(await of({})).toEqual([18 / 5])
    expect(await of({ reduction: 'sequences' })).toEqual([(1.5 + 5) / 2])
    expect(await of({ count: 10 })).toEqual([1.8])
    expect(await of({ reduction: 'sequences', count: 4 })).toEqual([6.5 / 4])
  })

  it('adds up over parts of a step that are given the count of all of it', async () => {
    const parts = await Promise.all(
      [0, 1].map((row) =>
        read(
          aggregate(
            f64(values)
              .reshape(2, 3)
              .slice(0, row, row + 1),
            mask().slice(0, row, row + 1),
            { count: 5 },
          ),
        ),
      ),
    )
    expect(parts[0]![0]! + parts[1]![0]!).toBeCloseTo(18 / 5, 14)
  })

  it('of masked cells takes whatever they hold', async () => {
    const logprobs = f64([[-1, -2, -Infinity]])
    const { loss, metrics } = ppoPolicyLoss({
      logprobs,
      oldLogprobs: f64([[-1, -2, 0]]),
      advantages: f64([[1, 1, 0]]),
      mask: f64([[1, 1, 0]]),
    })
    expect(await read(loss)).toEqual([-1])
    expect(await read(metrics.ratio)).toEqual([1])
  })
})

describe('preferences', () => {
  it('do not change when both rewards are shifted', async () => {
    const at = async (shift: number): Promise<number> =>
      (await read(bradleyTerryLoss({ chosen: f64([1 + shift, 0.5 + shift]), rejected: f64([0 + shift, 1 + shift]) }).loss))[0]!
    expect(await at(10)).toBeCloseTo(await at(0), 12)
  })

  it('of a filled-up batch count the weighted examples alone', async () => {
    const some = { chosen: f64([1, 2, 99]), rejected: f64([0, 3, -99]) }
    const weighted = bradleyTerryLoss(some, { weights: f64([1, 1, 0]) })
    const alone = bradleyTerryLoss({ chosen: f64([1, 2]), rejected: f64([0, 3]) })
    expect((await read(weighted.loss))[0]!).toBeCloseTo((await read(alone.loss))[0]!, 14)
    expect(await read(weighted.metrics.accuracy)).toEqual([0.5])
  })

  it('with two candidates make the best-of loss the pairwise one', async () => {
    const best = await read(bestOfLoss(f64([[1, 0.2]]), ints([0])).loss)
    expect(best[0]!).toBeCloseTo((await read(bradleyTerryLoss({ chosen: f64([1]), rejected: f64([0.2]) }).loss))[0]!, 14)
  })

  it('of IPO take sums without lengths, as OpenRLHF, and means with them, as TRL', async () => {
    const logprobs = { policyChosen: f64([-4]), policyRejected: f64([-9]), referenceChosen: f64([-6]), referenceRejected: f64([-6]) }
    expect(await read(dpoLoss(logprobs, { variant: 'ipo', beta: 0.5 }).loss)).toEqual([(2 + 3 - 1) ** 2])
    const lengths = { chosen: f64([2]), rejected: f64([3]) }
    expect(await read(dpoLoss(logprobs, { variant: 'ipo', beta: 0.5, lengths }).loss)).toEqual([(1 + 1 - 1) ** 2])
  })

  it('refuse shapes and options that make no sense', () => {
    const one = f64([1])
    const logprobs = { policyChosen: one, policyRejected: one, referenceChosen: one, referenceRejected: f64([1, 2]) }
    expect(() => dpoLoss(logprobs)).toThrow('referenceRejected is')
    expect(() => dpoLoss({ ...logprobs, referenceRejected: one }, { beta: 0 })).toThrow('beta must be a number above 0')
    expect(() => dpoLoss({ ...logprobs, referenceRejected: one }, { labelSmoothing: 0.5 })).toThrow('from 0 to below 0.5')
  })
})

describe('advantages', () => {
  it('are those of the recurrence, for any length', async () => {
    for (const length of [1, 2, 3, 8, 13]) {
      const [rewards, values] = [wave(length, 1), wave(length, 2)]
      const expected = new Array<number>(length).fill(0)
      for (let t = length - 1; t >= 0; t--)
        expected[t] = rewards[t]! + 0.9 * (values[t + 1] ?? 0) - values[t]! + 0.9 * 0.8 * (expected[t + 1] ?? 0)
      const { advantages } = gae({ rewards: f64([rewards]), values: f64([values]) }, { gamma: 0.9, lambda: 0.8 })
      const found = await read(advantages)
      expected.forEach((value, t) => expect(found[t]!).toBeCloseTo(value, 12))
    }
  })

  it('put the score at the last token, or one after it where there is room', async () => {
    const inputs = {
      kl: f64([
        [1, 1, 9],
        [1, 1, 1],
      ]),
      mask: f64([
        [1, 1, 0],
        [1, 1, 1],
      ]),
      scores: f64([5, 7]),
      lengths: ints([2, 3]),
    }
    expect(await read(tokenRewards(inputs, { klCoefficient: 0.5 }))).toEqual([-0.5, 4.5, 0, -0.5, -0.5, 6.5])
    expect(await read(tokenRewards(inputs, { klCoefficient: 0.5, scoreAt: 'after' }))).toEqual([-0.5, -0.5, 5, -0.5, -0.5, 6.5])
  })
})

describe('KL control', () => {
  it('steers towards the target, by a fifth of the horizon at most, and keeps its state in one number', () => {
    const controller = adaptiveKl({ initial: 0.1, target: 4, horizon: 1000 })
    controller.update(4.2, 100)
    expect(controller.value).toBeCloseTo(0.1 * (1 + 0.05 * 0.1), 15)
    const resumed = adaptiveKl({ initial: controller.value, target: 4, horizon: 1000 })
    for (const one of [controller, resumed]) one.update(100, 100)
    expect(resumed.value).toBe(controller.value)
    expect(controller.value).toBeCloseTo(0.1 * 1.005 * 1.02, 15)
    expect(() => controller.update(NaN, 1)).toThrow('the divergence is NaN')
    expect(() => adaptiveKl({ target: 0 })).toThrow('target must be a number above 0')
    const fixed = fixedKl(0.05)
    fixed.update(100, 100)
    expect(fixed.value).toBe(0.05)
    expect(() => fixedKl(-1)).toThrow('at least 0')
  })
})
