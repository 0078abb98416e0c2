/**
 * Which values of a program devices with kernels keep in memory. A value is kept where others would ask for it again: outputs, what goes through many elements, what has
 * several readers or is broadcast. Everything between is worked out inside the kernels that need it, and what follows a sum or a product element by element is worked out at its end.
 */
import { TensorError } from '../errors.js'
import type { Node, TensorType, Value } from '../graph/node.js'
import { shapeOf } from '../graph/node.js'
import { mostElements, sameOrder } from '../kernel/lib/indexing.js'
import { hasRows, rowOps } from '../kernel/lib/rows.js'
import { elementRules, loopingOps } from '../kernel/lib/rules.js'
import type { Attrs } from '../graph/node.js'
import type { Program } from './program.js'

/** Operations worked out in one kernel, beyond which compilers take long. */
export const MOST_NODES = 48

/** Whether kernels of elements or rows can be made of an operation. */
export function hasKernel(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
  if (op !== 'sort' && !elementRules.has(op) && !hasRows(op, inputs, outputs, attrs)) return false
  return [...inputs, ...outputs].every(({ dtype, shape }) => dtype !== 'f64' && mostElements(shape) < 2 ** 32)
}

/** Values that take nothing to work out again. */
const cheapOps = new Set(['input', 'const', 'symScalar', 'iota', 'reshape'])
/** Operations that read elements of the inputs named again and again. */
const rereading: Readonly<Record<string, readonly number[]>> = {
  cumsum: [0],
  sort: [0],
  scatterAdd: [1, 2],
  scatterAddAlong: [1, 2],
  gather: [0, 1],
  gatherAlong: [0],
  randomBits: [0, 1],
  expand: [0],
  matmul: [0, 1],
  ...Object.fromEntries([...rowOps].map(([op, { rows }]) => [op, rows])),
}
/** Their inputs are parts of their outputs, or rows that they go through, where others repeat what has fewer elements. */
const unequal = new Set(['updateSlice', 'pad', 'concat', 'matmul', ...rowOps.keys()])

/** Element `i` of these is made of elements `i` of their inputs, where shapes have the same order. */
const elementwise = new Set(
  'neg exp log sin cos sqrt recip floor tanh erf cast bitcast add sub mul div max min mod and or xor shl shr lt eq where barrier reshape'.split(
    ' ',
  ),
)

/** Whether an operation's elements are made of the elements with their numbers of one of its inputs. */
export const isAligned = (node: Node, input: Node): boolean =>
  elementwise.has(node.op) &&
  node.inputs.every((value) => value.node !== input || (value.index === 0 && sameOrder(shapeOf(value), node.outputs[0]!.shape)))

const isHeavy = ({ op }: Node): boolean => loopingOps.has(op) || rowOps.has(op)

/** The nodes whose values are in memory. */
export function chooseKept(program: Program, maxBindings: number): Set<Node> {
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
  for (const { value } of program.outputs) keep(value.node)
  const overwritten = new Set(program.outputs.flatMap(({ alias }) => (alias === undefined ? [] : [program.inputs[alias]!.value.node])))
  for (const node of program.nodes) {
    if (node.op === 'sort' || usedBeside.has(node)) keep(node)
    // What an input held has to be read before it is written over.
    if (node.inputs.some((value) => overwritten.has(value.node))) keep(node)
    if (!cheapOps.has(node.op) && (readers.get(node)?.size ?? 0) > 1) keep(node)
    node.inputs.forEach((value, which) => {
      const again =
        rereading[node.op]?.includes(which) === true ||
        (!unequal.has(node.op) && mostElements(shapeOf(value)) < mostElements(node.outputs[0]!.shape))
      if (again && !cheapOps.has(value.node.op)) keep(value.node)
    })
  }
  // What goes through many elements ends where the last of what follows it element by element does.
  const ends = new Map<Node, Node[]>()
  for (const node of program.nodes) {
    if (!isHeavy(node)) continue
    let end = node
    for (;;) {
      const [reader, ...others] = readers.get(end) ?? []
      if (kept.has(end) || reader === undefined || others.length > 0 || !isAligned(reader, end)) break
      end = reader
    }
    // A kernel goes through rows of one kind.
    const together = ends.get(end) ?? []
    if (together.length > 0 && [node, ...together].some(({ op }) => rowOps.has(op))) end = node
    ends.set(end, [...(ends.get(end) ?? []), node])
    keep(end)
  }
  keepWithinLimits(program, kept, keep, maxBindings)
  return kept
}

/** Kernels that would reach too many arrays or grow too long are cut at their inputs. */
function keepWithinLimits(program: Program, kept: ReadonlySet<Node>, keep: (node: Node) => void, maxBindings: number): void {
  const reach = new Map<Node, { readonly arrays: ReadonlySet<Node>; readonly size: number }>()
  const reachOf = (node: Node): { readonly arrays: ReadonlySet<Node>; readonly size: number } =>
    node.op === 'input' || kept.has(node) ? { arrays: new Set([node]), size: 0 } : reach.get(node)!
  for (const node of program.nodes) {
    const join = () => {
      const arrays = new Set<Node>()
      let size = 1
      for (const { node: input } of node.inputs) {
        const own = reachOf(input)
        own.arrays.forEach((array) => arrays.add(array))
        size += own.size
      }
      return { arrays, size }
    }
    let joined = join()
    if (joined.arrays.size > maxBindings - 1 - node.outputs.length || joined.size > MOST_NODES) {
      for (const { node: input } of node.inputs) if (input.inputs.length > 0) keep(input)
      joined = join()
      if (joined.arrays.size > maxBindings - 1 - node.outputs.length)
        throw new TensorError(
          'UNSUPPORTED',
          `${node.op} reads ${joined.arrays.size} tensors; the device reaches ${maxBindings - 1 - node.outputs.length} at a time. Put them together in parts`,
        )
    }
    reach.set(node, joined)
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
