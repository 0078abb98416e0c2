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

/** Throws `VALUE` unless `ids` is a list of token ids, with one at least unless it `mayBeEmpty`. */
export function checkIds(name: string, ids: readonly number[], mayBeEmpty = false): void {
  if (Array.isArray(ids) && (mayBeEmpty || ids.length > 0) && ids.every((id) => Number.isInteger(id) && id >= 0)) return
  throw new SamplingError(
    'VALUE',
    `${name} must be a list of token ids, integers from 0 on, got ${Array.isArray(ids) ? `[${ids.map(String).join(', ')}]` : String(ids)}`,
  )
}

/** Throws `VALUE` unless `bias` is a number that can be added to a logit. */
export function checkBias(name: string, bias: number): void {
  if (typeof bias === 'number' && !Number.isNaN(bias) && bias !== Infinity) return
  throw new SamplingError('VALUE', `${name} must be a number below +∞, got ${String(bias)}`)
}
