/** Primitives that combine the elements along axes: sums, maxima, running sums. */
import { computeArray, integerRange, isFloat, type DType } from '../dtype.js'
import { dtypeOf, shapeOf, type Value } from '../graph/node.js'
import { cast, cumsum, div, eq, expand, mul, reduceSum, reshape } from '../graph/primitives.js'
import { stridesOf } from '../shape.js'
import { checkAxes, checkAxis, checkNumber, reducedShape, typed } from './check.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { aroundAxis, offsetsOf, sizeOf } from './strided.js'

type ReduceAttrs = { readonly axes: readonly number[]; readonly keepDims: boolean }

/** Where each element of x goes in the reduced tensor. */
function targetsOf(shape: readonly number[], axes: readonly number[]): Int32Array {
  const kept = stridesOf(reducedShape(shape, axes, true) as number[])
  return offsetsOf(
    shape,
    kept.map((stride, axis) => (axes.includes(axis) ? 0 : stride)),
  )
}

/** Smallest value of a dtype, the identity of max. */
export const lowest = (dtype: DType): number => (isFloat(dtype) ? -Infinity : integerRange(dtype)[0])

/** A reduced tensor with its axes put back as 1, so that it broadcasts against x. */
const restored = (reduced: Value, x: Value, axes: readonly number[]): Value => reshape(reduced, reducedShape(shapeOf(x), axes, true))

const reduceSamples: readonly Sample[] = [
  { name: 'last axis', inputs: [{ shape: [3, 4] }], attrs: { axes: [1], keepDims: false } },
  { name: 'first axis kept', inputs: [{ shape: [3, 4] }], attrs: { axes: [0], keepDims: true } },
  { name: 'middle', inputs: [{ shape: [2, 3, 4] }], attrs: { axes: [1], keepDims: false } },
  { name: 'outer axes', inputs: [{ shape: [2, 3, 4] }], attrs: { axes: [0, 2], keepDims: true } },
  { name: 'all', inputs: [{ shape: [2, 3] }], attrs: { axes: [0, 1], keepDims: false } },
  { name: 'no axes', inputs: [{ shape: [2, 3] }], attrs: { axes: [], keepDims: false } },
  { name: 'scalar', inputs: [{ shape: [] }], attrs: { axes: [], keepDims: false } },
  { name: 'over nothing', inputs: [{ shape: [2, 0] }], attrs: { axes: [1], keepDims: false } },
  { name: 'empty result', inputs: [{ shape: [0, 3] }], attrs: { axes: [1], keepDims: true } },
  {
    name: 'infinities',
    inputs: [{ shape: [2, 3], values: [1, Infinity, 2, -Infinity, -Infinity, 3] }],
    attrs: { axes: [1], keepDims: false },
    gradient: false,
  },
  { name: 'nan', inputs: [{ shape: [2, 2], values: [NaN, 1, 2, 3] }], attrs: { axes: [1], keepDims: false }, gradient: false },
  { name: 'f16', inputs: [{ shape: [3, 40], dtype: 'f16' }], attrs: { axes: [1], keepDims: false } },
  { name: 'bf16', inputs: [{ shape: [3, 40], dtype: 'bf16' }], attrs: { axes: [1], keepDims: true } },
  { name: 'i32', inputs: [{ shape: [2, 3], dtype: 'i32', range: [-100, 100] }], attrs: { axes: [0], keepDims: false } },
  { name: 'u32', inputs: [{ shape: [2, 3], dtype: 'u32', range: [0, 100] }], attrs: { axes: [1], keepDims: false } },
  { name: 'i32 over nothing', inputs: [{ shape: [0, 2], dtype: 'i32' }], attrs: { axes: [0], keepDims: false } },
]

