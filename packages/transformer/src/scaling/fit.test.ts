import { existsSync } from 'node:fs'
import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { predictLoss, type ChinchillaLaw } from './chinchilla.js'
import { fitScalingLaw, type ScalingRun } from './fit.js'
import { minimize } from './minimize.js'
import { chinchillaRuns, fittedRuns } from './testing/chinchilla-runs.js'

/** 245 runs read off figure 4 of arXiv:2203.15556 by Epoch AI, not part of the repository. */
const data = new URL('../../../../../shared/data/chinchilla-runs.csv', import.meta.url)
const missing = 'needs chinchilla-runs.csv in ../shared/data, which is not part of the repository'

const truth: ChinchillaLaw = { E: 1.7, A: 400, B: 1500, alpha: 0.34, beta: 0.36 }
const grid = (noise: (i: number) => number): ScalingRun[] =>
  Array.from({ length: 48 }, (_, i) => {
    const parameters = 5e7 * 2 ** (i % 8)
    const tokens = 1e9 * 3 ** Math.floor(i / 8)
    return { parameters, tokens, loss: predictLoss(truth, { parameters, tokens }) * noise(i) }
  })

describe('fitScalingLaw', () => {
  it('finds the law behind exact losses', async () => {
    const { law, objective } = await fitScalingLaw(grid(() => 1))
    expect(objective).toBeLessThan(1e-10)
    expect(law.E).toBeCloseTo(truth.E, 2)
    expect(law.alpha).toBeCloseTo(truth.alpha, 2)
    expect(law.beta).toBeCloseTo(truth.beta, 2)
  })

  it('is not led astray by a few runs that went wrong, and says how sure it is', async () => {
    const stream = random(1)
    const noise = Array.from({ length: 48 }, () => Math.exp(0.002 * stream.normal()))
    const { law, intervals } = await fitScalingLaw(
      grid((i) => (i % 16 === 5 ? 1.3 : noise[i]!)),
      { bootstrap: 60, seed: 1 },
    )
    expect(law.E).toBeGreaterThan(1.6)
    expect(law.E).toBeLessThan(1.8)
    for (const field of ['E', 'alpha', 'beta'] as const) {
      const [low, high] = intervals![field]
      expect(low).toBeLessThan(high)
      expect(low).toBeLessThanOrEqual(truth[field])
      expect(high).toBeGreaterThanOrEqual(truth[field])
    }
  })

  it('reaches Epoch’s refit of the Chinchilla runs', async ({ skip }) => {
    skip(!existsSync(data), missing)
    const runs = chinchillaRuns(data)
    expect(runs).toHaveLength(245)
    const { law } = await fitScalingLaw(fittedRuns(runs))
    expect(law.E).toBeCloseTo(1.8172, 3)
    expect(Math.abs(law.A / 477.8 - 1)).toBeLessThan(1e-3)
    expect(Math.abs(law.B / 2143 - 1)).toBeLessThan(1e-3)
    expect(law.alpha).toBeCloseTo(0.3473, 3)
    expect(law.beta).toBeCloseTo(0.3672, 3)
  })

  it('refuses what cannot be fitted, and stops when told', async () => {
    const runs = grid(() => 1)
    await expect(fitScalingLaw(runs.slice(0, 5))).rejects.toThrow('five coefficients need more than five runs, got 5')
    await expect(fitScalingLaw([...runs, { parameters: 1e8, tokens: 0, loss: 3 }])).rejects.toThrow('run 48 has tokens 0')
    await expect(fitScalingLaw(runs, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('minimize', () => {
  it('follows a curved valley to its end', () => {
    const rosenbrock = (x: Float64Array, gradient: Float64Array): number => {
      const [a, b] = x as unknown as readonly [number, number]
      gradient[0] = -2 * (1 - a) - 400 * a * (b - a * a)
      gradient[1] = 200 * (b - a * a)
      return (1 - a) ** 2 + 100 * (b - a * a) ** 2
    }
    const { x, value } = minimize(rosenbrock, [-1.2, 1])
    expect(x[0]).toBeCloseTo(1, 5)
    expect(x[1]).toBeCloseTo(1, 5)
    expect(value).toBeLessThan(1e-10)
  })
})
