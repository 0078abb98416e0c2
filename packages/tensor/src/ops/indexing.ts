/**
 * Primitives that read or write where another tensor says. Indices are clamped to 0..size − 1; along an axis without
 * elements reads give 0 and writes do nothing.
 */
import { computeArray, type DType, type NumericArray } from '../dtype.js'
import { dtypeOf, shapeOf, type Value } from '../graph/node.js'
import { constant, expand, gather, gatherAlong, scatterAdd, scatterAddAlong } from '../graph/primitives.js'
import type { Shape } from '../shape.js'
import { checkAgree, checkAxis, checkIndices, checkNumber, checkSameDtype, typed } from './check.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { aroundAxis, sizeOf } from './strided.js'

const zerosLike = (x: Value): Value => expand(constant(0, dtypeOf(x)), shapeOf(x))
const clampIndex = (index: number, size: number): number => (index < 0 ? 0 : index >= size ? size - 1 : index)
const gatheredShape = (x: Shape, indices: Shape, axis: number): Shape => [...x.slice(0, axis), ...indices, ...x.slice(axis + 1)]

/** A copy in float64, where many additions to one element lose nothing, and back. */
const widened = (data: NumericArray): Float64Array => Float64Array.from(data)
function narrowed(dtype: DType, values: Float64Array): NumericArray {
  const out = computeArray(dtype, values.length)
  for (let i = 0; i < out.length; i++) out[i] = values[i]!
  return out
}

const allDtypes = ['f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool'] as const
const rangeOf = (dtype: DType): readonly [number, number] => (dtype === 'bool' ? [0, 1] : [0, 50])
const numberDtypes = ['f16', 'bf16', 'i32', 'u32'] as const

const gatherOp = defineOp<{ axis: number }>({
  name: 'gather',
  kind: 'primitive',
  summary: 'Slices of x along an axis at indices of any shape, which replaces the axis in the result.',
  infer: ([x, indices], { axis }) => {
    checkAxis('gather', axis, x!.shape)
    checkIndices('gather', indices!)
    return typed(gatheredShape(x!.shape, indices!.shape, axis), x!.dtype)
  },
  reference: ({ inputs: [x, indices], outputs, attrs }) => {
    const { outer, size, inner } = aroundAxis(x!.shape, attrs.axis)
    const count = indices!.data.length
    const out = computeArray(outputs[0]!.dtype, outer * count * inner)
    if (size === 0) return [out]
    for (let a = 0; a < outer; a++)
      for (let b = 0; b < count; b++) {
        const from = (a * size + clampIndex(indices!.data[b]!, size)) * inner
        const to = (a * count + b) * inner
        for (let c = 0; c < inner; c++) out[to + c] = x!.data[from + c]!
      }
    return [out]
  },
  vjp: ({ inputs: [x, indices], grads, attrs }) => [scatterAdd(zerosLike(x!), indices!, grads[0]!, attrs.axis), undefined],
  samples: [
    { name: 'rows', inputs: [{ shape: [5, 3] }, { shape: [4], dtype: 'i32', values: [0, 4, 2, 2] }], attrs: { axis: 0 } },
    {
      name: 'matrix of indices',
      inputs: [{ shape: [4, 2] }, { shape: [2, 3], dtype: 'u32', values: [0, 1, 2, 3, 0, 0] }],
      attrs: { axis: 0 },
    },
    { name: 'middle axis', inputs: [{ shape: [2, 3, 2] }, { shape: [2], dtype: 'i32', values: [2, 0] }], attrs: { axis: 1 } },
    { name: 'scalar index', inputs: [{ shape: [3, 4] }, { shape: [], dtype: 'i32', values: [1] }], attrs: { axis: 1 } },
    { name: 'clamped', inputs: [{ shape: [3, 2] }, { shape: [3], dtype: 'i32', values: [-1, 3, 2147483647] }], attrs: { axis: 0 } },
    { name: 'no indices', inputs: [{ shape: [3, 2] }, { shape: [0], dtype: 'i32' }], attrs: { axis: 0 } },
    ...allDtypes.map((dtype) => ({
      name: dtype,
      inputs: [
        { shape: [3, 2], dtype, range: rangeOf(dtype) },
        { shape: [2], dtype: 'i32' as const, values: [2, 1] },
      ],
      attrs: { axis: 0 },
    })),
  ],
})

