import { compareCodePoints } from '../order.js'
import type { Chunk, StoreHit } from '../store/types.js'

/** Where one kind of search put a chunk. */
export interface RankedBy {
  /** From 1. */
  readonly rank: number
  readonly score: number
}

/** A chunk with the places that searches gave it. */
export interface Fused {
  readonly chunk: Chunk
  readonly score: number
  readonly lexical?: RankedBy
  readonly vector?: RankedBy
}

/**
 * Reciprocal rank fusion: a chunk's score is Σ weight / (constant + rank) over the lists that it is in. Ranks alone count, so scores of different
 * kinds need not be comparable.
 *
 * Source: G. Cormack, C. Clarke, S. Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods" (2009).
 */
export function fuseRanks(
  lists: { readonly lexical: readonly StoreHit[]; readonly vector: readonly StoreHit[] },
  { constant, weights }: { readonly constant: number; readonly weights: { readonly lexical: number; readonly vector: number } },
): Fused[] {
  const fused = new Map<string, Fused>()
  for (const kind of ['lexical', 'vector'] as const) {
    if (weights[kind] === 0) continue
    for (const [i, { chunk, score }] of lists[kind].entries()) {
      const before = fused.get(chunk.id)
      const sum = (before?.score ?? 0) + weights[kind] / (constant + i + 1)
      fused.set(chunk.id, { ...before, chunk, score: sum, [kind]: { rank: i + 1, score } })
    }
  }
  return [...fused.values()].sort((a, b) => b.score - a.score || compareCodePoints(a.chunk.id, b.chunk.id))
}
