import { arange, where, type Dim, type Tensor } from '@tesserae/tensor'

/** How the vectors of a text's tokens become one, by the names of sentence-transformers. */
export const poolings = ['cls', 'max', 'mean', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken'] as const

/**
 * The first token's, the largest or mean value of each entry, the sum over the root of their number, the mean weighted by position (1 for the first), or the last
 * token's.
 */
export type Pooling = (typeof poolings)[number]

/** hidden [B, T, width], of which row b has `lengths[b]` tokens → [B, width]. */
export function pool(hidden: Tensor, lengths: Tensor, pooling: Pooling): Tensor {
  const [rows, tokens, width] = hidden.shape as readonly [Dim, Dim, number]
  if (pooling === 'cls') return hidden.slice(1, 0, 1).reshape(rows, width)
  const at = arange(tokens)
  if (pooling === 'lasttoken') {
    const last = at.reshape(1, tokens).eq(lengths.sub(1).reshape(rows, 1)).reshape(rows, tokens, 1)
    return where(last, hidden, 0).sum(1)
  }
  const present = at.reshape(1, tokens).lt(lengths.reshape(rows, 1)).reshape(rows, tokens, 1) // [B, T, 1]
  if (pooling === 'max') return where(present, hidden, -Infinity).max(1)
  const kept = present.cast(hidden.dtype)
  const weight = pooling === 'weightedmean' ? kept.mul(at.add(1).cast(hidden.dtype).reshape(1, tokens, 1)) : kept
  const sum = hidden.mul(weight).sum(1)
  const total = weight.sum(1) // [B, 1]
  return sum.div(pooling === 'mean_sqrt_len_tokens' ? total.sqrt() : total)
}
