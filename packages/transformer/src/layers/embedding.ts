import { arange, dequantize, embedding, symbolValue, Tensor, type Dim, type Index } from '@tesserae/tensor'
import { isPacked, quantizedWeight, type Matrix } from './packed.js'

/** A table with a row for each id: [ids, width]. */
export interface EmbeddingWeights<Leaf = Tensor, Weight = Leaf> {
  readonly weight: Weight
}

/** Rows of the table: integer ids [B, T] → [B, T, width]. Ids must be checked on the host; a device clamps them. Of a packed table only these rows are worked out. */
export function embed({ weight }: EmbeddingWeights<Tensor, Matrix>, ids: Tensor, width: number): Tensor {
  if (!isPacked(weight)) return embedding(weight, ids)
  const { packed, scales, mins, ...layout } = quantizedWeight(weight, width)
  const [batch, tokens] = ids.shape as readonly [Dim, Dim]
  const flat = ids.reshape(batch === 1 ? tokens : ids.size) // of one row the number of tokens may be a symbol
  const rows = (table: Tensor): Tensor => table.gather(flat, 0)
  const found = dequantize({ packed: rows(packed), scales: rows(scales), ...(mins === undefined ? {} : { mins: rows(mins) }), ...layout })
  return found.reshape(...ids.shape, width)
}

/** Where tokens begin: all rows at one position, or i32 [B] with one for each row. */
export type Start = Index | Tensor

/** x [B, T, width] with the learned vectors of positions `start` … `start` + T − 1 added. */
export function addPositions(weights: EmbeddingWeights, x: Tensor, start: Start): Tensor {
  const length = x.shape[1]!
  // A slice has a cheaper gradient than a gather, and training always starts at 0.
  if (start === 0) return x.add(weights.weight.slice(0, 0, length))
  return x.add(embedding(weights.weight, positionsFrom(start, x, 1)))
}

/** The positions of tokens along an axis of x, the first of which stands at `start`: i32 [T], or [B, T] where rows have starts of their own. */
export function positionsFrom(start: Start, x: Tensor, axis: number): Tensor {
  const steps = arange(x.shape[axis]!)
  if (start instanceof Tensor) return start.reshape(start.shape[0]!, 1).add(steps)
  return start === 0 ? steps : steps.add(symbolValue(start))
}
