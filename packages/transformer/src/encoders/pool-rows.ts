import type { Pooling } from './pooling.js'

/**
 * What `pool` computes in a graph, from values: hidden [texts, length, width], of which text b has `lengths[b]` tokens, to a vector for each text, poolings side by side.
 */
export function poolRows(
  hidden: Float32Array,
  { length, width, lengths }: { readonly length: number; readonly width: number; readonly lengths: readonly number[] },
  poolings: readonly Pooling[],
): Float32Array[] {
  return lengths.map((tokens, row) => {
    const at = row * length * width
    const out = new Float32Array(poolings.length * width)
    poolings.forEach((pooling, k) => out.set(poolOne(hidden.subarray(at, at + tokens * width), width, pooling), k * width))
    return out
  })
}

function poolOne(hidden: Float32Array, width: number, pooling: Pooling): Float32Array {
  const tokens = hidden.length / width
  if (pooling === 'cls') return hidden.subarray(0, width)
  if (pooling === 'lasttoken') return hidden.subarray((tokens - 1) * width)
  const sum = new Float64Array(width).fill(pooling === 'max' ? -Infinity : 0)
  for (let t = 0; t < tokens; t++)
    for (let d = 0; d < width; d++) {
      const value = hidden[t * width + d]!
      if (pooling === 'max') sum[d] = Math.max(sum[d]!, value)
      else sum[d]! += pooling === 'weightedmean' ? value * (t + 1) : value
    }
  switch (pooling) {
    case 'max':
      return Float32Array.from(sum)
    case 'mean':
      return Float32Array.from(sum, (value) => value / tokens)
    case 'mean_sqrt_len_tokens':
      return Float32Array.from(sum, (value) => value / Math.sqrt(tokens))
    case 'weightedmean':
      return Float32Array.from(sum, (value) => value / ((tokens * (tokens + 1)) / 2))
    default:
      return pooling satisfies never
  }
}
