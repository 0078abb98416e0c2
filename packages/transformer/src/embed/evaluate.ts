import { TransformerError } from '../errors.js'

export interface PairEvaluation {
  /** Share of queries whose partner is among the first k, by k. */
  readonly recall: Readonly<Record<number, number>>
  /** Mean of 1 / rank of the partner. */
  readonly mrr: number
  readonly queries: number
}

/**
 * How well vectors find partners: for each query the documents are ranked by their product with it, and document i is the right one for query i.
 * Documents that score the same as the right one count half as before it, so that vectors without information score as guessing does. Vectors
 * of length 1 make the product a cosine. Errors: DATA for different numbers of both, or of entries.
 */
export function evaluatePairs(
  queries: readonly ArrayLike<number>[],
  documents: readonly ArrayLike<number>[],
  options: { readonly k?: readonly number[] } = {},
): PairEvaluation {
  const { k = [1, 5, 10] } = options
  const width = queries[0]?.length ?? 0
  if (queries.length === 0 || queries.length !== documents.length || [...queries, ...documents].some((vector) => vector.length !== width))
    throw new TransformerError(
      'DATA',
      `evaluatePairs: expected as many documents as queries, all of one length, got ${queries.length} and ${documents.length}`,
    )
  const ranks = queries.map((query, own) => {
    const target = dot(query, documents[own]!)
    let better = 0
    let equal = 0
    documents.forEach((document, i) => {
      if (i === own) return
      const score = dot(query, document)
      if (score > target) better++
      else if (score === target) equal++
    })
    return 1 + better + equal / 2
  })
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
  return {
    recall: Object.fromEntries(k.map((limit) => [limit, mean(ranks.map((rank) => (rank <= limit ? 1 : 0)))])),
    mrr: mean(ranks.map((rank) => 1 / rank)),
    queries: queries.length,
  }
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