const scatterAddOp = defineOp<{ axis: number }>({
  name: 'scatterAdd',
  kind: 'primitive',
  summary: 'x with updates, shaped as a gather would be, added to its slices at indices along an axis; repeated indices accumulate.',
  infer: ([x, indices, updates], { axis }) => {
    checkAxis('scatterAdd', axis, x!.shape)
    checkIndices('scatterAdd', indices!)
    checkSameDtype('scatterAdd', x!, updates!)
    checkNumber('scatterAdd', x!)
    checkAgree('scatterAdd', ['updates', 'the expected'], updates!.shape, gatheredShape(x!.shape, indices!.shape, axis))
    return [x!]
  },
  reference: ({ inputs: [x, indices, updates], attrs }) => {
    const { outer, size, inner } = aroundAxis(x!.shape, attrs.axis)
    const count = indices!.data.length
    const sums = widened(x!.data)
    if (size > 0)
      for (let a = 0; a < outer; a++)
        for (let b = 0; b < count; b++) {
          const to = (a * size + clampIndex(indices!.data[b]!, size)) * inner
          const from = (a * count + b) * inner
          for (let c = 0; c < inner; c++) sums[to + c]! += updates!.data[from + c]!
        }
    return [narrowed(x!.dtype, sums)]
  },
  vjp: ({ inputs: [, indices], grads, needs, attrs }) => [
    grads[0],
    undefined,
    needs[2] ? gather(grads[0]!, indices!, attrs.axis) : undefined,
  ],
  samples: [
    { name: 'rows', inputs: [{ shape: [4, 3] }, { shape: [3], dtype: 'i32', values: [0, 3, 1] }, { shape: [3, 3] }], attrs: { axis: 0 } },
    {
      name: 'repeated',
      inputs: [{ shape: [3, 2] }, { shape: [2, 2], dtype: 'u32', values: [1, 1, 1, 0] }, { shape: [2, 2, 2] }],
      attrs: { axis: 0 },
    },
    {
      name: 'last axis',
      inputs: [{ shape: [2, 4] }, { shape: [3], dtype: 'i32', values: [3, 0, 3] }, { shape: [2, 3] }],
      attrs: { axis: 1 },
    },
    { name: 'scalar index', inputs: [{ shape: [3, 2] }, { shape: [], dtype: 'i32', values: [2] }, { shape: [2] }], attrs: { axis: 0 } },
    { name: 'clamped', inputs: [{ shape: [3] }, { shape: [2], dtype: 'i32', values: [-5, 9] }, { shape: [2] }], attrs: { axis: 0 } },
    { name: 'no indices', inputs: [{ shape: [3, 2] }, { shape: [0], dtype: 'i32' }, { shape: [0, 2] }], attrs: { axis: 0 } },
    ...numberDtypes.map((dtype) => ({
      name: dtype,
      inputs: [
        { shape: [3, 2], dtype, range: rangeOf(dtype) },
        { shape: [3], dtype: 'i32' as const, values: [2, 0, 2] },
        { shape: [3, 2], dtype, range: rangeOf(dtype) },
      ],
      attrs: { axis: 0 },
    })),
  ],
})

/** For each element of the indices, the element of x that gatherAlong reads and scatterAddAlong adds to. */
function elementsAlong(shape: readonly number[], indexShape: readonly number[], axis: number, indices: NumericArray): Int32Array {
  const { outer, size, inner } = aroundAxis(shape, axis)
  const count = indexShape[axis]!
  const at = new Int32Array(sizeOf(indexShape))
  let i = 0
  for (let a = 0; a < outer; a++)
    for (let b = 0; b < count; b++) for (let c = 0; c < inner; c++, i++) at[i] = (a * size + clampIndex(indices[i]!, size)) * inner + c
  return at
}

