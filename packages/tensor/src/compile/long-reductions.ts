import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCount } from '../shape.js'
import type { Node } from '../graph/node.js'

/** Results of a reduction that leave a device idle where each is worked out by one thread. */
const FEW_RESULTS = 256
/** Elements for each result from which sums are made in parts. */
const MANY_ELEMENTS = 2048
/** Parts of each result where each is found by a thread. */
const PARTS = 128
/** Elements of a part that a workgroup finds, at least, and parts in all, at most: more would be no faster. */
const LEAST_PART = 8192
const MOST_PARTS = 2048

/** Whether a reduction is a sum or a maximum of many elements that gives few results. */
export const isLong = (node: Node): boolean => elementsOfLong(node) > 0

/** Elements for each result of a long reduction, 0 of others. */
function elementsOfLong(node: Node): number {
  if (node.op !== 'reduceSum' && node.op !== 'reduceMax') return 0
  const input = node.inputs[0]!
  const results = elementCount(node.outputs[0]!.shape)
  if (results === 0 || results > FEW_RESULTS) return 0
  const elements = elementCount(input.node.outputs[input.index]!.shape) / results
  return elements < MANY_ELEMENTS ? 0 : elements
}

/** Parts in which each result of a long reduction is found, 1 for others. */
export function partsOf(node: Node, { rowThreads }: Tuning): number {
  const elements = elementsOfLong(node)
  if (elements === 0) return 1
  if (rowThreads === 1) return PARTS
  const results = elementCount(node.outputs[0]!.shape)
  return Math.max(1, Math.min(Math.ceil(elements / LEAST_PART), Math.floor(MOST_PARTS / results)))
}

/** Words of the partial results of a long reduction; 0 for other operations. */
export const partialWords = (node: Node, tuning: Tuning): number =>
  isLong(node) ? elementCount(node.outputs[0]!.shape) * partsOf(node, tuning) : 0
