/** How an attention is cut for the processor that runs it. */
import type { Node } from '../graph/node.js'
import { shapeOf } from '../graph/node.js'
import { mostRows } from '../kernel/lib/attention-rows.js'
import { blockQueries, blockThreads, type AttentionBlock } from '../kernel/lib/attention-tile.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { dimMax, elementCount, type Dim } from '../shape.js'

export type AttentionCut =
  /** A thread for each query. */
  | { readonly kind: 'alone' }
  /** So many rows for a workgroup, of one head or of the heads that share its keys. */
  | { readonly kind: 'rows'; readonly rows: number; readonly threads: number; readonly ranges: number }
  /** A block of queries of one head for a workgroup. */
  | { readonly kind: 'block'; readonly block: AttentionBlock; readonly rows: number; readonly threads: number; readonly ranges: number }

export function attentionCut(node: Node, tuning: Tuning): AttentionCut {
  const [batch, heads, tokens, width] = shapeOf(node.inputs[0]!) as readonly [Dim, number, Dim, number]
  const threads = tuning.attentionThreads(width, tuning.sharedBytes)
  if (threads === 1) return { kind: 'alone' }
  const [, keyHeads, keysKept] = shapeOf(node.inputs[isCached(node) ? 3 : 1]!) as readonly [Dim, number, Dim]
  // Of a pool of blocks a sequence has as many as its table.
  const keys = node.op === 'attendPaged' ? dimMax(keysKept) * dimMax(shapeOf(node.inputs[5]!)[1]!) : dimMax(keysKept)
  // What is trained on comes in batches, and its sums are written where they are found.
  const rangesOf = (groups: number): number => (node.op === 'attentionForward' ? 1 : tuning.keyRanges(groups, keys))
  const block = tuning.attentionBlock({ heads: elementCount([batch, heads]), queries: dimMax(tokens), width }, tuning.sharedBytes)
  if (block !== undefined) {
    const rows = blockQueries(block)
    const ranges = rangesOf(elementCount([batch, heads]) * Math.ceil(dimMax(tokens) / rows))
    return { kind: 'block', block, rows, threads: blockThreads(block), ranges }
  }
  // As many for each workgroup as they can be alike.
  const all = dimMax(tokens) * (heads / keyHeads)
  const rows = Math.ceil(all / Math.ceil(all / mostRows(Math.ceil(width / 4))))
  return { kind: 'rows', rows, threads, ranges: rangesOf(elementCount([batch, keyHeads]) * Math.ceil(all / rows)) }
}

/** Ranges that the keys of a node are split into, each for workgroups of its own: more than one where queries are too few to keep a device busy, and keys are many. */
export function keyRanges(node: Node, tuning: Tuning): number {
  if (node.op !== 'attention' && !isCached(node)) return 1
  const cut = attentionCut(node, tuning)
  return cut.kind === 'alone' ? 1 : cut.ranges
}

const isCached = ({ op }: Node): boolean => op === 'attendCached' || op === 'attendPaged'
