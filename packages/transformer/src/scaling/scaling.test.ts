import { describe, expect, it } from 'vitest'
import { countParameters } from '../architectures/count.js'
import { gpt2 } from '../architectures/gpt2.js'
import {
  chinchillaEpoch,
  chinchillaPaper,
  optimalAllocation,
  optimalParameters,
  optimalTokens,
  predictLoss,
  tableTokens,
  type ChinchillaLaw,
} from './chinchilla.js'
import { criticalBatchTokens, kaplanLoss, kaplanLossOfFlops, kaplanLossOfParameters, kaplanLossOfTokens, pfDay } from './kaplan.js'
import { planTraining, trainingCost } from './plan.js'

describe.each<[string, ChinchillaLaw]>([
  ['the paper', chinchillaPaper],
  ['Epoch', chinchillaEpoch],
])('the law of %s', (_, law) => {
  it.each([1e18, 1e21, 5.76e23])('puts no split of %d operations below its optimum', (flops) => {
    const best = optimalAllocation(law, flops)
    expect(6 * best.parameters * best.tokens).toBeCloseTo(flops, -Math.floor(Math.log10(flops)) + 9)
    for (const factor of [0.5, 0.9, 0.99, 1.01, 1.1, 2])
      expect(predictLoss(law, { parameters: best.parameters * factor, tokens: best.tokens / factor })).toBeGreaterThan(best.loss)
  })

  it('has optimal tokens and optimal parameters that belong to its optimum', () => {
    const { parameters, tokens } = optimalAllocation(law, 1e22)
    expect(optimalTokens(law, parameters) / tokens).toBeCloseTo(1, 9)
    expect(optimalParameters(law, tokens) / parameters).toBeCloseTo(1, 9)
  })
})

describe('Chinchilla', () => {
  it('predicts the losses that the printed coefficients give for Gopher and Chinchilla', () => {
    // 1.69 + 0.052 + 0.251 and 1.69 + 0.083 + 0.163
    expect(predictLoss(chinchillaPaper, { parameters: 280e9, tokens: 300e9 })).toBeCloseTo(1.993, 2)
    expect(predictLoss(chinchillaPaper, { parameters: 70e9, tokens: 1.4e12 })).toBeCloseTo(1.936, 2)
    expect(predictLoss(chinchillaPaper, { parameters: Infinity, tokens: Infinity })).toBe(1.69)
  })

  it('needs about 20 tokens a parameter by Epoch’s coefficients, and many more by the printed ones', () => {
    const ratio = (law: ChinchillaLaw): number => optimalTokens(law, 70e9) / 70e9
    expect(ratio(chinchillaEpoch)).toBeGreaterThan(15)
    expect(ratio(chinchillaEpoch)).toBeLessThan(25)
    expect(ratio(chinchillaPaper)).toBeGreaterThan(40)
  })

  it.each([
    [400e6, 8.0e9],
    [1e9, 20.2e9],
    [10e9, 205.1e9],
    [67e9, 1.5e12],
    [175e9, 3.7e12],
    [1e12, 21.2e12],
  ])('has the table’s tokens for %d parameters', (parameters, tokens) => {
    expect(tableTokens(parameters) / tokens).toBeCloseTo(1, 9)
  })

  it('reads between the lines of the table and past its ends', () => {
    for (const parameters of [70e6, 3e9, 100e9, 20e12]) {
      const ratio = tableTokens(parameters) / parameters
      expect(ratio).toBeGreaterThan(18)
      expect(ratio).toBeLessThan(24)
    }
    expect(tableTokens(3e9)).toBeGreaterThan(20.2e9)
    expect(tableTokens(3e9)).toBeLessThan(205.1e9)
    expect(() => tableTokens(-1)).toThrow('tableTokens: parameters must be a number above 0, got -1')
  })
})

describe('Kaplan', () => {
  it('has loss 1 at its constants, and falls by its exponents', () => {
    expect(kaplanLossOfParameters(8.8e13)).toBeCloseTo(1, 12)
    expect(kaplanLossOfTokens(5.4e13)).toBeCloseTo(1, 12)
    expect(kaplanLossOfFlops(3.1e8 * pfDay)).toBeCloseTo(1, 12)
    expect(kaplanLossOfParameters(1e9) / kaplanLossOfParameters(1e10)).toBeCloseTo(10 ** 0.076, 9)
    expect(kaplanLossOfTokens(1e9) / kaplanLossOfTokens(1e10)).toBeCloseTo(10 ** 0.095, 9)
    expect(kaplanLossOfFlops(1e20) / kaplanLossOfFlops(1e21)).toBeCloseTo(10 ** 0.05, 9)
    expect(criticalBatchTokens(1)).toBe(2e8)
    expect(criticalBatchTokens(2.5)).toBeCloseTo(2e8 / 2.5 ** 4.7619047619, -1)
  })

  it('joins model and data: each alone is what is left when the other has no end', () => {
    expect(kaplanLoss({ parameters: 1e9, tokens: Infinity })).toBeCloseTo((6.4e13 / 1e9) ** 0.076, 9)
    expect(kaplanLoss({ parameters: Infinity, tokens: 1e10 })).toBeCloseTo((1.8e13 / 1e10) ** 0.103, 9)
    expect(kaplanLoss({ parameters: 1e9, tokens: 1e10 })).toBeGreaterThan(kaplanLoss({ parameters: 1e9, tokens: Infinity }))
  })
})

describe('planTraining', () => {
  it('fills in what is not given', () => {
    const free = planTraining({ flops: 1e21 })
    expect(free.loss).toBeCloseTo(free.optimum.loss, 12)
    expect(free.tokensPerParameter).toBeCloseTo(free.tokens / free.parameters, 9)
    const small = planTraining({ flops: 1e21, parameters: free.parameters / 4 })
    expect(small.tokens).toBeCloseTo(4 * free.tokens, -3)
    expect(small.loss).toBeGreaterThan(small.optimum.loss)
    expect(planTraining({ parameters: 1e9 }).tokens).toBeCloseTo(optimalTokens(chinchillaEpoch, 1e9), -1)
    expect(planTraining({ tokens: 2e10 }).parameters).toBeCloseTo(optimalParameters(chinchillaEpoch, 2e10), -1)
    expect(planTraining({ parameters: 1e9, tokens: 1e9 }).flops).toBe(6e18)
    expect(planTraining({ tokens: 1e9, flops: 6e18 }, { law: chinchillaPaper }).parameters).toBe(1e9)
  })

  it('refuses budgets that fix nothing or everything', () => {
    expect(() => planTraining({})).toThrow('got none')
    expect(() => planTraining({ flops: 1, tokens: 1, parameters: 1 })).toThrow('got all three')
    expect(() => planTraining({ flops: 0 })).toThrow('flops must be a number above 0')
  })
})

it('counts a training run by the rule and product by product', () => {
  const config = gpt2({ vocabSize: 50_257, width: 768, layers: 12, heads: 12, context: 1024 })
  const cost = trainingCost(config, 1e9)
  expect(cost.parameters).toBe(124_439_808) // GPT-2 small
  expect(cost.bodyParameters).toBe(countParameters(config).body)
  expect(cost.estimatedFlops).toBe(6 * 124_439_808 * 1e9)
  // Matrix products: 84.9M weights of blocks and 38.6M of the head, and attention over 1,024 positions.
  const exact = 6 * (12 * 12 * 768 ** 2 + 50_257 * 768) + 12 * 12 * 768 * 1024
  expect(cost.flops / 1e9).toBeCloseTo(exact, -1)
})
