import type { Candidates } from '../candidates.js'
import { checkRange } from '../check.js'
import type { SamplerStep } from '../step.js'

/**
 * Divides logits by `value`: below 1 likely tokens become likelier, above 1 the distribution flattens; 1 changes nothing, and 0 keeps
 * the most likely token alone, as {@link greedy} does.
 *
 * @param value from 0 to 1e6, else `VALUE` is thrown
 */
export function temperature(value: number): SamplerStep {
  checkRange('temperature', value, 0, 1e6)
  return {
    name: 'temperature',
    needsAll: false,
    ...(value === 0 ? { keeps: 1 } : {}),
    apply: (candidates) => divideLogits(candidates, value),
  }
}

export function divideLogits(candidates: Candidates, value: number): void {
  if (value === 0) return candidates.keepFirstMax()
  if (value === 1) return
  candidates.findMax()
  const { logits, size, max } = candidates
  if (max === -Infinity) return
  // Relative to the highest, so that a low temperature cannot overflow.
  for (let i = 0; i < size; i++) logits[i] = (logits[i]! - max) / value
  // What is higher stays at least as high, so this holds for tokens that were left out too.
  candidates.rest = Math.fround((candidates.rest - max) / value)
}