const gatherAlongOp = defineOp<{ axis: number }>({
  name: 'gatherAlong',
  kind: 'primitive',
  summary:
    'One element of x for each index: index i at a place picks element i along the axis, the other coordinates being that place’s own.',
  infer: ([x, indices], { axis }) => {
    checkAxis('gatherAlong', axis, x!.shape)
    checkIndices('gatherAlong', indices!)
    checkAgree('gatherAlong', ['x', 'indices'], x!.shape, indices!.shape, axis)
    return typed(indices!.shape, x!.dtype)
  },
  reference: ({ inputs: [x, indices], outputs, attrs }) => {
    const { shape, dtype } = outputs[0]!
    const out = computeArray(dtype, sizeOf(shape))
    if (x!.shape[attrs.axis] === 0) return [out]
    const at = elementsAlong(x!.shape, shape, attrs.axis, indices!.data)
    for (let i = 0; i < out.length; i++) out[i] = x!.data[at[i]!]!
    return [out]
  },
  vjp: ({ inputs: [x, indices], grads, attrs }) => [scatterAddAlong(zerosLike(x!), indices!, grads[0]!, attrs.axis), undefined],
  samples: [
    { name: 'labels', inputs: [{ shape: [3, 5] }, { shape: [3, 1], dtype: 'i32', values: [4, 0, 2] }], attrs: { axis: 1 } },
    {
      name: 'first axis',
      inputs: [{ shape: [3, 2] }, { shape: [4, 2], dtype: 'u32', values: [0, 1, 2, 0, 1, 1, 2, 2] }],
      attrs: { axis: 0 },
    },
    { name: 'middle axis', inputs: [{ shape: [2, 3, 2] }, { shape: [2, 1, 2], dtype: 'i32', values: [0, 1, 2, 0] }], attrs: { axis: 1 } },
    { name: 'clamped', inputs: [{ shape: [2, 3] }, { shape: [2, 2], dtype: 'i32', values: [-1, 3, 100, -100] }], attrs: { axis: 1 } },
    { name: 'no indices', inputs: [{ shape: [2, 3] }, { shape: [2, 0], dtype: 'i32' }], attrs: { axis: 1 } },
    ...allDtypes.map((dtype) => ({
      name: dtype,
      inputs: [
        { shape: [2, 3], dtype, range: rangeOf(dtype) },
        { shape: [2, 1], dtype: 'i32' as const, values: [2, 1] },
      ] as Sample['inputs'],
      attrs: { axis: 1 },
    })),
  ],
})

const scatterAddAlongOp = defineOp<{ axis: number }>({
  name: 'scatterAddAlong',
  kind: 'primitive',
  summary: 'x with updates, shaped as indices, added where gatherAlong would read; repeated indices accumulate.',
  infer: ([x, indices, updates], { axis }) => {
    checkAxis('scatterAddAlong', axis, x!.shape)
    checkIndices('scatterAddAlong', indices!)
    checkSameDtype('scatterAddAlong', x!, updates!)
    checkNumber('scatterAddAlong', x!)
    checkAgree('scatterAddAlong', ['x', 'indices'], x!.shape, indices!.shape, axis)
    checkAgree('scatterAddAlong', ['indices', 'updates'], indices!.shape, updates!.shape)
    return [x!]
  },
  reference: ({ inputs: [x, indices, updates], attrs }) => {
    const sums = widened(x!.data)
    if (x!.shape[attrs.axis]! > 0) {
      const at = elementsAlong(x!.shape, indices!.shape, attrs.axis, indices!.data)
      for (let i = 0; i < at.length; i++) sums[at[i]!]! += updates!.data[i]!
    }
    return [narrowed(x!.dtype, sums)]
  },
  vjp: ({ inputs: [, indices], grads, needs, attrs }) => [
    grads[0],
    undefined,
    needs[2] ? gatherAlong(grads[0]!, indices!, attrs.axis) : undefined,
  ],
  samples: [
    {
      name: 'labels',
      inputs: [{ shape: [3, 5] }, { shape: [3, 1], dtype: 'i32', values: [4, 0, 2] }, { shape: [3, 1] }],
      attrs: { axis: 1 },
    },
    {
      name: 'repeated',
      inputs: [{ shape: [2, 3] }, { shape: [2, 4], dtype: 'u32', values: [0, 0, 2, 0, 1, 1, 1, 1] }, { shape: [2, 4] }],
      attrs: { axis: 1 },
    },
    {
      name: 'first axis',
      inputs: [{ shape: [3, 2] }, { shape: [2, 2], dtype: 'i32', values: [2, 0, 1, 0] }, { shape: [2, 2] }],
      attrs: { axis: 0 },
    },
    { name: 'clamped', inputs: [{ shape: [3] }, { shape: [2], dtype: 'i32', values: [-5, 9] }, { shape: [2] }], attrs: { axis: 0 } },
    { name: 'no indices', inputs: [{ shape: [2, 3] }, { shape: [2, 0], dtype: 'i32' }, { shape: [2, 0] }], attrs: { axis: 1 } },
    ...numberDtypes.map((dtype) => ({
      name: dtype,
      inputs: [
        { shape: [2, 3], dtype, range: rangeOf(dtype) },
        { shape: [2, 2], dtype: 'i32' as const, values: [2, 2, 0, 1] },
        { shape: [2, 2], dtype, range: rangeOf(dtype) },
      ] as Sample['inputs'],
      attrs: { axis: 1 },
    })),
  ],
})

export const indexingOps: readonly OpRow[] = [gatherOp, scatterAddOp, gatherAlongOp, scatterAddAlongOp]
