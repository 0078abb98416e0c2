import { SamplingError } from './errors.js'

/** Throws `VALUE` unless `value` is a number from `low` to `high`. */
export function checkRange(name: string, value: number, low: number, high: number): void {
  if (typeof value === 'number' && value >= low && value <= high) return
  throw new SamplingError('VALUE', `${name} must be a number from ${low} to ${high}, got ${String(value)}`)
}

/** Throws `VALUE` unless `value` is an integer from `low` to `high`. */
export function checkInteger(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return
  throw new SamplingError('VALUE', `${name} must be an integer from ${low} to ${high}, got ${String(value)}`)
}
