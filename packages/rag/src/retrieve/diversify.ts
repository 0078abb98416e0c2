/**
 * Maximal marginal relevance: chooses `count` of the candidates one by one, each the one with the largest
 * λ · relevance − (1 − λ) · similarity to the most similar one already chosen. Returns their indexes in that order.
 *
 * Source: J. Carbonell, J. Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries" (1998).
 *
 * @param relevance of each candidate, best first; compared with similarities, so from 0 to 1
 * @param vectors unit vectors; a candidate without one is unlike every other
 */
export function diversify(
  relevance: readonly number[],
  vectors: readonly (Float32Array | undefined)[],
  { count, lambda }: { readonly count: number; readonly lambda: number },
): number[] {
  const chosen: number[] = []
  const left = new Set(relevance.keys())
  const nearest = new Float64Array(relevance.length)
  while (chosen.length < count && left.size > 0) {
    let best = -1
    let bestValue = Number.NEGATIVE_INFINITY
    for (const i of left) {
      const value = lambda * relevance[i]! - (1 - lambda) * nearest[i]!
      if (value > bestValue) {
        best = i
        bestValue = value
      }
    }
    chosen.push(best)
    left.delete(best)
    for (const i of left) nearest[i] = Math.max(chosen.length === 1 ? -1 : nearest[i]!, similarity(vectors[i], vectors[best]))
  }
  return chosen
}

function similarity(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined) return 0
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
