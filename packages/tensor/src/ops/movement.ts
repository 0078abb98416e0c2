/** Primitives that rearrange or repeat elements without choosing among them: reshape, permute, expand, flip. */
import { computeArray, type DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { shapeOf } from '../graph/node.js'
import { flip, permute, reshape, sumTo } from '../graph/primitives.js'
import { isSym, printIndex, printShape, stridesOf, SYMBOL_ADVICE, type Shape, type Sym } from '../shape.js'
import { checkAxes, checkShape, typed } from './check.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { broadcastStrides, offsetsOf } from './strided.js'

/** A shape as its symbols and the element counts before, between and after them. */
function segmentsOf(shape: Shape): { readonly symbols: readonly Sym[]; readonly counts: readonly number[] } {
  const symbols: Sym[] = []
  const counts = [1]
  for (const dim of shape) {
    if (isSym(dim)) {
      symbols.push(dim)
      counts.push(1)
    } else counts[counts.length - 1]! *= dim
  }
  return { symbols, counts }
}

const sameList = <T>(a: readonly T[], b: readonly T[]): boolean => a.length === b.length && a.every((item, i) => item === b[i])

/** Samples of a movement op on every dtype, since none of them computes. */
const everyDtype = (shape: readonly number[], attrs: NonNullable<Sample['attrs']>): Sample[] =>
  (['f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool'] satisfies DType[]).map((dtype) => ({
    name: dtype,
    inputs: [{ shape, dtype, range: dtype === 'bool' ? ([0, 1] as const) : ([0, 100] as const) }],
    attrs,
  }))

const reshapeOp = defineOp<{ shape: Shape }>({
  name: 'reshape',
  kind: 'primitive',
  summary: 'The same elements in row-major order under another shape. A symbol stays a dimension of its own.',
  infer: ([x], { shape }) => {
    checkShape('reshape', shape)
    const from = segmentsOf(x!.shape)
    const to = segmentsOf(shape)
    if (!sameList(from.symbols, to.symbols) || (from.symbols.length > 0 && !sameList(from.counts, to.counts)))
      throw new TensorError(
        'SHAPE',
        `reshape: ${printShape(x!.shape)} cannot become ${printShape(shape)}: a symbol must stay a dimension of its own with the same number of elements before and after it; ${SYMBOL_ADVICE}`,
      )
    if (from.counts[0] !== to.counts[0])
      throw new TensorError(
        'SHAPE',
        `reshape: ${printShape(x!.shape)} has ${from.counts[0]} elements and ${printShape(shape)} has ${to.counts[0]}; expected equal counts`,
      )
    return typed(shape, x!.dtype)
  },
  reference: ({ inputs }) => [inputs[0]!.data],
  vjp: ({ inputs, grads }) => [reshape(grads[0]!, shapeOf(inputs[0]!))],
  samples: [
    { name: 'split', inputs: [{ shape: [6, 4] }], attrs: { shape: [2, 3, 2, 2] } },
    { name: 'flatten', inputs: [{ shape: [2, 3, 4] }], attrs: { shape: [24] } },
    { name: 'to scalar', inputs: [{ shape: [1, 1] }], attrs: { shape: [] } },
    { name: 'from scalar', inputs: [{ shape: [] }], attrs: { shape: [1, 1, 1] } },
    { name: 'empty', inputs: [{ shape: [0, 4] }], attrs: { shape: [2, 0] } },
    ...everyDtype([2, 3], { shape: [3, 2] }),
  ],
})

const permuteOp = defineOp<{ perm: readonly number[] }>({
  name: 'permute',
  kind: 'primitive',
  summary: 'Axes in another order: axis i of the result is axis perm[i] of x.',
  infer: ([x], { perm }) => {
    const { shape, dtype } = x!
    if (
      perm.length !== shape.length ||
      !perm.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < shape.length) ||
      new Set(perm).size !== perm.length
    )
      throw new TensorError(
        'SHAPE',
        `permute: [${perm.join(', ')}] is not an order of the axes of ${printShape(shape)}; expected each of 0 to ${shape.length - 1} once`,
      )
    return typed(
      perm.map((axis) => shape[axis]!),
      dtype,
    )
  },
  reference: ({ inputs, outputs, attrs }) => {
    const { data, shape } = inputs[0]!
    const strides = stridesOf(shape)
    const from = offsetsOf(
      outputs[0]!.shape,
      attrs.perm.map((axis) => strides[axis]!),
    )
    const out = computeArray(outputs[0]!.dtype, from.length)
    for (let i = 0; i < from.length; i++) out[i] = data[from[i]!]!
    return [out]
  },
  vjp: ({ grads, attrs }) => {
    const inverse = new Array<number>(attrs.perm.length)
    attrs.perm.forEach((axis, i) => (inverse[axis] = i))
    return [permute(grads[0]!, inverse)]
  },
  samples: [
    { name: 'transpose', inputs: [{ shape: [3, 5] }], attrs: { perm: [1, 0] } },
    { name: 'heads', inputs: [{ shape: [2, 3, 4, 5] }], attrs: { perm: [0, 2, 1, 3] } },
    { name: 'cycle', inputs: [{ shape: [2, 3, 4] }], attrs: { perm: [2, 0, 1] } },
    { name: 'identity', inputs: [{ shape: [2, 3] }], attrs: { perm: [0, 1] } },
    { name: 'scalar', inputs: [{ shape: [] }], attrs: { perm: [] } },
    { name: 'empty', inputs: [{ shape: [2, 0, 3] }], attrs: { perm: [2, 1, 0] } },
    ...everyDtype([2, 3], { perm: [1, 0] }),
  ],
})

