/**
 * Which values of a program devices with kernels keep in memory. A value is kept where others would ask for it again: outputs, what goes through many elements, what has
 * several readers or is broadcast. Everything between is worked out inside the kernels that need it, and what follows a sum or a product element by element is worked out at its end.
 */
import { elementCount } from '../shape.js'
import type { Node, TensorType, Value } from '../graph/node.js'
import { shapeOf } from '../graph/node.js'
import { sameOrder } from '../kernel/lib/indexing.js'
import { productOps } from '../kernel/lib/products.js'
import { hasRows, rowOps } from '../kernel/lib/rows.js'
import { elementRules, loopingOps } from '../kernel/lib/rules.js'
import type { Attrs } from '../graph/node.js'
import { hasAttention } from './attention-dispatch.js'
import { writesPages } from './cache-dispatch.js'
import type { DispatchOptions } from './dispatches.js'
import { scannedLines } from './line-cuts.js'
import { isLong } from './long-reductions.js'
import type { Program } from './program.js'
import { rangesOf, rangesOfNodes, rangesOfValue, type Reach } from './reach.js'
import { baseOf, isView } from './views.js'

/** Operations worked out in one kernel, beyond which compilers take long. */
export const MOST_NODES = 48

const ownKernels = new Set([
  'sort',
  'indexOrder',
  'cacheWrite',
  'attendCached',
  'pagedWrite',
  'attendPaged',
  'attention',
  'attentionForward',
  'attentionGrad',
])

/** Whether an operation takes several dispatches, or a kernel that nothing joins. */
export const isOwn = (node: Node, reach: Reach): boolean =>
  ownKernels.has(node.op) || isWideConcat(node, reach) || isLong(node) || scannedLines(node) !== undefined

/** A concatenation of more tensors than a kernel reaches. */
const isWideConcat = (node: Node, reach: Reach): boolean =>
  node.op === 'concat' &&
  node.inputs.reduce((sum, value) => sum + rangesOfValue(value, reach), 0) > reach.maxBindings - 1 - rangesOf(node.outputs, reach)

/** Arrays that a kernel reaches on every device. */
const LEAST_BINDINGS = 8

/** Whether kernels can be made of an operation, as devices are by these options. */
export function hasKernel(
  op: string,
  inputs: readonly TensorType[],
  outputs: readonly TensorType[],
  attrs: Attrs,
  options: DispatchOptions = { maxBindings: LEAST_BINDINGS },
): boolean {
  const own = op === 'sort' || op === 'cacheWrite' || (op === 'pagedWrite' && writesPages(inputs)) || hasAttention(op, inputs, options)
  if (!own && !elementRules.has(op) && !hasRows(op, inputs, outputs, attrs)) return false
  return [...inputs, ...outputs].every(({ dtype, shape }) => dtype !== 'f64' && elementCount(shape) < 2 ** 32)
}

/** Operations of numbers made of nothing that are worked out again rather than kept. */
const MOST_CHEAP = 8

/** Values that take nothing to work out again: what is in memory, in whatever shape, and numbers made of nothing by a few operations. */
function isCheap(node: Node): boolean {
  if (node.op === 'input') return true
  if (isView(node)) return isCheap(node.inputs[0]!.node)
  return madeOfNothing(node) <= MOST_CHEAP
}

/** Operations that make a value of constants, positions and symbols; Infinity for one made of anything else. */
function madeOfNothing(node: Node): number {
  if (node.op === 'const' || node.op === 'iota' || node.op === 'symScalar') return 0
  if (node.op !== 'expand' && !elementwise.has(node.op)) return Infinity
  let total = 1
  for (const input of node.inputs) {
    total += madeOfNothing(input.node)
    if (total > MOST_CHEAP) return Infinity
  }
  return total
}

