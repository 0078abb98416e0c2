/** Reductions, running sums and sorting. */
import { integerRange, isFloat, type DType } from '../../../dtype.js'
import { dtypeOf, shapeOf, type Node, type Value } from '../../../graph/node.js'
import { elementCount, isSym, sameShape, type Shape } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import { computeType, type EmitContext, type Result } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { filled } from './movement.js'
import { MICROSOFT, type Name } from './model-builder.js'
import { BOOL, FLOAT, INT32, INT64, UINT32, UINT8, type OnnxType } from './onnx-type.js'

type ReduceAttrs = { readonly axes: readonly number[]; readonly keepDims: boolean }

/** Smallest value, the maximum of nothing. */
const lowest = (dtype: DType): number => (isFloat(dtype) ? -Infinity : integerRange(dtype)[0])

/** A reduction over axes of `name`. */
export function reduce(context: EmitContext, opType: string, name: Name, axes: readonly number[], keepDims: boolean): Name {
  return context.node(opType, [name, context.ints(axes)], { attributes: { keepdims: keepDims ? 1 : 0 } })
}

const overNothing = (node: Node, axes: readonly number[]): boolean => axes.some((axis) => shapeOf(node.inputs[0]!)[axis] === 0)

/**
 * Σ x·y over everything as one node that reads each factor once, where the product would be an array of its own: half a
 * million elements in 0.06 ms instead of 0.22.
 */
function fullDot(context: EmitContext, node: Node, axes: readonly number[]): Name | undefined {
  const product = node.inputs[0]!
  const shape = shapeOf(product)
  if (product.node.op !== 'mul' || dtypeOf(product) !== 'f32' || axes.length !== shape.length || shape.some(isSym)) return undefined
  const [x, y] = product.node.inputs as readonly [Value, Value]
  if (!sameShape(shapeOf(x), shape) || !sameShape(shapeOf(y), shape)) return undefined
  const flat = [1, elementCount(shape)]
  const [left, right] = [x, y].map((value) => context.reshape(context.as(value, FLOAT), flat)) as [Name, Name]
  return context.reshape(
    context.node('FusedMatMul', [left, right], { domain: MICROSOFT, attributes: { transB: 1 } }),
    node.outputs[0]!.shape,
  )
}

const reduceSum: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const dtype = dtypeOf(x)
  const { axes, keepDims } = attrsOf<ReduceAttrs>(node)
  if (axes.length === 0) return [context.forward(x)]
  if (overNothing(node, axes)) return [filled(context, node.outputs[0]!.shape, dtype)]
  const dot = fullDot(context, node, axes)
  if (dot !== undefined) return [{ name: dot, type: FLOAT }]
  // Narrowed to its low 32 bits afterwards: ONNX Runtime's int32 sum saturates instead of wrapping around.
  const type = isFloat(dtype) ? FLOAT : INT64
  return [{ name: reduce(context, 'ReduceSum', context.as(x, type), axes, keepDims), type }]
}

/**
 * u32 as i32 in the same order, and back. ONNX Runtime compares no u32 in reductions, and int64 by halves of 32 bits.
 */
const ordered = (context: EmitContext, x: Value): Name =>
  context.cast(context.node('BitwiseXor', [context.as(x, UINT32), context.scalar(SIGN_BIT, UINT32)]), INT32)
const unsigned = (context: EmitContext, name: Name): Name =>
  context.node('BitwiseXor', [context.cast(name, UINT32), context.scalar(SIGN_BIT, UINT32)])
const SIGN_BIT = 0x80000000

const reduceMax: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const dtype = dtypeOf(x)
  const { axes, keepDims } = attrsOf<ReduceAttrs>(node)
  if (axes.length === 0) return [context.forward(x)]
  if (overNothing(node, axes)) return [filled(context, node.outputs[0]!.shape, dtype, lowest(dtype))]
  if (dtype === 'u32') return [{ name: unsigned(context, reduce(context, 'ReduceMax', ordered(context, x), axes, keepDims)), type: UINT32 }]
  const type = computeType(dtype)
  const values = context.as(x, type)
  const max = reduce(context, 'ReduceMax', values, axes, keepDims)
  if (!isFloat(dtype)) return [{ name: max, type, exact: true }]
  // ReduceMax loses NaN in some of its loops.
  const found = anyNaN(context, values, axes, keepDims).found
  return [{ name: context.node('Where', [found, context.float(NaN), max]), type, exact: true }]
}

/** Where NaN is, as u8, and whether any is along axes. */
function anyNaN(
  context: EmitContext,
  values: Name,
  axes: readonly number[],
  keepDims: boolean,
): { readonly isNaN: Name; readonly found: Name } {
  const isNaN = context.cast(context.node('IsNaN', [values]), UINT8)
  return { isNaN, found: context.cast(reduce(context, 'ReduceMax', isNaN, axes, keepDims), BOOL) }
}

