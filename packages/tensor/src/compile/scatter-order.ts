/** Additions at many indices are found by searching sorted indices; this puts the sorting into the program. */
import { makeNode } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { shapeOf, typeOf } from '../graph/node.js'
import { ValueMap } from '../graph/walk.js'
import { dimMax, elementCount, indexKey } from '../shape.js'
import type { Program } from './program.js'

/** Updates that every element looks through, rather than have them sorted. */
const FEW_UPDATES = 16

/**
 * The program with every `scatterAdd` and `scatterAddAlong` of many updates as two operations of devices with kernels: `indexOrder`, which gives the clamped indices
 * sorted and the number of the update of each, and `scatterOrdered`. What adds at the same indices shares the first.
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
    const found = known.get(key)
    if (found !== undefined) return found
    const type = { shape: shapeOf(indices), dtype: 'u32' } as const
    const order = add(makeNode('indexOrder', [indices], { ...along, size }, [type, type]))
    known.set(key, order)
    return order
  }
  for (const node of program.nodes) {
    const inputs = node.inputs.map(own)
    if (hasMany(node)) {
      const [x, indices, updates] = [inputs[0]!, inputs[1]!, inputs[2]!]
      const order = orderOf(node, indices)
      const attrs = { axis: node.attrs['axis'], along: node.op === 'scatterAddAlong' }
      const sorted = [0, 1].map((index): Value => ({ node: order, index }))
      made.set(node, add(makeNode('scatterOrdered', [x, ...sorted, updates], attrs, node.outputs)))
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
