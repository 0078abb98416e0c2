/**
 * Reverse-mode differentiation of the recorded graph: no tape. Each row's `vjp` emits ordinary nodes, so the backward
 * pass is compiled like any other graph, and gradients of gradients follow.
 */
import { isFloat } from '../dtype.js'
import { TensorError } from '../errors.js'
import { makeNode, rowOf } from '../graph/build.js'
import type { Node, Value } from '../graph/node.js'
import { dtypeOf, shapeOf } from '../graph/node.js'
import { add, barrier, constant, expand } from '../graph/primitives.js'
import { topological, ValueMap } from '../graph/walk.js'
import { printShape, sameShape } from '../shape.js'
import { inlineRegion } from './region.js'

const same = (value: Value): string => `${value.node.op} : ${dtypeOf(value)}${printShape(shapeOf(value))}`

/** Nodes that lie between the targets and the outputs along floating-point edges. */
function pathFrom(targets: readonly Value[], nodes: readonly Node[]): Set<Node> {
  const reached = new Set<Node>(targets.map((value) => value.node))
  for (const node of nodes) {
    if (reached.has(node)) continue
    if (rowOf(node.op).stopsGradient === true) continue
    if (node.inputs.some((value) => reached.has(value.node) && isFloat(dtypeOf(value)))) reached.add(node)
  }
  return reached
}

export interface Differentiated {
  /** The outputs, where composites without a derivative of their own were opened up. */
  readonly outputs: readonly Value[]
  /** One gradient for each target: zeros where the first output does not depend on it. */
  readonly grads: readonly Value[]
}

/**
 * Gradients of `outputs[0]` (weighted by `seed`, default 1, which needs a scalar output) with respect to `targets`.
 * Further outputs are carried along so that they share the forward pass.
 */
export function differentiate(outputs: readonly Value[], targets: readonly Value[], seed?: Value): Differentiated {
  const opened = openComposites(outputs, targets)
  const root = opened[0]!
  if (!isFloat(dtypeOf(root))) throw new TensorError('GRADIENT', `grad: the loss must be floating point, got ${same(root)}`)
  if (seed === undefined && shapeOf(root).length !== 0)
    throw new TensorError('GRADIENT', `grad: the loss must be a scalar, got ${same(root)}; reduce it with sum() or mean()`)
  if (seed !== undefined && !sameShape(shapeOf(seed), shapeOf(root)))
    throw new TensorError('SHAPE', `grad: the seed has shape ${printShape(shapeOf(seed))}, the output ${printShape(shapeOf(root))}`)
  const nodes = topological([root])
  const path = pathFrom(targets, nodes)
  const grads = new ValueMap<Value>()
  const accumulate = (value: Value, grad: Value): void => {
    if (!sameShape(shapeOf(value), shapeOf(grad)) || dtypeOf(value) !== dtypeOf(grad))
      throw new TensorError('GRADIENT', `the derivative of ${value.node.op} is ${dtypeOf(grad)}${printShape(shapeOf(grad))}, its value ${dtypeOf(value)}${printShape(shapeOf(value))}: the row's vjp is wrong`)
    const before = grads.get(value)
    grads.set(value, before === undefined ? grad : add(before, grad))
  }
  accumulate(root, seed ?? constant(1, dtypeOf(root)))
  const isTarget = new Set<Node>(targets.map((value) => value.node))
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!
    if (!path.has(node)) continue
    // A target's own inputs still matter when another target lies behind it.
    if (isTarget.has(node) && !node.inputs.some((value) => path.has(value.node))) continue
    const incoming = node.outputs.map((_, index) => grads.get({ node, index }))
    if (incoming.every((grad) => grad === undefined)) continue
    const needs = node.inputs.map((value) => path.has(value.node) && isFloat(dtypeOf(value)))
    if (!needs.includes(true)) continue
    const back = node.op === 'checkpoint' ? backThroughRegion(node, incoming, needs) : backThroughRow(node, incoming, needs)
    back.forEach((grad, k) => {
      if (grad !== undefined && needs[k] === true) accumulate(node.inputs[k]!, grad)
    })
  }
  return { outputs: opened, grads: targets.map((value) => grads.get(value) ?? zeros(value)) }
}

