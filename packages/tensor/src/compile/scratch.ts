/** Memory that the dispatches of one operation hand to each other. */
import type { Node } from '../graph/node.js'

import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCount, dimMax, type Shape } from '../shape.js'
import { keyRanges } from './attention-cut.js'
import { lineWords } from './line-cuts.js'
import { partialWords } from './long-reductions.js'
import type { Reach } from './reach.js'

const shapeAt = (node: Node, input: number): Shape => {
  const value = node.inputs[input]!
  return value.node.outputs[value.index]!.shape
}

/** Words between the dispatches of a node; 0 for most. */
export function scratchWords(node: Node, tuning: Tuning, reach: Reach): number {
  const ranges = keyRanges(node, tuning)
  if (ranges === 1) return partialWords(node, tuning) + lineWords(node, tuning, reach)
  const [batch, heads, tokens, width] = shapeAt(node, 0)
  // For each query and range the sums of the values, the peak and the total.
  return elementCount([batch!, heads!, tokens!]) * ranges * (dimMax(width!) + 2)
}
