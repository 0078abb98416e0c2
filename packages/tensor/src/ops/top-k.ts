/** The largest elements along an axis. */
import { TensorError } from '../errors.js'
import { emitAll } from '../graph/build.js'
import { shapeOf, type Value } from '../graph/node.js'
import { scatterAddAlong, slice, sort } from '../graph/primitives.js'
import { normalizeAxis, printIndex } from '../shape.js'
import { checkAxis, checkNumber } from './check.js'
import { defineOp, type OpRow } from './row.js'
import { describe, zerosLike } from './wide.js'

type TopKAttrs = { readonly k: number; readonly axis: number }

/** The k largest along an axis, descending, ties by lower index: [values, indices i32]. */
export const topK = (x: Value, k: number, axis = -1): readonly Value[] =>
  emitAll('topK', [x], { k, axis: normalizeAxis('topK', axis, shapeOf(x).length) })

const topKOp = defineOp<TopKAttrs>({
  name: 'topK',
  kind: 'composite',
  summary: 'The k largest elements along an axis in descending order, and where they were (i32); ties by lower index, NaN largest.',
  infer: ([x], { k, axis }) => {
    checkNumber('topK', x!)
    checkAxis('topK', axis, x!.shape)
    const size = x!.shape[axis]!
    if (typeof size !== 'number')
      throw new TensorError('SHAPE', `topK: axis ${axis} of ${describe(x!)} is the symbol ${size.name}; its size must be known`)
    if (!Number.isInteger(k) || k < 0 || k > size)
      throw new TensorError(
        'VALUE',
        `topK: k is ${k}; expected an integer from 0 to ${printIndex(size)}, the size of axis ${axis} of ${describe(x!)}`,
      )
    const shape = x!.shape.map((dim, i) => (i === axis ? k : dim))
    return [
      { shape, dtype: x!.dtype },
      { shape, dtype: 'i32' },
    ]
  },
  decompose: ([x], { k, axis }) => {
    const shape = shapeOf(x!)
    const starts = shape.map(() => 0)
    const ends = shape.map((dim, i) => (i === axis ? k : dim))
    return sort(x!, axis, true).map((sorted) => slice(sorted, starts, ends))
  },
  vjp: ({ inputs: [x], outputs, grads, attrs }) => [
    grads[0] === undefined ? undefined : scatterAddAlong(zerosLike(x!), outputs[1]!, grads[0], attrs.axis),
  ],
  samples: [
    { name: 'rows', inputs: [{ shape: [3, 7] }], attrs: { k: 3, axis: 1 } },
    { name: 'first axis', inputs: [{ shape: [6, 2] }], attrs: { k: 2, axis: 0 } },
    { name: 'all', inputs: [{ shape: [2, 4] }], attrs: { k: 4, axis: 1 } },
    { name: 'one', inputs: [{ shape: [9] }], attrs: { k: 1, axis: 0 } },
    { name: 'none', inputs: [{ shape: [2, 4] }], attrs: { k: 0, axis: 1 } },
    { name: 'ties', inputs: [{ shape: [6], values: [1, 3, 2, 3, 2, 3] }], attrs: { k: 5, axis: 0 }, gradient: false },
    { name: 'minus infinity', inputs: [{ shape: [4], values: [-Infinity, 1, -Infinity, 0] }], attrs: { k: 3, axis: 0 }, gradient: false },
    { name: 'i32', inputs: [{ shape: [2, 5], dtype: 'i32', range: [-9, 9] }], attrs: { k: 2, axis: 1 } },
    { name: 'f16', inputs: [{ shape: [2, 5], dtype: 'f16' }], attrs: { k: 2, axis: 1 } },
    { name: 'bf16', inputs: [{ shape: [2, 5], dtype: 'bf16' }], attrs: { k: 2, axis: 1 } },
    { name: 'no rows', inputs: [{ shape: [0, 5] }], attrs: { k: 2, axis: 1 } },
  ],
})

export const topKOps: readonly OpRow[] = [topKOp]
