/** Emitters that move elements without computing: reshape, permute, expand, flip, concat, pad. */
import { castNumber, type DType } from '../../../dtype.js'
import { dtypeOf, shapeOf, type Value } from '../../../graph/node.js'
import { sameShape, type Shape } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import { computeType, isHalf, type EmitContext, type Result } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { FLOAT } from './onnx-type.js'

/** A value for an op that copies: whichever of storage and carrier exists; f32 where ONNX Runtime has no bf16 kernel. */
export function movable(context: EmitContext, value: Value, without: 'bf16' | 'none' = 'none'): Result {
  const dtype = dtypeOf(value)
  if (!isHalf(dtype)) return { name: context.storage(value), type: elementTypeOf(dtype), exact: true }
  return without === dtype
    ? { name: context.as(value, FLOAT), type: FLOAT, exact: true }
    : context.atHand(value, [elementTypeOf(dtype), FLOAT])
}

/** Several values in one type. */
export function movableTogether(
  context: EmitContext,
  values: readonly Value[],
): { readonly names: readonly string[]; readonly type: number } {
  const first = values.map((value) => movable(context, value)).find(({ type }) => type === FLOAT)
  const type = first?.type ?? elementTypeOf(dtypeOf(values[0]!))
  return { names: values.map((value) => context.as(value, type)), type }
}

const reshape: Emitter = (context, node) => {
  const held = context.forward(node.inputs[0]!)
  return [{ ...held, name: context.reshape(held.name, node.outputs[0]!.shape) }]
}

/** The value behind a chain of permutes, and the one permutation that they make. */
export function permuted(value: Value): { readonly from: Value; readonly perm: readonly number[] } {
  let from = value
  let perm: readonly number[] = shapeOf(value).map((_, axis) => axis)
  while (from.node.op === 'permute') {
    const inner = from.node.attrs['perm'] as readonly number[]
    perm = perm.map((axis) => inner[axis]!)
    from = from.node.inputs[0]!
  }
  return { from, perm }
}

const permute: Emitter = (context, node) => [
  () => {
    const { from, perm } = permuted({ node, index: 0 })
    if (perm.every((axis, i) => axis === i)) return context.forward(from)
    const swapped = from.index === 0 ? context.tokenMajor.get(from.node) : undefined
    // [B, T, H·W] is at hand where [B, T, H, W] is wanted.
    if (swapped !== undefined && perm.join() === '0,2,1,3')
      return { name: context.reshape(swapped.name, node.outputs[0]!.shape), type: swapped.type, exact: true }
    const held = movable(context, from)
    return { ...held, name: context.node('Transpose', [held.name], { attributes: { perm } }) }
  },
]

const expand: Emitter = (context, node) => [
  () => {
    const x = node.inputs[0]!
    const { shape } = node.outputs[0]!
    if (sameShape(shapeOf(x), shape)) return context.forward(x)
    const held = movable(context, x, 'bf16')
    return { ...held, name: context.node('Expand', [held.name, context.shape(shape)]) }
  },
]

const flip: Emitter = (context, node) => {
  const { axes } = attrsOf<{ axes: readonly number[] }>(node)
  if (axes.length === 0) return [context.forward(node.inputs[0]!)]
  const held = movable(context, node.inputs[0]!)
  // From the last element (−1) to one before the first: any end below −size.
  const starts = context.ints(axes.map(() => -1))
  const ends = context.ints(axes.map(() => -(2 ** 31)))
  return [{ ...held, name: context.node('Slice', [held.name, starts, ends, context.ints(axes), starts]) }]
}

const concat: Emitter = (context, node) => {
  const { names, type } = movableTogether(context, node.inputs)
  return [{ name: context.node('Concat', names, { attributes: { axis: attrsOf<{ axis: number }>(node).axis } }), type, exact: true }]
}

const pad: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const dtype: DType = dtypeOf(x)
  const { pads, value } = attrsOf<{ pads: readonly (readonly [number, number])[]; value: number }>(node)
  if (pads.every(([before, after]) => before === 0 && after === 0)) return [context.forward(x)]
  const held = movable(context, x, 'bf16')
  const amounts = context.ints([...pads.map(([before]) => before), ...pads.map(([, after]) => after)])
  const filler = context.scalar(castNumber(dtype, value), held.type)
  return [{ ...held, name: context.node('Pad', [held.name, amounts, filler]) }]
}

/** Zeros (or another number) of a shape. */
export function filled(context: EmitContext, shape: Shape, dtype: DType, value = 0): Result {
  const type = computeType(dtype)
  return { name: context.node('Expand', [context.scalar(value, type), context.shape(shape)]), type, exact: true }
}

export const movementEmitters: EmitterTable = { reshape, permute, expand, flip, concat, pad }
