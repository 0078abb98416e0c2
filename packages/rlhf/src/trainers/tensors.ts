/** Tensors in records, whatever their shape. */
import { forEachLeaf, type Tensor } from '@tesserae/tensor'
import { mapWeights, type DecoderWeights } from '@tesserae/transformer'

/** Every tensor of a record. */
export function leavesOf(record: unknown): Tensor[] {
  const leaves: Tensor[] = []
  forEachLeaf(record, (leaf) => void (leaf !== undefined && leaves.push(leaf as Tensor)))
  return leaves
}

export const disposeAll = (record: unknown): void => leavesOf(record).forEach((leaf) => leaf.dispose())

/** A copy of weights; the caller owns it. */
export async function copyWeights(weights: DecoderWeights): Promise<DecoderWeights> {
  const copies = new Map<string, Tensor>()
  const names: [string, Tensor][] = []
  mapWeights(weights, (weight: Tensor, name) => void names.push([name, weight]))
  for (const [name, weight] of names) copies.set(name, await weight.clone())
  return mapWeights(weights, (_: Tensor, name) => copies.get(name)!)
}
