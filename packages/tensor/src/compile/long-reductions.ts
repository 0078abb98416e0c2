import { elementCount } from '../shape.js'
import type { Node } from '../graph/node.js'

/** Results of a reduction that leave a device idle where each is worked out by one thread. */
const FEW_RESULTS = 256
/** Elements for each result from which sums are made in parts. */
const MANY_ELEMENTS = 2048
const PARTS = 128

/** Parts in which each result of a long reduction is found, 1 for others. */
export const partsOf = (node: Node): number => (partialWords(node) === 0 ? 1 : PARTS)

/** Words of the partial results of a sum or maximum of many elements that gives few; 0 for other operations. */
export function partialWords(node: Node): number {
  if (node.op !== 'reduceSum' && node.op !== 'reduceMax') return 0
  const input = node.inputs[0]!
  const results = elementCount(node.outputs[0]!.shape)
  if (results === 0 || results > FEW_RESULTS) return 0
  return elementCount(input.node.outputs[input.index]!.shape) / results < MANY_ELEMENTS ? 0 : results * PARTS
}
