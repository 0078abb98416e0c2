/**
 * From the graph that was recorded to one that a device runs: composites without a native kernel are decomposed,
 * equal nodes are merged, and operations that do nothing are removed. One pass, inputs first; rewritten nodes are
 * looked up in a table of structural keys, so equality is by structure and never by identity.
 */
import type { Device } from '../device/device.js'
import { TensorError } from '../errors.js'
import { makeNode, rowOf } from '../graph/build.js'
import type { Attrs, Node, TensorType, Value } from '../graph/node.js'
import { dtypeOf, shapeOf, typeOf } from '../graph/node.js'
import { printAttrs } from '../graph/print.js'
import { topological, ValueMap } from '../graph/walk.js'
import { printShape, sameShape } from '../shape.js'
import { inlineRegion } from '../transform/region.js'

export interface LowerOptions {
  /** Run composites through their decomposition even where the device has a kernel; for differential tests. */
  readonly decomposeAll?: boolean
  /** Leave out algebraic clean-up; for differential tests. */
  readonly simplify?: boolean
}

export interface Lowered {
  readonly outputs: readonly Value[]
  /** The input nodes of the lowered graph with the leaves they stand for: programs outlive tensors, and must not keep them. */
  readonly leaves: ReadonlyMap<Node, Node>
  /** A barrier survived: the runtime underneath must not merge equal nodes either. */
  readonly keepsDuplicates: boolean
}

export type SupportsOp = Pick<Device, 'supports' | 'name'>

export function lower(outputs: readonly Value[], device: SupportsOp, options: LowerOptions = {}): Lowered {
  const done = new ValueMap<Value>()
  const known = new Map<string, Node>()
  const numbers = new Map<Node, number>()
  const leaves = new Map<Node, Node>()
  let barriers = 0

  const intern = (op: string, inputs: readonly Value[], attrs: Attrs, types: readonly TensorType[]): Node => {
    const edges = inputs.map((value) => `${numbers.get(value.node)!}.${value.index}`).join(',')
    // A barrier exists to be different from its twin; everything else is what it is made of.
    const key = `${op}(${edges})${printAttrs(attrs)}${op === 'barrier' ? `#${barriers++}` : ''}`
    const found = known.get(key)
    if (found !== undefined) return found
    const node = makeNode(op, inputs, attrs, types)
    known.set(key, node)
    numbers.set(node, numbers.size)
    types.forEach((_, index) => done.set({ node, index }, { node, index }))
    return node
  }

  // Depth is bounded by how deep composites nest in composites, not by the graph.
  const visitAll = (values: readonly Value[]): Value[] => {
    for (const node of topological(values, (node) => done.has({ node, index: 0 }))) visit(node)
    return values.map((value) => done.get(value)!)
  }

  const visit = (node: Node): void => {
    if (node.op === 'input') {
      const stand = makeNode('input', [], {}, node.outputs)
      leaves.set(stand, node)
      numbers.set(stand, numbers.size)
      done.set({ node, index: 0 }, { node: stand, index: 0 })
      done.set({ node: stand, index: 0 }, { node: stand, index: 0 })
      return
    }
    const inputs = node.inputs.map((value) => done.get(value)!)
    const finish = (values: readonly Value[]): void => values.forEach((value, index) => done.set({ node, index }, value))
    if (node.op === 'checkpoint') return finish(visitAll(inlineRegion(node, inputs)))
    if (options.simplify !== false) {
      const same = identity(node, inputs)
      if (same !== undefined) return finish([same])
    } else if (node.op === 'identity' || node.op === 'stopGradient') return finish([inputs[0]!])
    const row = rowOf(node.op)
    const types = inputs.map(typeOf)
    const native = device.supports(node.op, types, node.outputs, node.attrs)
    if (row.decompose !== undefined && (!native || (options.decomposeAll === true && row.kind === 'composite')))
      return finish(visitAll(row.decompose(inputs, node.attrs)))
    if (!native)
      throw new TensorError(
        'UNSUPPORTED',
        `${device.name} cannot run ${node.op} on ${types.map((type) => `${type.dtype}${printShape(type.shape)}`).join(', ') || node.outputs.map((type) => type.dtype).join(', ')}; cast to f32 or i32, or run this part on another device`,
      )
    const interned = intern(node.op, inputs, node.attrs, node.outputs)
    finish(node.outputs.map((_, index) => ({ node: interned, index })))
  }

  const lowered = visitAll(outputs)
  return { outputs: lowered, leaves, keepsDuplicates: barriers > 0 }
}

/** The value that an operation merely passes on, when it does nothing else. */
function identity(node: Node, inputs: readonly Value[]): Value | undefined {
  const x = inputs[0]
  if (x === undefined) return undefined
  switch (node.op) {
    case 'identity':
    case 'stopGradient':
      return x
    case 'reshape':
    case 'expand':
      // Reshape of reshape is left alone: it costs nothing on any device.
      return sameShape(shapeOf(x), node.outputs[0]!.shape) ? x : undefined
    case 'permute':
      return (node.attrs['perm'] as readonly number[]).every((axis, i) => axis === i) ? x : undefined
    case 'cast':
    case 'bitcast':
      return dtypeOf(x) === node.outputs[0]!.dtype ? x : undefined
    case 'neg':
      return x.node.op === 'neg' ? x.node.inputs[0] : undefined
    case 'mul':
    case 'div': {
      const other = inputs[1]!
      if (isConst(other, 1) && sameShape(shapeOf(x), node.outputs[0]!.shape)) return x
      if (node.op === 'mul' && isConst(x, 1) && sameShape(shapeOf(other), node.outputs[0]!.shape)) return other
      return undefined
    }
    case 'reduceSum':
    case 'reduceMax':
    case 'flip':
      return (node.attrs['axes'] as readonly number[]).length === 0 ? x : undefined
    default:
      return undefined
  }
}

const isConst = (value: Value, constant: number): boolean => value.node.op === 'const' && value.node.attrs['value'] === constant
