import { describe, expect, it } from 'vitest'
import { errorFunction } from './erf.js'

// Python 3: math.erf(x), which is correct within one unit in the last place.
const published: readonly (readonly [x: number, erf: number])[] = [
  [1e-300, 1.1283791670955126e-300],
  [1e-10, 1.1283791670955126e-10],
  [0.1, 0.1124629160182849],
  [0.5, 0.5204998778130465],
  [1, 0.8427007929497149],
  [1.5, 0.9661051464753108],
  [1.9999999, 0.9953222629522538],
  [2, 0.9953222650189527],
  [2.5, 0.999593047982555],
  [3, 0.9999779095030014],
  [4, 0.9999999845827421],
  [5, 0.9999999999984626],
  [5.9, 0.9999999999999999],
]

describe('errorFunction', () => {
  it.each(published)('of %d is %d within 2e-15 of it', (x, expected) => {
    expect(Math.abs(errorFunction(x) / expected - 1)).toBeLessThan(2e-15)
    expect(errorFunction(-x)).toBe(-errorFunction(x))
  })

  it('keeps signs of zero, infinities and NaN', () => {
    expect(errorFunction(-0)).toBe(-0)
    expect(errorFunction(Infinity)).toBe(1)
    expect(errorFunction(-7)).toBe(-1)
    expect(errorFunction(NaN)).toBeNaN()
  })
})
