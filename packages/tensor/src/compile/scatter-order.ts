/** Additions at many indices go by the order of the indices; this puts the finding of that order into the program. */
import { makeNode } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { shapeOf, typeOf } from '../graph/node.js'
import { ValueMap } from '../graph/walk.js'
import { dimMax, elementCount, indexKey } from '../shape.js'
import type { Program } from './program.js'

/** Updates that every element looks through, rather than have them in order. */
const FEW_UPDATES = 16
/** Indices that there could be for each update of a line, up to which each has a range. */
const MOST_RANGES = 4

/**
 * The program with every `scatterAdd` and `scatterAddAlong` of many updates as two operations of devices with kernels: `indexOrder`, which gives the numbers of the
 * updates in the order of their clamped indices and, for each index that there could be, where its updates begin and end among them (or the sorted indices, to be searched), and `scatterOrdered`. What adds at the same indices shares the first.
 */
export function orderScatters(program: Program): Program {
  if (!program.nodes.some(hasMany)) return program
  const made = new Map<Node, Node>()
  const orders = new ValueMap<Map<string, Node>>()
  const nodes: Node[] = []
  const own = ({ node, index }: Value): Value => ({ node: made.get(node) ?? node, index })
  const add = (node: Node): Node => {
    nodes.push(node)
    return node
  }
  const orderOf = (node: Node, indices: Value): Node => {
    const axis = node.attrs['axis'] as number
    const size = node.outputs[0]!.shape[axis]!
    const along = node.op === 'scatterAddAlong' ? { axis } : {}
    const known = orders.get(indices) ?? new Map<string, Node>()
    orders.set(indices, known)
    const key = `${along.axis} ${indexKey(size)}`
    const before = known.get(key)
    if (before !== undefined) return before
    const lines = node.op === 'scatterAddAlong' ? shapeOf(indices).filter((_, i) => i !== axis) : []
    const which = { shape: shapeOf(indices), dtype: 'u32' } as const
    // A range for each index that there could be takes memory; few updates on a long line are searched instead.
    const ranged = node.op === 'scatterAdd' || dimMax(size) <= MOST_RANGES * dimMax(shapeOf(indices)[axis]!)
    const found = ranged ? ({ shape: [...lines, size, 2], dtype: 'u32' } as const) : which
    const order = add(makeNode('indexOrder', [indices], { ...along, size, ranged }, [found, which]))
    known.set(key, order)
    return order
  }
  for (const node of program.nodes) {
    const inputs = node.inputs.map(own)
    if (hasMany(node)) {
      const [x, indices, updates] = [inputs[0]!, inputs[1]!, inputs[2]!]
      const order = orderOf(node, indices)
      const attrs = { axis: node.attrs['axis'], along: node.op === 'scatterAddAlong', ranged: order.attrs['ranged'] }
      const [found, which] = [0, 1].map((index): Value => ({ node: order, index })) as [Value, Value]
      made.set(node, add(makeNode('scatterOrdered', [x, found, which, updates], attrs, node.outputs)))
    } else if (inputs.every((value, i) => value.node === node.inputs[i]!.node)) add(node)
    else made.set(node, add(makeNode(node.op, inputs, node.attrs, node.outputs, node.source)))
  }
  return { ...program, nodes, outputs: program.outputs.map((output) => ({ ...output, value: own(output.value) })) }
}

/** Whether an addition at indices has many updates that might be an element's own. */
function hasMany(node: Node): boolean {
  if (node.op !== 'scatterAdd' && node.op !== 'scatterAddAlong') return false
  const { shape } = typeOf(node.inputs[1]!)
  return (node.op === 'scatterAdd' ? elementCount(shape) : dimMax(shape[node.attrs['axis'] as number]!)) > FEW_UPDATES
}