const reduceSumOp = defineOp<ReduceAttrs>({
  name: 'reduceSum',
  kind: 'primitive',
  summary: 'Sum over some axes, 0 over none of the elements. Integers wrap around.',
  infer: ([x], { axes, keepDims }) => {
    checkNumber('reduceSum', x!, 'cast it to i32 to count')
    checkAxes('reduceSum', axes, x!.shape)
    return typed(reducedShape(x!.shape, axes, keepDims), x!.dtype)
  },
  reference: ({ inputs, outputs, attrs }) => {
    const { data, shape } = inputs[0]!
    const target = targetsOf(shape, attrs.axes)
    const sums = new Float64Array(sizeOf(outputs[0]!.shape))
    for (let i = 0; i < target.length; i++) sums[target[i]!]! += data[i]!
    const out = computeArray(outputs[0]!.dtype, sums.length)
    for (let i = 0; i < out.length; i++) out[i] = sums[i]!
    return [out]
  },
  vjp: ({ inputs, grads, attrs }) => [expand(restored(grads[0]!, inputs[0]!, attrs.axes), shapeOf(inputs[0]!))],
  samples: reduceSamples,
})

const reduceMaxOp = defineOp<ReduceAttrs>({
  name: 'reduceMax',
  kind: 'primitive',
  summary: 'Maximum over some axes: NaN if any element is, the lowest value over no elements. Equal maxima share the gradient evenly.',
  infer: ([x], { axes, keepDims }) => {
    checkNumber('reduceMax', x!, 'cast it to i32 first')
    checkAxes('reduceMax', axes, x!.shape)
    return typed(reducedShape(x!.shape, axes, keepDims), x!.dtype)
  },
  reference: ({ inputs, outputs, attrs }) => {
    const { data, shape } = inputs[0]!
    const { dtype } = outputs[0]!
    const target = targetsOf(shape, attrs.axes)
    const out = computeArray(dtype, sizeOf(outputs[0]!.shape)).fill(lowest(dtype))
    for (let i = 0; i < target.length; i++) {
      const value = data[i]!
      // Written so that NaN gets in and stays: no comparison with it holds.
      if (!(value <= out[target[i]!]!)) if (!Number.isNaN(out[target[i]!]!)) out[target[i]!] = value
    }
    return [out]
  },
  vjp: ({ inputs, outputs, grads, attrs: { axes } }) => {
    const x = inputs[0]!
    const dtype = dtypeOf(x)
    // Half types cannot count far (bf16 stops at 256), so shares are computed wider.
    const wide = dtype === 'f64' ? 'f64' : 'f32'
    const isMax = cast(eq(x, restored(outputs[0]!, x, axes)), wide)
    const incoming = cast(restored(grads[0]!, x, axes), wide)
    // Over nothing there is nobody to share with, and 0 / 0 would reach gradients of this gradient.
    const share = axes.some((axis) => shapeOf(x)[axis] === 0) ? incoming : div(incoming, reduceSum(isMax, axes, true))
    return [cast(mul(isMax, share), dtype)]
  },
  samples: [
    ...reduceSamples,
    { name: 'ties', inputs: [{ shape: [2, 4], values: [1, 3, 3, 2, 5, 5, 5, 5] }], attrs: { axes: [1], keepDims: false }, gradient: false },
    {
      name: 'u32 high',
      inputs: [{ shape: [3], dtype: 'u32', values: [1, 4294967295, 2147483648] }],
      attrs: { axes: [0], keepDims: false },
    },
    { name: 'i8', inputs: [{ shape: [3], dtype: 'i8', values: [-128, -5, -9] }], attrs: { axes: [0], keepDims: false } },
  ],
})