const zeros = (value: Value): Value => expand(constant(0, dtypeOf(value)), shapeOf(value))

function backThroughRow(node: Node, grads: readonly (Value | undefined)[], needs: readonly boolean[]): readonly (Value | undefined)[] {
  const row = rowOf(node.op)
  if (row.stopsGradient === true) return []
  if (row.vjp === undefined)
    throw new TensorError('GRADIENT', `grad: ${node.op} has no derivative; move it out of the loss, or cut the gradient before it with stopGradient()`)
  return row.vjp({ inputs: node.inputs, outputs: node.outputs.map((_, index) => ({ node, index })), attrs: node.attrs, grads, needs })
}

/**
 * A checkpointed region is computed again behind barriers. The barrier takes the incoming gradient as a token, so that
 * the second computation cannot start, nor be merged with the first, before that gradient exists.
 */
function backThroughRegion(node: Node, grads: readonly (Value | undefined)[], needs: readonly boolean[]): readonly (Value | undefined)[] {
  const token = grads.find((grad) => grad !== undefined)!
  const inputs = node.inputs.map((value) => barrier(value, token))
  const outputs = inlineRegion(node, inputs)
  const wanted = inputs.filter((_, i) => needs[i] === true)
  const totals: (Value | undefined)[] = inputs.map(() => undefined)
  outputs.forEach((output, index) => {
    const grad = grads[index]
    if (grad === undefined) return
    const parts = differentiate([output], wanted, grad).grads
    let next = 0
    inputs.forEach((_, i) => {
      if (needs[i] !== true) return
      const part = parts[next++]!
      totals[i] = totals[i] === undefined ? part : add(totals[i], part)
    })
  })
  return orderGradients(node, totals)
}

/**
 * The gradient that goes on backwards waits for those that end here. Otherwise a runtime may put off a weight's gradient
 * until everything else has run, and every recomputed region would be alive at once.
 */
function orderGradients(node: Node, grads: readonly (Value | undefined)[]): (Value | undefined)[] {
  const ends = (i: number): boolean => node.inputs[i]!.node.op === 'identity' || node.inputs[i]!.node.op === 'input'
  const final = grads.filter((grad, i): grad is Value => grad !== undefined && ends(i))
  return grads.map((grad, i) => (grad === undefined || ends(i) ? grad : final.reduce((held, token) => barrier(held, token), grad)))
}

/** Replaces composites on the path that have no derivative of their own by their decomposition. */
function openComposites(outputs: readonly Value[], targets: readonly Value[]): Value[] {
  const nodes = topological(outputs)
  const path = pathFrom(targets, nodes)
  const isTarget = new Set<Node>(targets.map((value) => value.node))
  const map = new ValueMap<Value>()
  const at = (value: Value): Value => map.get(value) ?? value
  for (const node of nodes) {
    if (isTarget.has(node)) continue
    const inputs = node.inputs.map(at)
    const changed = inputs.some((value, i) => value !== node.inputs[i])
    const row = node.op === 'checkpoint' ? undefined : rowOf(node.op)
    const open = path.has(node) && row !== undefined && row.vjp === undefined && row.stopsGradient !== true && row.decompose !== undefined && row.alias === undefined
    if (open) {
      const parts = openComposites(row.decompose!(inputs, node.attrs), inputs)
      parts.forEach((value, index) => map.set({ node, index }, value))
    } else if (changed) {
      const copy = node.source === undefined ? makeNode(node.op, inputs, node.attrs, node.outputs) : makeNode(node.op, inputs, node.attrs, node.outputs, node.source)
      node.outputs.forEach((_, index) => map.set({ node, index }, { node: copy, index }))
    }
  }
  return outputs.map(at)
}

