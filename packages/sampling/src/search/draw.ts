import type { RandomStream } from '@tesserae/core'

/** An index by weights that need not sum to one. */
export function drawFrom(weights: Float64Array, stream: RandomStream): number {
  let total = 0
  for (let i = 0; i < weights.length; i++) total += weights[i]!
  const target = stream.uniform() * total
  let [sum, last] = [0, 0]
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue
    sum += weights[i]!
    last = i
    if (sum > target) break
  }
  return last
}
