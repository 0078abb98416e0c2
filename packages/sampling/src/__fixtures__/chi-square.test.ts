import { expect, it } from 'vitest'
import { goodnessOfFit, together, upperTail } from './chi-square.js'

it.each([
  // Critical values of tables of χ², to their three digits.
  [6.635, 1, 0.01],
  [18.307, 10, 0.05],
  [1.61, 5, 0.9],
  [135.807, 100, 0.01],
])('χ² of %d with %d degrees of freedom', (statistic, degrees, p) => {
  expect(upperTail(statistic, degrees)).toBeCloseTo(p, 3)
})

it('tells counts that agree from those that do not, and from what cannot come', () => {
  const expected = new Map([
    ['a', 0.5],
    ['b', 0.3],
    ['c', 0.1999],
    ['d', 0.0001],
  ])
  const agree = goodnessOfFit(new Map(Object.entries({ a: 4950, b: 3050, c: 1998, d: 2 })), expected)
  expect(agree.p).toBeGreaterThan(0.1)
  expect(agree.degrees).toBe(3)
  expect(goodnessOfFit(new Map(Object.entries({ a: 5300, b: 2700, c: 1998, d: 2 })), expected).p).toBeLessThan(1e-6)
  expect(goodnessOfFit(new Map(Object.entries({ a: 5000, e: 1 })), expected).p).toBe(0)
  expect(together([agree, agree]).degrees).toBe(6)
})
