import type { Program } from '../../compile/program.js'
import { roundToStorage, type NumericArray } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import { rowOf } from '../../graph/build.js'
import type { Attr, Attrs, Node } from '../../graph/node.js'
import type { RefTensor } from '../../ops/row.js'
import { isSym, isSymExpr, resolveIndex, resolveShape, type SymValues } from '../../shape.js'
import type { ProfileSink } from '../device.js'

/** Attributes with symbols replaced by their values. */
export function resolveAttrs(attrs: Attrs, symbols: SymValues): Attrs {
  const resolve = (attr: Attr): Attr =>
    isSym(attr) || isSymExpr(attr) ? resolveIndex(attr, symbols) : Array.isArray(attr) ? (attr as readonly Attr[]).map(resolve) : attr
  return Object.fromEntries(Object.entries(attrs).map(([key, attr]) => [key, resolve(attr)]))
}

/**
 * Runs a program in plain TypeScript, node after node, by each row's `reference`. This is what every other device is
 * compared with, and where to read what an operation means; it is not meant to be fast.
 */
export function interpret(program: Program, inputs: readonly NumericArray[], symbols: SymValues, profile?: ProfileSink): NumericArray[] {
  const values = new Map<Node, readonly RefTensor[]>()
  program.inputs.forEach((input, i) => {
    values.set(input.value.node, [{ data: inputs[i]!, shape: resolveShape(input.shape, symbols), dtype: input.dtype }])
  })
  const lastUse = lastUses(program)
  program.nodes.forEach((node, step) => {
    const reference = rowOf(node.op).reference
    if (reference === undefined)
      throw new TensorError('UNSUPPORTED', `reference: ${node.op} has no reference implementation and was not decomposed`)
    const outputs = node.outputs.map(({ shape, dtype }) => ({ shape: resolveShape(shape, symbols), dtype }))
    const start = profile === undefined ? 0 : performance.now()
    const results = reference({
      inputs: node.inputs.map((value) => values.get(value.node)![value.index]!),
      attrs: resolveAttrs(node.attrs, symbols),
      outputs,
    })
    // An op that passes its input's array on must not have it rounded under the input's name; dtypes are then equal, so rounding again changes nothing.
    values.set(
      node,
      results.map((data, i) => {
        roundToStorage(outputs[i]!.dtype, data)
        return { data, ...outputs[i]! }
      }),
    )
    profile?.({ name: node.op, detail: 'reference', ms: performance.now() - start })
    for (const dead of lastUse[step]!) values.delete(dead)
  })
  return program.outputs.map(({ value }) => values.get(value.node)![value.index]!.data)
}

/** For each step, the nodes whose values nothing reads afterwards. */
function lastUses(program: Program): Node[][] {
  const last = new Map<Node, number>()
  program.nodes.forEach((node, step) => {
    for (const { node: input } of node.inputs) last.set(input, step)
  })
  for (const { value } of program.outputs) last.delete(value.node)
  const steps: Node[][] = program.nodes.map(() => [])
  for (const [node, step] of last) steps[step]!.push(node)
  return steps
}