const expandOp = defineOp<{ shape: Shape }>({
  name: 'expand',
  kind: 'primitive',
  summary: 'Broadcast to a shape: dimensions of 1 are repeated, missing ones are added in front.',
  infer: ([x], { shape }) => {
    checkShape('expand', shape)
    const from = x!.shape
    const extra = shape.length - from.length
    const fits = extra >= 0 && from.every((dim, axis) => dim === 1 || dim === shape[axis + extra])
    if (!fits) {
      const axis = from.findLastIndex((dim, i) => dim !== 1 && dim !== shape[i + extra])
      const reason =
        extra < 0
          ? `the target has fewer axes (${shape.length}) than the tensor (${from.length})`
          : `axis ${axis} is ${printIndex(from[axis]!)} and cannot become ${printIndex(shape[axis + extra]!)}; only 1 can be repeated`
      throw new TensorError('SHAPE', `expand: ${printShape(from)} does not broadcast to ${printShape(shape)}: ${reason}`)
    }
    return typed(shape, x!.dtype)
  },
  reference: ({ inputs, outputs }) => {
    const { data, shape } = inputs[0]!
    const target = outputs[0]!
    const from = offsetsOf(target.shape, broadcastStrides(shape, target.shape))
    const out = computeArray(target.dtype, from.length)
    for (let i = 0; i < from.length; i++) out[i] = data[from[i]!]!
    return [out]
  },
  vjp: ({ inputs, grads }) => [sumTo(grads[0]!, shapeOf(inputs[0]!))],
  samples: [
    { name: 'scalar', inputs: [{ shape: [] }], attrs: { shape: [2, 3] } },
    { name: 'middle', inputs: [{ shape: [2, 1, 3] }], attrs: { shape: [2, 4, 3] } },
    { name: 'new axes', inputs: [{ shape: [3, 1] }], attrs: { shape: [2, 3, 2] } },
    { name: 'unchanged', inputs: [{ shape: [2, 3] }], attrs: { shape: [2, 3] } },
    { name: 'to empty', inputs: [{ shape: [1, 3] }], attrs: { shape: [0, 3] } },
    ...everyDtype([2, 1], { shape: [2, 3] }),
  ],
})

const flipOp = defineOp<{ axes: readonly number[] }>({
  name: 'flip',
  kind: 'primitive',
  summary: 'Elements in reverse order along some axes.',
  infer: ([x], { axes }) => {
    checkAxes('flip', axes, x!.shape)
    return [x!]
  },
  reference: ({ inputs, outputs, attrs }) => {
    const { data, shape } = inputs[0]!
    const strides: number[] = stridesOf(shape)
    let base = 0
    for (const axis of attrs.axes) {
      base += strides[axis]! * (shape[axis]! - 1)
      strides[axis] = -strides[axis]!
    }
    const from = offsetsOf(shape, strides, base)
    const out = computeArray(outputs[0]!.dtype, from.length)
    for (let i = 0; i < from.length; i++) out[i] = data[from[i]!]!
    return [out]
  },
  vjp: ({ grads, attrs }) => [flip(grads[0]!, attrs.axes)],
  samples: [
    { name: 'vector', inputs: [{ shape: [5] }], attrs: { axes: [0] } },
    { name: 'two axes', inputs: [{ shape: [2, 3, 4] }], attrs: { axes: [0, 2] } },
    { name: 'no axes', inputs: [{ shape: [2, 3] }], attrs: { axes: [] } },
    { name: 'empty', inputs: [{ shape: [0, 3] }], attrs: { axes: [0] } },
    ...everyDtype([2, 3], { axes: [1] }),
  ],
})

export const movementOps: readonly OpRow[] = [reshapeOp, permuteOp, expandOp, flipOp]
