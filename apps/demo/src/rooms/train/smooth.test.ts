import { describe, expect, it } from 'vitest'
import { smooth, thin } from './smooth.js'

describe('smooth', () => {
  it('leaves a constant alone from the first point on', () => {
    for (const [, y] of smooth([1, 2, 3].map((x) => [x, 5] as const))) expect(y).toBeCloseTo(5, 12)
  })

  it('lags behind a fall', () => {
    const [, last] = smooth([
      [1, 4],
      [2, 2],
    ])
    expect(last![1]).toBeGreaterThan(2)
    expect(last![1]).toBeLessThan(3)
  })
})

describe('thin', () => {
  it('averages neighbours and keeps the last step', () => {
    expect(
      thin(
        [
          [1, 1],
          [2, 3],
          [3, 5],
        ],
        2,
      ),
    ).toEqual([
      [2, 2],
      [3, 5],
    ])
  })
})
