/** Values that are others in another shape. */
import type { Node, Value } from '../graph/node.js'

/** The same elements in the same order. */
export const isView = (node: Node): boolean => node.op === 'reshape' || (node.op === 'permute' && keepsOrder(node))

/** A permutation that moves axes of one element only. */
function keepsOrder(node: Node): boolean {
  const { shape } = node.inputs[0]!.node.outputs[node.inputs[0]!.index]!
  const moved = (node.attrs['perm'] as readonly number[]).filter((axis) => shape[axis] !== 1)
  return moved.every((axis, i) => i === 0 || moved[i - 1]! < axis)
}

/** The value whose elements a value has, in their order. */
export function baseValue(value: Value): Value {
  let base = value
  while (isView(base.node)) base = base.node.inputs[0]!
  return base
}

/** What a view is a view of. */
export const baseOf = (node: Node): Node => baseValue({ node, index: 0 }).node
