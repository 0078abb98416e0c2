import type { DType, NumericArray } from '../dtype.js'
import { isFloat } from '../dtype.js'

/** Largest normalised mean squared error allowed between a device and the reference. */
export const errorLimit: Readonly<Record<DType, number>> = {
  f64: 1e-24,
  f32: 1e-10,
  f16: 1e-6,
  bf16: 1e-4,
  i32: 0,
  u32: 0,
  i8: 0,
  u8: 0,
  bool: 0,
}

// Values that cancel to nearly nothing are compared with numbers of ordinary size instead of with themselves.
const floor = 1e-3

/**
 * Mean squared error over mean square of the expected values. Infinities and NaN must stand at the same places;
 * integers must be equal.
 */
export function normalisedError(actual: NumericArray, expected: NumericArray): number {
  if (actual.length !== expected.length) return Infinity
  let error = 0
  let power = 0
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!
    const e = expected[i]!
    if (Number.isFinite(e) && Number.isFinite(a)) {
      error += (a - e) ** 2
      power += e ** 2
    } else if (!Object.is(a, e)) return Infinity
  }
  return error === 0 ? 0 : error / Math.max(power, expected.length * floor)
}

/** Says what is wrong between a device's values and the expected ones, or nothing. */
export function mismatch(dtype: DType, actual: NumericArray, expected: NumericArray, limit = errorLimit[dtype]): string | undefined {
  const error = normalisedError(actual, expected)
  if (error <= limit) return undefined
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    const gap = (k: number): number => (Object.is(actual[k], expected[k]) ? 0 : Math.abs(actual[k]! - expected[k]!) || Infinity)
    if (gap(i) > gap(worst)) worst = i
  }
  return `${isFloat(dtype) ? `error ${error.toExponential(2)} > ${limit}` : 'integers differ'}; worst at ${worst}: ${actual[worst]} instead of ${expected[worst]} (${actual.length} against ${expected.length} values)`
}
