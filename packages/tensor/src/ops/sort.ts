/** The sorting primitive. */
import { computeArray } from '../dtype.js'
import { dtypeOf, shapeOf } from '../graph/node.js'
import { constant, expand, scatterAddAlong } from '../graph/primitives.js'
import { checkAxis, checkNumber } from './check.js'
import { defineOp, type OpRow } from './row.js'
import { aroundAxis } from './strided.js'

const sortOp = defineOp<{ axis: number; descending: boolean }>({
  name: 'sort',
  kind: 'primitive',
  summary: 'Elements in order along an axis, and their former positions (i32). Stable in both directions; NaN counts as the largest.',
  infer: ([x], { axis }) => {
    checkNumber('sort', x!, 'cast it to i32 first')
    checkAxis('sort', axis, x!.shape)
    return [x!, { shape: x!.shape, dtype: 'i32' }]
  },
  reference: ({ inputs, attrs: { axis, descending } }) => {
    const { data, shape, dtype } = inputs[0]!
    const { outer, size, inner } = aroundAxis(shape, axis)
    const values = computeArray(dtype, data.length)
    const positions = new Int32Array(data.length)
    const lane = new Float64Array(size)
    const order = new Int32Array(size)
    const compare = (i: number, j: number): number => {
      const a = lane[i]!
      const b = lane[j]!
      const ascending = Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a < b ? -1 : a > b ? 1 : 0
      return (descending ? -ascending : ascending) || i - j
    }
    for (let a = 0; a < outer; a++)
      for (let c = 0; c < inner; c++) {
        for (let b = 0; b < size; b++) {
          lane[b] = data[(a * size + b) * inner + c]!
          order[b] = b
        }
        order.sort(compare)
        for (let b = 0; b < size; b++) {
          const i = (a * size + b) * inner + c
          values[i] = lane[order[b]!]!
          positions[i] = order[b]!
        }
      }
    return [values, positions]
  },
  vjp: ({ inputs, outputs, grads, attrs }) => {
    const grad = grads[0]
    if (grad === undefined) return [undefined]
    const zeros = expand(constant(0, dtypeOf(grad)), shapeOf(inputs[0]!))
    return [scatterAddAlong(zeros, outputs[1]!, grad, attrs.axis)]
  },
  samples: [
    { name: 'vector', inputs: [{ shape: [7] }], attrs: { axis: 0, descending: false } },
    { name: 'descending', inputs: [{ shape: [3, 5] }], attrs: { axis: 1, descending: true } },
    { name: 'first axis', inputs: [{ shape: [4, 3] }], attrs: { axis: 0, descending: false } },
    { name: 'middle axis', inputs: [{ shape: [2, 4, 3] }], attrs: { axis: 1, descending: true } },
    { name: 'ties', inputs: [{ shape: [6], values: [2, 1, 2, 1, 2, 1] }], attrs: { axis: 0, descending: false }, gradient: false },
    {
      name: 'ties descending',
      inputs: [{ shape: [6], values: [2, 1, 2, 1, 2, 1] }],
      attrs: { axis: 0, descending: true },
      gradient: false,
    },
    {
      name: 'nan',
      inputs: [{ shape: [6], values: [1, NaN, -Infinity, NaN, Infinity, 0] }],
      attrs: { axis: 0, descending: false },
      gradient: false,
    },
    {
      name: 'nan descending',
      inputs: [{ shape: [6], values: [1, NaN, -Infinity, NaN, Infinity, 0] }],
      attrs: { axis: 0, descending: true },
      gradient: false,
    },
    { name: 'one', inputs: [{ shape: [3, 1] }], attrs: { axis: 1, descending: false } },
    { name: 'empty', inputs: [{ shape: [2, 0] }], attrs: { axis: 1, descending: false } },
    ...(['f16', 'bf16', 'i32', 'u32', 'i8', 'u8'] as const).map((dtype) => ({
      name: dtype,
      inputs: [{ shape: [2, 4], dtype, range: [0, 9] as const }],
      attrs: { axis: 1, descending: false },
      gradient: false,
    })),
  ],
})

export const sortOps: readonly OpRow[] = [sortOp]
