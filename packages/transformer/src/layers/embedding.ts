import { arange, embedding, symbolValue, type Index, type Tensor } from '@tesserae/tensor'

/** A table with a row for each id: [ids, width]. */
export interface EmbeddingWeights<Leaf = Tensor> {
  readonly weight: Leaf
}

/** Rows of the table: integer ids [B, T] → [B, T, width]. Ids must be checked on the host; a device clamps them. */
export const embed = (weights: EmbeddingWeights, ids: Tensor): Tensor => embedding(weights.weight, ids)

/** x [B, T, width] with the learned vectors of positions `start` … `start` + T − 1 added. */
export function addPositions(weights: EmbeddingWeights, x: Tensor, start: Index): Tensor {
  const length = x.shape[1]!
  // A slice has a cheaper gradient than a gather, and training always starts at 0.
  if (start === 0) return x.add(weights.weight.slice(0, 0, length))
  return x.add(embedding(weights.weight, positionsFrom(start, x, 1)))
}

/** i32 [T]: the positions of tokens along an axis of x, the first of which stands at `start`. */
export function positionsFrom(start: Index, x: Tensor, axis: number): Tensor {
  const steps = arange(x.shape[axis]!)
  return start === 0 ? steps : steps.add(symbolValue(start))
}