/** Operations that read elements of the inputs named again and again. */
const rereading: Readonly<Record<string, readonly number[]>> = {
  cumsum: [0],
  sort: [0],
  scatterAdd: [1, 2],
  scatterAddAlong: [1, 2],
  indexOrder: [0],
  scatterOrdered: [1, 2, 3],
  gather: [0, 1],
  gatherAlong: [0],
  randomBits: [0, 1],
  expand: [0],
  matmul: [0, 1],
  qmatmul: [0, 1, 2, 3],
  attention: [0, 1, 2, 3],
  attentionForward: [0, 1, 2, 3],
  attentionGrad: [0, 1, 2, 3, 4, 5, 6],
  attendCached: [0, 5],
  attendPaged: [0, 5, 6],
  cacheWrite: [2],
  pagedWrite: [2, 3],
  ...Object.fromEntries([...rowOps].map(([op, { rows }]) => [op, rows])),
}
/** Their inputs are parts of their outputs, or rows that they go through, where others repeat what has fewer elements. */
const unequal = new Set(['updateSlice', 'pad', 'concat', ...productOps, ...ownKernels, ...rowOps.keys()])

/** Element `i` of these is made of elements `i` of their inputs, where shapes have the same order. */
const elementwise = new Set(
  'neg exp log sin cos sqrt recip floor tanh erf cast bitcast add sub mul div max min mod and or xor shl shr lt eq where barrier sigmoid silu gelu siluGrad geluGrad'.split(
    ' ',
  ),
)

/** Whether an operation's elements are made of the elements with their numbers of one of its inputs. */
export const isAligned = (node: Node, input: Node): boolean =>
  (elementwise.has(node.op) || isView(node)) &&
  node.inputs.every(
    (value) => value.node !== input || (value.index === 0 && (isView(node) || sameOrder(shapeOf(value), node.outputs[0]!.shape))),
  )

const isHeavy = (node: Node, reach: Reach): boolean => (loopingOps.has(node.op) || rowOps.has(node.op)) && !isOwn(node, reach)

/** The nodes whose values are in memory. */
export function chooseKept(program: Program, reach: Reach): Set<Node> {
  const kept = new Set<Node>()
  const readers = new Map<Node, Set<Node>>()
  const usedBeside = new Set<Node>()
  const read = ({ node, index }: Value, reader?: Node): void => {
    if (index > 0) usedBeside.add(node)
    const own = readers.get(node) ?? new Set<Node>()
    readers.set(node, own)
    if (reader !== undefined) own.add(reader)
  }
  for (const node of program.nodes) for (const value of node.inputs) read(value, node)
  for (const { value } of program.outputs) read(value)
  const keep = (node: Node): void => {
    if (node.op !== 'input') kept.add(node)
  }
  // Who reads a view reads what it is a view of.
  const keepBase = (node: Node): void => {
    const base = baseOf(node)
    if (!isCheap(base)) keep(base)
  }
  for (const { value } of program.outputs) keep(value.node)
  const overwritten = new Set(program.outputs.flatMap(({ alias }) => (alias === undefined ? [] : [program.inputs[alias]!.value.node])))
  for (const node of program.nodes) {
    if (isOwn(node, reach) || usedBeside.has(node)) keep(node)
    // What an input held has to be read before it is written over.
    if (node.inputs.some((value) => overwritten.has(value.node))) keep(node)
    if (!isCheap(node) && (readers.get(node)?.size ?? 0) > 1) keepBase(node)
    node.inputs.forEach((value, which) => {
      const again =
        rereading[node.op]?.includes(which) === true ||
        isWideConcat(node, reach) ||
        (!unequal.has(node.op) && elementCount(shapeOf(value)) < elementCount(node.outputs[0]!.shape))
      if (again && !isCheap(value.node)) keepBase(value.node)
    })
  }
  // What goes through many elements ends where the last of what follows it element by element does.
  const ends = new Map<Node, Node[]>()
  for (const node of program.nodes) {
    if (!isHeavy(node, reach)) continue
    let end = node
    for (;;) {
      const [reader, ...others] = readers.get(end) ?? []
      if (kept.has(end) || reader === undefined || others.length > 0 || !isAligned(reader, end)) break
      end = reader
    }
    if (!kept.has(end)) end = baseOf(end)
    // A kernel goes through rows of one kind.
    const together = ends.get(end) ?? []
    if (together.length > 0 && [node, ...together].some(({ op }) => rowOps.has(op))) end = node
    ends.set(end, [...(ends.get(end) ?? []), node])
    keep(end)
  }
  keepWithinLimits(program, kept, keep, reach)
  return kept
}

