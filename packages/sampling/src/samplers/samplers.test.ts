import fc from 'fast-check'
import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { codeOf, distribution } from '../__fixtures__/helpers.js'
import { Candidates } from '../candidates.js'
import { greedy } from './greedy.js'
import { minP } from './min-p.js'
import { temperature } from './temperature.js'
import { topK } from './top-k.js'
import { topP } from './top-p.js'

/** Enough logits that buckets are counted instead of sorting everything. */
const manyLogits = fc.tuple(fc.integer(), fc.constantFrom(0.01, 1, 6), fc.constantFrom(0, 0.25)).map(([seed, scale, grid]) => {
  const stream = random(seed)
  return Float32Array.from({ length: 2500 }, () => {
    const logit = stream.normal() * scale
    return grid === 0 ? logit : Math.round(logit / grid) * grid
  })
})

/** Logits with ties, −∞ and extremes. */
const fewLogits = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.double({ min: -12, max: 12, noNaN: true }) },
      { weight: 2, arbitrary: fc.integer({ min: -3, max: 3 }) },
      { weight: 1, arbitrary: fc.constantFrom(-Infinity, 0, -0, 1e-40, -1e-40, 80) },
    ),
    { minLength: 1, maxLength: 700 },
  )
  .map((values) => Float32Array.from(values))
  .filter((logits) => logits.some((logit) => logit > -Infinity))

const anyLogits = fc.oneof({ weight: 5, arbitrary: fewLogits }, { weight: 1, arbitrary: manyLogits })

/** Ids by falling logit, then rising id. */
const ranked = (logits: Float32Array) => [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b)

describe('against plain definitions on any logits', () => {
  it('topK', () => {
    fc.assert(
      fc.property(anyLogits, fc.nat(2600), (logits, k) => {
        const candidates = new Candidates()
        candidates.begin(logits)
        topK(k).apply(candidates)
        const kept = k > 0 && k < logits.length ? ranked(logits).slice(0, k) : [...logits.keys()]
        expect([...candidates.ids.subarray(0, candidates.size)]).toEqual(kept)
        for (let i = 0; i < candidates.size; i++) expect(candidates.logits[i]! === logits[candidates.ids[i]!]).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('topP, sorted before or not', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (logits, p, sortFirst) => {
        const order = ranked(logits).slice(0, sortFirst ? Math.max(1, logits.length - 1) : undefined)
        const max = logits[order[0]!]!
        const total = order.reduce((sum, id) => sum + Math.exp(logits[id]! - max), 0)
        let sum = 0
        let count = 0
        while (count < order.length && (count === 0 || Math.fround(sum / total) < Math.fround(p)))
          sum += Math.exp(logits[order[count++]!]! - max)
        if (p === 1) count = order.length
        const candidates = new Candidates()
        candidates.begin(logits)
        if (sortFirst) topK(order.length).apply(candidates)
        topP(p).apply(candidates)
        // A sum that lies on the border to within rounding may fall on either side, depending on the order of addition.
        const shares = order.map((id) => Math.exp(logits[id]! - max) / total)
        const close = (n: number) => Math.abs(shares.slice(0, n).reduce((a, b) => a + b, 0) - p) < 1e-6
        if (candidates.size !== count && (close(count) || close(candidates.size))) return
        expect(new Set(candidates.ids.subarray(0, candidates.size))).toEqual(new Set(order.slice(0, count)))
      }),
      { numRuns: 500 },
    )
  })

  it('minP, greedy and temperature', () => {
    fc.assert(
      fc.property(
        anyLogits,
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        fc.double({ min: 0.05, max: 5, noNaN: true }),
        (logits, p, value) => {
          const max = Math.max(...logits)
          const kept = distribution(logits, minP(p))
          for (const [id, logit] of logits.entries()) {
            if (Math.abs(logit - max - Math.log(p)) > 1e-5 && logit > max - 700) expect(kept.has(id)).toBe(logit > max + Math.log(p))
          }
          expect([...distribution(logits, greedy()).keys()]).toEqual([logits.indexOf(max)])
          expect(distribution(logits, temperature(0))).toEqual(new Map([[logits.indexOf(max), 1]]))
          const tempered = distribution(logits, temperature(value))
          const total = logits.reduce((sum, logit) => sum + Math.exp((logit - max) / value), 0)
          for (const [id, probability] of tempered) expect(probability).toBeCloseTo(Math.exp((logits[id]! - max) / value) / total, 5)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('parameters and logits at their limits', () => {
  it('are refused out of range', () => {
    for (const make of [
      () => temperature(-0.1),
      () => temperature(NaN),
      () => temperature(Infinity),
      () => topK(-1),
      () => topK(1.5),
      () => topK(NaN),
      () => topP(-0.01),
      () => topP(1.01),
      () => topP(NaN),
      () => minP(1.05),
      () => minP(-1),
      () => minP('0.5' as never),
    ]) {
      expect(codeOf(make)).toBe('VALUE')
    }
    expect(() => topP(2)).toThrow('topP must be a number from 0 to 1, got 2')
  })

  it('low temperatures do not overflow', () => {
    expect(distribution([3e38, 1e38, -3e38], temperature(1e-30))).toEqual(new Map([[0, 1]]))
    expect(distribution([-3e38, -3e38, -Infinity], temperature(0.01))).toEqual(
      new Map([
        [0, 0.5],
        [1, 0.5],
      ]),
    )
  })

  it('equal logits keep the lowest ids, whatever the sign of zero', () => {
    expect([...distribution([-0, 0, -0, 0], topK(2)).keys()]).toEqual([0, 1])
    expect([...distribution(new Float32Array(10_000), topP(0.0005)).keys()]).toEqual([0, 1, 2, 3, 4])
    expect([...distribution(new Float32Array(10_000), topK(300)).keys()]).toEqual([...Array(300).keys()])
  })
})
