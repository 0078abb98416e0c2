/**
 * Primitives that cut boxes out of tensors and put them together: pad, slice, concat, updateSlice.
 *
 * Bounds that are numbers are checked when the graph is built. Bounds with a symbol are clamped when it runs, like
 * indices: a box of n elements starts at most at size − n and at least at 0. Elements that do not exist even then (an
 * axis of symbolic size that is shorter than the box) read as 0 and are not written.
 */
import { castNumber, computeArray, isFloat, type DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { dtypeOf, shapeOf, type Value } from '../graph/node.js'
import { constant, expand, pad, reshape, slice, updateSlice } from '../graph/primitives.js'
import { dimMax, indexSym, isSym, isSymExpr, printIndex, printShape, SYMBOL_ADVICE, type Dim, type Index, type Shape } from '../shape.js'
import { checkAgree, checkAxis, checkPerAxis, checkSameDtype, typed } from './check.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { copyBox, sizeOf } from './strided.js'

const zeros = (shape: Shape, dtype: DType): Value => expand(constant(0, dtype), shape)
const offsetOf = (index: Index): number => (typeof index === 'number' ? index : isSymExpr(index) ? index.offset : 0)
/** A symbol plus nothing is the symbol. */
const simplified = (index: Index): Index => (isSymExpr(index) && index.offset === 0 ? index.sym : index)

function plus(index: Index, amount: number): Index {
  if (typeof index === 'number') return index + amount
  const offset = offsetOf(index) + amount
  const symbol = indexSym(index)!
  return offset === 0 ? symbol : symbol.plus(offset)
}

/** Where a box of `length` starts on an axis of `size`, by the rule at the top of the file. */
const clampStart = (start: number, length: number, size: number): number => Math.max(0, Math.min(start, size - length))

const everyDtype = (inputs: Sample['inputs'], attrs: NonNullable<Sample['attrs']>): Sample[] =>
  (['f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool'] satisfies DType[]).map((dtype) => ({
    name: dtype,
    inputs: inputs.map((input) => ({ ...input, dtype, range: dtype === 'bool' ? ([0, 1] as const) : ([0, 100] as const) })),
    attrs,
  }))

const padOp = defineOp<{ pads: readonly (readonly [number, number])[]; value: number }>({
  name: 'pad',
  kind: 'primitive',
  summary: 'x with constant elements before and after it along each axis.',
  infer: ([x], { pads, value }) => {
    const { shape, dtype } = x!
    checkPerAxis('pad', 'pads', pads.length, shape)
    const out = shape.map((dim, axis): Dim => {
      const [before, after] = pads[axis]!
      if (!Number.isSafeInteger(before) || !Number.isSafeInteger(after) || before < 0 || after < 0)
        throw new TensorError(
          'SHAPE',
          `pad: axis ${axis} of ${printShape(shape)} has pads [${before}, ${after}]; expected non-negative integers (slice removes elements)`,
        )
      if (!isSym(dim)) return before + dim + after
      if (before + after > 0)
        throw new TensorError(
          'SHAPE',
          `pad: axis ${axis} of ${printShape(shape)} is the symbol ${dim.name} and cannot be padded by [${before}, ${after}]; ${SYMBOL_ADVICE}`,
        )
      return dim
    })
    if (!isFloat(dtype) && castNumber(dtype, value) !== value)
      throw new TensorError('VALUE', `pad: ${value} is not a value of ${dtype}; give one that ${dtype} holds`)
    return typed(out, dtype)
  },
  reference: ({ inputs, outputs, attrs }) => {
    const x = inputs[0]!
    const { shape, dtype } = outputs[0]!
    const data = computeArray(dtype, sizeOf(shape))
    data.fill(attrs.value)
    const start = attrs.pads.map(([before]) => before)
    copyBox(x.shape, { data: x.data, shape: x.shape, start: x.shape.map(() => 0) }, { data, shape, start })
    return [data]
  },
  vjp: ({ inputs, grads, attrs }) => {
    const starts = attrs.pads.map(([before]) => before)
    const ends = shapeOf(inputs[0]!).map((dim, axis) => (isSym(dim) ? dim : starts[axis]! + dim))
    return [slice(grads[0]!, starts, ends)]
  },
  samples: [
    { name: 'vector', inputs: [{ shape: [3] }], attrs: { pads: [[2, 1]], value: 0 } },
    {
      name: 'matrix',
      inputs: [{ shape: [2, 3] }],
      attrs: {
        pads: [
          [0, 1],
          [2, 0],
        ],
        value: 1.5,
      },
    },
    {
      name: 'minus infinity',
      inputs: [{ shape: [2, 2] }],
      attrs: {
        pads: [
          [1, 1],
          [0, 0],
        ],
        value: -Infinity,
      },
      gradient: false,
    },
    { name: 'scalar', inputs: [{ shape: [] }], attrs: { pads: [], value: 0 } },
    {
      name: 'from empty',
      inputs: [{ shape: [0, 2] }],
      attrs: {
        pads: [
          [1, 1],
          [0, 0],
        ],
        value: 7,
      },
    },
    ...everyDtype([{ shape: [2, 2] }], {
      pads: [
        [1, 0],
        [0, 1],
      ],
      value: 1,
    }),
  ],
})

type SliceAttrs = {
  readonly starts: readonly Index[]
  readonly ends: readonly Index[]
  readonly steps?: readonly number[]
}

/** Size of one axis after slicing. */
function slicedDim(shape: Shape, axis: number, start: Index, end: Index, step: number): Dim {
  const size = shape[axis]!
  const range = `${printIndex(start)} to ${printIndex(end)}${step === 1 ? '' : ` by ${step}`}`
  const fail = (reason: string): never => {
    throw new TensorError('SHAPE', `slice: range ${range} on axis ${axis} of ${printShape(shape)}: ${reason}`)
  }
  if (!Number.isSafeInteger(step) || step < 1) fail('steps must be positive integers (flip reverses an axis)')
  const startSym = indexSym(start)
  const endSym = indexSym(end)
  if (step > 1 && (startSym ?? endSym ?? (isSym(size) ? size : undefined)) !== undefined)
    fail('a step is not possible where a symbol is involved; expected step 1')
  if (startSym === undefined && endSym !== undefined) {
    if (start !== 0 || offsetOf(end) !== 0)
      fail(`its length would be a symbol plus a constant; expected 0 to ${endSym.name}; ${SYMBOL_ADVICE}`)
    if (isSym(size) ? size !== endSym : endSym.max > size)
      fail(
        isSym(size)
          ? `${endSym.name} is not the size of the axis; expected ${size.name}`
          : `${endSym.name} may reach ${endSym.max} but the axis has ${printIndex(size)} elements`,
      )
    return endSym
  }
  if (startSym !== endSym) fail('its length is not known; expected both bounds to be numbers, or the same symbol plus constants')
  const length = offsetOf(end) - offsetOf(start)
  if (!Number.isSafeInteger(length) || length < 0) fail('it ends before it starts, or its bounds are not integers')
  if (length > dimMax(size)) fail(`it has ${length} elements but the axis has at most ${dimMax(size)}`)
  if (startSym === undefined && (offsetOf(start) < 0 || offsetOf(end) > dimMax(size)))
    fail(`it lies outside the axis; expected 0 ≤ start ≤ end ≤ ${dimMax(size)}`)
  return Math.ceil(length / step)
}

const sliceOp = defineOp<SliceAttrs>({
  name: 'slice',
  kind: 'primitive',
  summary:
    'The box from starts to ends (exclusive), every steps-th element. 0 to a symbol makes a symbolic dimension; symbol + a to symbol + b makes one of b − a.',
  infer: ([x], { starts, ends, steps }) => {
    const { shape, dtype } = x!
    checkPerAxis('slice', 'starts', starts.length, shape)
    checkPerAxis('slice', 'ends', ends.length, shape)
    if (steps !== undefined) checkPerAxis('slice', 'steps', steps.length, shape)
    return typed(
      shape.map((_, axis) => slicedDim(shape, axis, simplified(starts[axis]!), simplified(ends[axis]!), steps?.[axis] ?? 1)),
      dtype,
    )
  },
  reference: ({ inputs, outputs, attrs }) => {
    const x = inputs[0]!
    const { shape, dtype } = outputs[0]!
    const steps = attrs.steps ?? shape.map(() => 1)
    const start = shape.map((length, axis) =>
      steps[axis] === 1 ? clampStart(attrs.starts[axis] as number, length, x.shape[axis]!) : (attrs.starts[axis] as number),
    )
    const box = shape.map((length, axis) => Math.min(length, x.shape[axis]!))
    const data = computeArray(dtype, sizeOf(shape))
    copyBox(box, { data: x.data, shape: x.shape, start, steps }, { data, shape, start: shape.map(() => 0) })
    return [data]
  },
  vjp: ({ inputs, grads, attrs }) => {
    const { starts, ends, steps } = attrs
    const shape = shapeOf(inputs[0]!)
    const grad = steps === undefined ? grads[0]! : dilate(grads[0]!, steps)
    const gradShape = shapeOf(grad)
    // A range as long as its axis is all of it, wherever a symbol says it starts; a dilated one may only look as long.
    const isWhole = shape.map((dim, axis) => gradShape[axis] === dim && (typeof starts[axis] !== 'number' || starts[axis] === 0))
    const isFixed = shape.every(
      (dim, axis) => isWhole[axis]! || (typeof dim === 'number' && typeof starts[axis] === 'number' && typeof ends[axis] === 'number'),
    )
    if (!isFixed) return [updateSlice(zeros(shape, dtypeOf(grad)), grad, starts)]
    // Dilation ends with zeros that may reach past the axis.
    const limits = shape.map((dim, axis) =>
      isWhole[axis] ? dim : Math.min(gradShape[axis] as number, (dim as number) - (starts[axis] as number)),
    )
    const trimmed = limits.every((limit, axis) => limit === gradShape[axis])
      ? grad
      : slice(
          grad,
          limits.map(() => 0),
          limits,
        )
    const pads = shape.map((dim, axis): [number, number] => {
      if (isWhole[axis]) return [0, 0]
      const before = starts[axis] as number
      return [before, (dim as number) - before - (limits[axis] as number)]
    })
    return [pad(trimmed, pads)]
  },
  samples: [
    { name: 'vector', inputs: [{ shape: [6] }], attrs: { starts: [1], ends: [4] } },
    { name: 'matrix', inputs: [{ shape: [4, 5] }], attrs: { starts: [1, 0], ends: [3, 5] } },
    { name: 'steps', inputs: [{ shape: [7, 5] }], attrs: { starts: [1, 0], ends: [7, 5], steps: [2, 3] } },
    { name: 'steps to the end', inputs: [{ shape: [6] }], attrs: { starts: [0], ends: [6], steps: [3] } },
    { name: 'steps that fill the axis', inputs: [{ shape: [6] }], attrs: { starts: [1], ends: [6], steps: [3] } },
    { name: 'long step', inputs: [{ shape: [5] }], attrs: { starts: [1], ends: [5], steps: [9] } },
    { name: 'all', inputs: [{ shape: [2, 3] }], attrs: { starts: [0, 0], ends: [2, 3] } },
    { name: 'nothing', inputs: [{ shape: [4, 2] }], attrs: { starts: [2, 0], ends: [2, 2] } },
    { name: 'scalar', inputs: [{ shape: [] }], attrs: { starts: [], ends: [] } },
    { name: 'empty', inputs: [{ shape: [0, 3] }], attrs: { starts: [0, 1], ends: [0, 3] } },
    ...everyDtype([{ shape: [3, 4] }], { starts: [1, 1], ends: [3, 3] }),
  ],
})

/** Puts step − 1 zeros after each element of every axis, so that steps become 1. */
function dilate(x: Value, steps: readonly number[]): Value {
  let out = x
  steps.forEach((step, axis) => {
    if (step === 1) return
    const shape = shapeOf(out)
    const split = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)]
    const padded = pad(
      reshape(out, split),
      split.map((_, i): [number, number] => (i === axis + 1 ? [0, step - 1] : [0, 0])),
    )
    out = reshape(
      padded,
      shape.map((dim, i) => (i === axis ? (dim as number) * step : dim)),
    )
  })
  return out
}