/** x with one element of the lowest value after the others, for axes that may be empty at run time. */
function neverEmpty(context: EmitContext, name: Name, shape: Shape, axis: number, lowestValue: Name): Name {
  const one = context.node('Expand', [lowestValue, context.shape(shape.map((dim, i) => (i === axis ? 1 : dim)))])
  return context.node('Concat', [name, one], { attributes: { axis } })
}

const argMax: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const dtype = dtypeOf(x)
  const shape = shapeOf(x)
  const { axis, keepDims } = attrsOf<{ axis: number; keepDims: boolean }>(node)
  const output = node.outputs[0]!.shape
  if (shape[axis] === 0 || elementCount(output) === 0) return [filled(context, output, 'i32')]
  const type = dtype === 'u32' ? INT32 : computeType(dtype)
  let values = dtype === 'u32' ? ordered(context, x) : context.as(x, type)
  if (isSym(shape[axis]!)) values = neverEmpty(context, values, shape, axis, context.scalar(lowest(dtype === 'u32' ? 'i32' : dtype), type))
  const attributes = { axis, keepdims: keepDims ? 1 : 0 }
  const largest = context.node('ArgMax', [values], { attributes })
  if (!isFloat(dtype)) return [{ name: context.cast(largest, INT32), type: INT32 }]
  // ArgMax's answer is arbitrary where there is a NaN; then the first NaN is the answer.
  const { isNaN, found } = anyNaN(context, values, [axis], keepDims)
  const first = context.node('ArgMax', [isNaN], { attributes })
  return [{ name: context.cast(context.node('Where', [found, first, largest]), INT32), type: INT32 }]
}

const cumsum: Emitter = (context, node) => {
  const x = node.inputs[0]!
  const { axis, exclusive = false, reverse = false } = attrsOf<{ axis: number; exclusive?: boolean; reverse?: boolean }>(node)
  const type = isFloat(dtypeOf(x)) ? FLOAT : INT32
  const attributes = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 }
  return [{ name: context.node('CumSum', [context.as(x, type), context.scalar(axis, INT64)], { attributes }), type }]
}

/**
 * Floats as integers in the same order, NaN above all and −0 equal to 0: positive floats order like their bits, negative
 * ones in reverse, so those are subtracted from the bits of −0. TopK compares NaN arbitrarily, integers never.
 */
function orderKey(context: EmitContext, x: Name): Name {
  const bits = context.node('BitCast', [x], { attributes: { to: INT32 }, since: 26 })
  const mirrored = context.node('Sub', [context.scalar(-(2 ** 31), INT32), bits])
  const ordered = context.node('Where', [context.node('Less', [bits, context.scalar(0, INT32)]), mirrored, bits])
  return context.node('Where', [context.node('IsNaN', [x]), context.scalar(2 ** 31 - 1, INT32), ordered])
}

/** The k largest (or smallest) elements along an axis in order, ties in order of position; `count` is int64 [1]. */
export function sorted(context: EmitContext, node: Node, axis: number, count: Name, descending: boolean): readonly Result[] {
  const x = node.inputs[0]!
  const dtype = dtypeOf(x)
  const float = isFloat(dtype)
  const type: OnnxType = float ? FLOAT : elementTypeOf(dtype)
  const values = context.as(x, type)
  const attributes = { axis, largest: descending ? 1 : 0, sorted: 1 }
  const keys = float ? orderKey(context, values) : dtype === 'u32' ? ordered(context, x) : values
  const [top, at] = context.builder.nodeWith('TopK', [keys, count], [true, true], { attributes }) as [Name, Name]
  const picked = keys !== values && context.used(node, 0) ? context.node('GatherElements', [values, at], { attributes: { axis } }) : top
  return [
    { name: picked, type, exact: true },
    { name: context.used(node, 1) ? context.cast(at, INT32) : at, type: INT32 },
  ]
}

const sort: Emitter = (context, node) => {
  const x: Value = node.inputs[0]!
  const { axis, descending } = attrsOf<{ axis: number; descending: boolean }>(node)
  const shape = shapeOf(x)
  if (elementCount(shape) === 0) return [context.forward(x), filled(context, shape, 'i32')]
  if (shape[axis] === 1 && sameShape(shape, node.outputs[0]!.shape)) return [context.forward(x), filled(context, shape, 'i32')]
  return sorted(context, node, axis, context.size(shape[axis]!), descending)
}

const topK: Emitter = (context, node) => {
  const { k, axis = -1 } = attrsOf<{ k: number; axis?: number }>(node)
  const shape = shapeOf(node.inputs[0]!)
  if (elementCount(node.outputs[0]!.shape) === 0) return node.outputs.map((output) => filled(context, output.shape, output.dtype))
  return sorted(context, node, axis < 0 ? axis + shape.length : axis, context.ints([k]), true)
}

export const reduceEmitters: EmitterTable = { reduceSum, reduceMax, argMax, cumsum, sort, topK }