/** Kernels that would reach too many arrays or grow too long are cut at their inputs. What reaches too many all the same is refused once it is a kernel. */
function keepWithinLimits(program: Program, kept: ReadonlySet<Node>, keep: (node: Node) => void, reach: Reach): void {
  const found = new Map<Node, { readonly arrays: ReadonlySet<Node>; readonly size: number }>()
  const foundOf = (node: Node): { readonly arrays: ReadonlySet<Node>; readonly size: number } =>
    node.op === 'input' || kept.has(node) ? { arrays: new Set([node]), size: 0 } : found.get(node)!
  for (const node of program.nodes) {
    if (isWideConcat(node, reach)) continue
    // The dispatch that writes the caches reads neither queries nor what the caches held, and writes nothing but them.
    const isCached = node.op === 'attendCached' || node.op === 'attendPaged'
    const held = node.inputs.slice(5, node.op === 'attendCached' ? 6 : 7)
    const together = isCached ? [node.inputs[1]!, node.inputs[2]!, ...held] : node.inputs
    // Of attention's backward pass one dispatch writes the gradient of the queries, another those of keys and values.
    const written =
      node.op === 'attentionGrad'
        ? Math.max(rangesOf(node.outputs.slice(0, 1), reach), rangesOf(node.outputs.slice(1), reach)) - 1
        : rangesOf(isCached ? node.outputs.slice(1) : node.outputs, reach)
    const most = reach.maxBindings - 1 - written
    const join = () => {
      const arrays = new Set<Node>()
      let size = 1
      for (const { node: input } of together) {
        const own = foundOf(input)
        own.arrays.forEach((array) => arrays.add(array))
        size += own.size
      }
      return { arrays, size, bindings: rangesOfNodes(arrays, reach) }
    }
    let joined = join()
    // What is made of little may be larger than all that it is made of.
    const apart = rangesOfNodes(new Set(together.map(({ node: input }) => input)), reach)
    if ((joined.bindings > most && joined.bindings > apart) || joined.size > MOST_NODES) {
      for (const { node: input } of together) if (input.inputs.length > 0) keep(input)
      joined = join()
    }
    found.set(node, joined)
  }
}

/** What a kept node is worked out of: the values in memory that its kernel reads, and whether each of their elements is read for the element of its own number alone. */
export function readsOf(node: Node, kept: ReadonlySet<Node>): ReadonlyMap<Node, boolean> {
  const found = new Map<Node, boolean>()
  const visited = new Map<Node, boolean>()
  const visit = (at: Node, aligned: boolean): void => {
    const before = visited.get(at)
    if (before === false || before === aligned) return
    visited.set(at, aligned)
    for (const { node: input } of at.inputs) {
      const same = aligned && isAligned(at, input)
      if (input.op === 'input' || kept.has(input)) found.set(input, same && found.get(input) !== false)
      else visit(input, same)
    }
  }
  visit(node, true)
  return found
}

/** The nodes that are worked out inside the kernel of a kept one, itself included. */
export function insideOf(node: Node, kept: ReadonlySet<Node>): Node[] {
  const found = new Set<Node>([node])
  for (const at of found) for (const { node: input } of at.inputs) if (input.op !== 'input' && !kept.has(input)) found.add(input)
  return [...found]
}