const concatOp = defineOp<{ axis: number }>({
  name: 'concat',
  kind: 'primitive',
  summary: 'Tensors one after another along an axis; they agree on all other axes and on the dtype.',
  infer: (inputs, { axis }) => {
    if (inputs.length === 0) throw new TensorError('SHAPE', 'concat: got no tensors; expected at least one')
    const first = inputs[0]!
    checkAxis('concat', axis, first.shape)
    let size = 0
    inputs.forEach((x, i) => {
      checkSameDtype('concat', first, x)
      checkAgree('concat', ['input 0', `input ${i}`], first.shape, x.shape, axis)
      const dim = x.shape[axis]!
      if (isSym(dim))
        throw new TensorError(
          'SHAPE',
          `concat: axis ${axis} of input ${i} ${printShape(x.shape)} is the symbol ${dim.name}; ${SYMBOL_ADVICE}`,
        )
      size += dim
    })
    return typed(
      first.shape.map((dim, i) => (i === axis ? size : dim)),
      first.dtype,
    )
  },
  reference: ({ inputs, outputs, attrs }) => {
    const { shape, dtype } = outputs[0]!
    const data = computeArray(dtype, sizeOf(shape))
    const start = shape.map(() => 0)
    for (const x of inputs) {
      copyBox(x.shape, { data: x.data, shape: x.shape, start: shape.map(() => 0) }, { data, shape, start })
      start[attrs.axis]! += x.shape[attrs.axis]!
    }
    return [data]
  },
  vjp: ({ inputs, grads, needs, attrs: { axis } }) => {
    const grad = grads[0]!
    let from = 0
    return inputs.map((x, i) => {
      const shape = shapeOf(x)
      const start = from
      from += shape[axis] as number
      if (!needs[i]) return undefined
      return slice(
        grad,
        shape.map((_, d) => (d === axis ? start : 0)),
        shape.map((dim, d) => (d === axis ? start + (dim as number) : dim)),
      )
    })
  },
  samples: [
    { name: 'rows', inputs: [{ shape: [2, 3] }, { shape: [1, 3] }], attrs: { axis: 0 } },
    { name: 'columns', inputs: [{ shape: [2, 3] }, { shape: [2, 1] }, { shape: [2, 2] }], attrs: { axis: 1 } },
    { name: 'one', inputs: [{ shape: [2, 3] }], attrs: { axis: 1 } },
    { name: 'with empty', inputs: [{ shape: [2, 0] }, { shape: [2, 2] }], attrs: { axis: 1 } },
    { name: 'all empty', inputs: [{ shape: [0, 2] }, { shape: [0, 2] }], attrs: { axis: 0 } },
    ...everyDtype([{ shape: [2, 2] }, { shape: [2, 3] }], { axis: 1 }),
  ],
})

