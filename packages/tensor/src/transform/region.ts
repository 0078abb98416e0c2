import { TensorError } from '../errors.js'
import { makeNode } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import { topological, ValueMap } from '../graph/walk.js'

/** A piece of graph between some values and others, kept as the payload of a `checkpoint` node. */
interface Region {
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
}

/** Copies what lies between `from` and `outputs` with `from` replaced by `to`. Nodes outside the region are shared. */
export function substitute(outputs: readonly Value[], from: readonly Value[], to: readonly Value[]): Value[] {
  const map = new ValueMap<Value>()
  const boundary = new Set<Node>()
  from.forEach((value, i) => {
    map.set(value, to[i]!)
    boundary.add(value.node)
  })
  const at = (value: Value): Value => map.get(value) ?? value
  for (const node of topological(outputs)) {
    const inputs = node.inputs.map(at)
    if (inputs.every((value, i) => value === node.inputs[i])) continue
    const copy =
      node.source === undefined
        ? makeNode(node.op, inputs, node.attrs, node.outputs)
        : makeNode(node.op, inputs, node.attrs, node.outputs, node.source)
    node.outputs.forEach((_, index) => {
      if (!map.has({ node, index })) map.set({ node, index }, { node: copy, index })
    })
  }
  return outputs.map(at)
}

/** Wraps what `outputs` computed from `inputs` into one `checkpoint` node and returns its outputs. */
export function makeRegion(inputs: readonly Value[], outputs: readonly Value[]): Value[] {
  const region: Region = { inputs, outputs }
  const node = makeNode('checkpoint', inputs, {}, outputs.map(typeOf), region)
  return outputs.map((_, index) => ({ node, index }))
}

/** The region's outputs computed from other inputs. */
export function inlineRegion(node: Node, inputs: readonly Value[]): Value[] {
  const region = node.source as Region | undefined
  if (region === undefined) throw new TensorError('TRACE', 'checkpoint node without a region')
  return substitute(region.outputs, region.inputs, inputs)
}
