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

/** Nodes are numbered as they are made, so what is older than every target depends on none. */
const olderThan = (targets: readonly Value[]): ((node: Node) => boolean) => {
  const first = targets.reduce((least, { node }) => Math.min(least, node.id), Infinity)
  return (node) => node.id < first
}

/** Nodes that lie between the targets and the outputs along floating-point edges. */
function pathFrom(targets: readonly Value[], nodes: readonly Node[]): Set<Node> {
  const reached = new Set<Node>(targets.map((value) => value.node))
  for (const node of nodes) {
    if (reached.has(node) || isStop(node)) continue
    if (node.inputs.some((value) => reached.has(value.node) && isFloat(dtypeOf(value)))) reached.add(node)
  }
  return reached
}

const isStop = (node: Node): boolean => rowOf(node.op).stopsGradient === true

export interface Differentiated {
  /** The outputs, where composites without a derivative of their own were opened up. */
  readonly outputs: readonly Value[]
  /** One gradient for each target: zeros where nothing depends on it. */
  readonly grads: readonly Value[]
}

/**
 * Gradients with respect to `targets` of the sum of the outputs, each weighted by its seed; without seeds of the first
 * output alone, which is then a scalar. Outputs without a seed are carried along so that they share the forward pass.
 */
export function differentiate(
  outputs: readonly Value[],
  targets: readonly Value[],
  seeds?: readonly (Value | undefined)[],
): Differentiated {
  const opened = openComposites(outputs, targets)
  const grads = new ValueMap<Value>()
  const accumulate = (value: Value, grad: Value): void => {
    if (!sameShape(shapeOf(value), shapeOf(grad)) || dtypeOf(value) !== dtypeOf(grad))
      throw new TensorError(
        'GRADIENT',
        `the derivative of ${value.node.op} is ${dtypeOf(grad)}${printShape(shapeOf(grad))}, its value ${dtypeOf(value)}${printShape(shapeOf(value))}: the row's vjp is wrong`,
      )
    const before = grads.get(value)
    grads.set(value, before === undefined ? grad : add(before, grad))
  }
  const roots: Value[] = []
  for (const [index, root] of (seeds === undefined ? opened.slice(0, 1) : opened).entries()) {
    const seed = seeds === undefined ? constant(1, dtypeOf(checkLoss(root))) : seeds[index]
    if (seed === undefined) continue
    accumulate(root, seed)
    roots.push(root)
  }
  const nodes = topological(roots, olderThan(targets))
  const path = pathFrom(targets, nodes)
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!
    if (!path.has(node)) continue
    const incoming = node.outputs.map((_, index) => grads.get({ node, index }))
    if (incoming.every((grad) => grad === undefined)) continue
    const needs = node.inputs.map((value) => path.has(value.node) && isFloat(dtypeOf(value)))
    // Behind a target nothing is needed, unless another target lies there.
    if (!needs.includes(true)) continue
    const back = node.op === 'checkpoint' ? backThroughRegion(node, incoming, needs) : backThroughRow(node, incoming, needs)
    back.forEach((grad, k) => {
      if (grad !== undefined && needs[k] === true) accumulate(node.inputs[k]!, grad)
    })
  }
  return { outputs: opened, grads: targets.map((value) => grads.get(value) ?? zeros(value)) }
}

function checkLoss(root: Value): Value {
  if (!isFloat(dtypeOf(root))) throw new TensorError('GRADIENT', `grad: the loss must be floating point, got ${same(root)}`)
  if (shapeOf(root).length !== 0)
    throw new TensorError('GRADIENT', `grad: the loss must be a scalar, got ${same(root)}; reduce it with sum() or mean()`)
  return root
}

const zeros = (value: Value): Value => expand(constant(0, dtypeOf(value)), shapeOf(value))

function backThroughRow(node: Node, grads: readonly (Value | undefined)[], needs: readonly boolean[]): readonly (Value | undefined)[] {
  const row = rowOf(node.op)
  const fixed = row.differentiable === undefined ? -1 : needs.findIndex((need, k) => need && !row.differentiable!.includes(k))
  if (fixed >= 0)
    throw new TensorError(
      'GRADIENT',
      `grad: ${node.op} has no derivative by its input ${fixed}, ${same(node.inputs[fixed]!)}; keep that out of the first argument, or cut the gradient before it with stopGradient()`,
    )
  if (row.vjp === undefined)
    throw new TensorError(
      'GRADIENT',
      `grad: ${node.op} has no derivative; move it out of the loss, or cut the gradient before it with stopGradient()`,
    )
  return row.vjp({ inputs: node.inputs, outputs: node.outputs.map((_, index) => ({ node, index })), attrs: node.attrs, grads, needs })
}

/**
 * A checkpointed region is computed again behind barriers. The barrier takes the incoming gradient as a token, so that
 * the second computation cannot start, nor be merged with the first, before that gradient exists.
 */
function backThroughRegion(node: Node, grads: readonly (Value | undefined)[], needs: readonly boolean[]): readonly (Value | undefined)[] {
  const token = grads.find((grad) => grad !== undefined)!
  const inputs = node.inputs.map((value) => barrier(value, token))
  const wanted = inputs.filter((_, i) => needs[i] === true)
  const parts = differentiate(inlineRegion(node, inputs), wanted, grads).grads
  let next = 0
  return orderGradients(
    node,
    needs.map((need) => (need ? parts[next++] : undefined)),
  )
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

/** Replaces composites on the path that have no derivative of their own by what is differentiated in their place. */
function openComposites(outputs: readonly Value[], targets: readonly Value[]): Value[] {
  const nodes = topological(outputs, olderThan(targets))
  const path = pathFrom(targets, nodes)
  const isTarget = new Set<Node>(targets.map((value) => value.node))
  const map = new ValueMap<Value>()
  const at = (value: Value): Value => map.get(value) ?? value
  for (const node of nodes) {
    if (isTarget.has(node)) continue
    const inputs = node.inputs.map(at)
    const changed = inputs.some((value, i) => value !== node.inputs[i])
    const row = node.op === 'checkpoint' ? undefined : rowOf(node.op)
    const open =
      path.has(node) &&
      row !== undefined &&
      row.vjp === undefined &&
      row.stopsGradient !== true &&
      row.decompose !== undefined &&
      row.alias === undefined
    if (open) {
      const parts = openComposites((row.opened ?? row.decompose!)(inputs, node.attrs), inputs)
      parts.forEach((value, index) => map.set({ node, index }, value))
    } else if (changed) {
      const copy =
        node.source === undefined
          ? makeNode(node.op, inputs, node.attrs, node.outputs)
          : makeNode(node.op, inputs, node.attrs, node.outputs, node.source)
      node.outputs.forEach((_, index) => map.set({ node, index }, { node: copy, index }))
    }
  }
  return outputs.map(at)
}