const updateSliceOp = defineOp<{ starts: readonly Index[] }>({
  name: 'updateSlice',
  kind: 'primitive',
  summary: 'x with the box at starts replaced by an update of the same rank.',
  infer: ([x, update], { starts }) => {
    checkSameDtype('updateSlice', x!, update!)
    checkPerAxis('updateSlice', 'starts', starts.length, x!.shape)
    if (update!.shape.length !== x!.shape.length)
      throw new TensorError(
        'SHAPE',
        `updateSlice: the update ${printShape(update!.shape)} must have the rank of the tensor ${printShape(x!.shape)}; reshape it`,
      )
    update!.shape.forEach((length, axis) => {
      const size = x!.shape[axis]!
      const start = simplified(starts[axis]!)
      const fail = (reason: string): never => {
        throw new TensorError(
          'SHAPE',
          `updateSlice: update ${printShape(update!.shape)} at ${printIndex(start)} on axis ${axis} of ${printShape(x!.shape)}: ${reason}`,
        )
      }
      if (isSym(length)) {
        if (start !== 0) fail(`an update of symbolic size must start at 0; ${SYMBOL_ADVICE}`)
        if (isSym(size) ? size !== length : length.max > size)
          fail(
            isSym(size)
              ? `${length.name} is not the size of the axis; expected ${size.name}`
              : `${length.name} may reach ${length.max}, beyond the axis's ${size}`,
          )
      } else {
        if (length > dimMax(size)) fail(`the update has ${length} elements but the axis has at most ${dimMax(size)}`)
        if (typeof start === 'number' && (!Number.isSafeInteger(start) || start < 0 || start + length > dimMax(size)))
          fail(`the box lies outside the axis; expected a start from 0 to ${dimMax(size) - length}`)
      }
    })
    return [x!]
  },
  reference: ({ inputs, attrs }) => {
    const [x, update] = inputs as readonly [(typeof inputs)[0] & object, (typeof inputs)[0] & object]
    const data = x.data.slice()
    const start = x.shape.map((size, axis) => clampStart(attrs.starts[axis] as number, update.shape[axis]!, size))
    const box = update.shape.map((length, axis) => Math.min(length, x.shape[axis]!))
    copyBox(box, { data: update.data, shape: update.shape, start: box.map(() => 0) }, { data, shape: x.shape, start })
    return [data]
  },
  vjp: ({ inputs, grads, needs, attrs: { starts } }) => {
    const grad = grads[0]!
    const shape = shapeOf(inputs[1]!)
    return [
      needs[0] ? updateSlice(grad, zeros(shape, dtypeOf(grad)), starts) : undefined,
      needs[1]
        ? slice(
            grad,
            starts,
            shape.map((length, axis) => (isSym(length) ? length : plus(starts[axis]!, length))),
          )
        : undefined,
    ]
  },
  alias: [[0, 0]],
  samples: [
    { name: 'vector', inputs: [{ shape: [6] }, { shape: [2] }], attrs: { starts: [3] } },
    { name: 'matrix', inputs: [{ shape: [4, 5] }, { shape: [2, 3] }], attrs: { starts: [1, 2] } },
    { name: 'all', inputs: [{ shape: [2, 2] }, { shape: [2, 2] }], attrs: { starts: [0, 0] } },
    { name: 'nothing', inputs: [{ shape: [2, 2] }, { shape: [0, 2] }], attrs: { starts: [1, 0] } },
    { name: 'scalar', inputs: [{ shape: [] }, { shape: [] }], attrs: { starts: [] } },
    ...everyDtype([{ shape: [3, 3] }, { shape: [1, 2] }], { starts: [2, 1] }),
  ],
})

export const slicingOps: readonly OpRow[] = [padOp, sliceOp, concatOp, updateSliceOp]