const argMaxOp = defineOp<{ axis: number; keepDims: boolean }>({
  name: 'argMax',
  kind: 'primitive',
  summary: 'Position (i32) of the maximum along an axis, the first at a tie; NaN counts as the maximum. 0 over no elements.',
  infer: ([x], { axis, keepDims }) => {
    checkNumber('argMax', x!, 'cast it to i32 first')
    checkAxis('argMax', axis, x!.shape)
    return typed(reducedShape(x!.shape, [axis], keepDims), 'i32')
  },
  reference: ({ inputs, attrs }) => {
    const { data, shape } = inputs[0]!
    const { outer, size, inner } = aroundAxis(shape, attrs.axis)
    const out = new Int32Array(outer * inner)
    for (let a = 0; a < outer; a++)
      for (let c = 0; c < inner; c++) {
        let best = 0
        for (let b = 1; b < size; b++) {
          const value = data[(a * size + b) * inner + c]!
          const held = data[(a * size + best) * inner + c]!
          if (!(value <= held) && !Number.isNaN(held)) best = b
        }
        out[a * inner + c] = best
      }
    return [out]
  },
  stopsGradient: true,
  samples: [
    { name: 'last axis', inputs: [{ shape: [3, 5] }], attrs: { axis: 1, keepDims: false } },
    { name: 'first axis kept', inputs: [{ shape: [4, 3] }], attrs: { axis: 0, keepDims: true } },
    { name: 'ties', inputs: [{ shape: [2, 3], values: [1, 2, 2, 3, 3, 3] }], attrs: { axis: 1, keepDims: false } },
    { name: 'nan', inputs: [{ shape: [2, 3], values: [1, NaN, NaN, Infinity, 2, NaN] }], attrs: { axis: 1, keepDims: false } },
    { name: 'minus infinity', inputs: [{ shape: [3], values: [-Infinity, -Infinity, -Infinity] }], attrs: { axis: 0, keepDims: false } },
    { name: 'over nothing', inputs: [{ shape: [2, 0] }], attrs: { axis: 1, keepDims: false } },
    { name: 'empty result', inputs: [{ shape: [0, 2] }], attrs: { axis: 1, keepDims: false } },
    ...(['f16', 'bf16', 'i32', 'u32', 'i8', 'u8'] as const).map((dtype) => ({
      name: dtype,
      inputs: [{ shape: [2, 4], dtype, values: [1, 5, 3, 5, 9, 8, 7, 6] }],
      attrs: { axis: 1, keepDims: false },
    })),
  ],
})

const cumsumOp = defineOp<{ axis: number; exclusive?: boolean; reverse?: boolean }>({
  name: 'cumsum',
  kind: 'primitive',
  summary: 'Running sum along an axis: without the element itself when exclusive, from the end when reverse. Integers wrap around.',
  infer: ([x], { axis }) => {
    checkNumber('cumsum', x!, 'cast it to i32 to count')
    checkAxis('cumsum', axis, x!.shape)
    return [x!]
  },
  reference: ({ inputs, outputs, attrs: { axis, exclusive = false, reverse = false } }) => {
    const { data, shape } = inputs[0]!
    const out = computeArray(outputs[0]!.dtype, data.length)
    const { outer, size, inner } = aroundAxis(shape, axis)
    for (let a = 0; a < outer; a++)
      for (let c = 0; c < inner; c++) {
        let sum = 0
        for (let b = 0; b < size; b++) {
          const i = (a * size + (reverse ? size - 1 - b : b)) * inner + c
          if (exclusive) out[i] = sum
          sum += data[i]!
          if (!exclusive) out[i] = sum
        }
      }
    return [out]
  },
  vjp: ({ grads, attrs: { axis, exclusive = false, reverse = false } }) => [cumsum(grads[0]!, axis, { exclusive, reverse: !reverse })],
  samples: [
    { name: 'vector', inputs: [{ shape: [5] }], attrs: { axis: 0 } },
    { name: 'first axis', inputs: [{ shape: [3, 4] }], attrs: { axis: 0 } },
    { name: 'exclusive', inputs: [{ shape: [2, 4] }], attrs: { axis: 1, exclusive: true } },
    { name: 'reverse', inputs: [{ shape: [2, 4, 2] }], attrs: { axis: 1, reverse: true } },
    { name: 'exclusive reverse', inputs: [{ shape: [4] }], attrs: { axis: 0, exclusive: true, reverse: true } },
    { name: 'empty', inputs: [{ shape: [2, 0] }], attrs: { axis: 1 } },
    { name: 'f16', inputs: [{ shape: [2, 5], dtype: 'f16' }], attrs: { axis: 1 } },
    { name: 'bf16', inputs: [{ shape: [2, 5], dtype: 'bf16' }], attrs: { axis: 1 } },
    { name: 'i32', inputs: [{ shape: [6], dtype: 'i32', range: [-100, 100] }], attrs: { axis: 0 } },
    { name: 'u32 wraps', inputs: [{ shape: [3], dtype: 'u32', values: [4294967295, 2, 3] }], attrs: { axis: 0 } },
    { name: 'nan', inputs: [{ shape: [4], values: [1, NaN, 2, 3] }], attrs: { axis: 0 }, gradient: false },
  ],
})

export const reduceOps: readonly OpRow[] = [reduceSumOp, reduceMaxOp, argMaxOp, cumsumOp]
