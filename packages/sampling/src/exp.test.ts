import { random } from '@tesserae/core'
import { expect, it } from 'vitest'
import { expOfNegative } from './exp.js'

it('is e^x to the last bits, down to where there is nothing', () => {
  const stream = random(1)
  for (let i = 0; i < 200_000; i++) {
    const x = -stream.uniform() * (i % 3 === 0 ? 700 : i % 3 === 1 ? 20 : 0.1)
    const expected = Math.exp(x)
    if (!(Math.abs(expOfNegative(x) - expected) <= 6e-16 * expected)) expect(expOfNegative(x), String(x)).toBe(expected)
  }
  expect(expOfNegative(0)).toBe(1)
  expect(expOfNegative(-0)).toBe(1)
  for (const x of [-1e-300, -1e-17]) expect(expOfNegative(x)).toBe(1)
  for (const x of [-708.5, -720, -744, -745.1]) expect(Math.abs(expOfNegative(x) - Math.exp(x))).toBeLessThanOrEqual(1e-323)
  for (const x of [-745.2, -800, -1e300, -Infinity]) expect(expOfNegative(x)).toBe(0)
  for (let i = 1; i < 5000; i++) expect(expOfNegative(-i / 100)).toBeLessThan(expOfNegative(-(i - 1) / 100))
})
