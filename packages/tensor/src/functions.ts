/** Functions of several tensors, or that read better as functions; methods of `Tensor` cover the rest. */
import { isFloat, type DType } from './dtype.js'
import type { Operand } from './elementwise.js'
import { arange } from './create.js'
import { TensorError } from './errors.js'
import * as p from './graph/primitives.js'
import { operand } from './handle.js'
import { named } from './naming.js'
import { normalizeAxis, type Dim } from './shape.js'
import { wrap, type ReduceOptions, type Tensor } from './tensor.js'

/** a where the condition (bool) holds, b elsewhere; all three broadcast. A number takes the other's dtype, two are f32. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'f32'
  return wrap(p.where(condition.value, operand('where', a, dtype), operand('where', b, dtype)))
}

/** Joins tensors of one dtype along an existing axis; the others agree. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const first = tensors[0]
  if (first === undefined) throw new TensorError('VALUE', 'concat: expected at least one tensor, got none')
  return wrap(
    p.concat(
      tensors.map((t) => t.value),
      normalizeAxis('concat', axis, first.rank),
    ),
  )
}

/** Joins tensors of one shape and dtype along a new axis; -1 puts it last. */
export const stack = (tensors: readonly Tensor[], axis = 0): Tensor =>
  named('stack', () => {
    const odd = tensors.find((t) => t.rank !== tensors[0]!.rank)
    if (odd !== undefined)
      throw new TensorError('SHAPE', `stack: expected tensors of one shape, got ${tensors[0]!.describe()} and ${odd.describe()}`)
    return concat(
      tensors.map((t) => t.unsqueeze(axis)),
      axis,
    )
  })

/** log Σ exp along an axis, without overflow; half types are summed in f32. */
export function logSumExp(x: Tensor, axis = -1, options: ReduceOptions = {}): Tensor {
  return named('logSumExp', () => {
    const wide = x.dtype === 'f16' || x.dtype === 'bf16' ? x.cast('f32') : x
    const peak = wide.max(axis, { keepDims: true }).stopGradient()
    // An infinite peak would make inf − inf; its exponentials are 0 or 1 either way.
    const safe = where(peak.isFinite(), peak, 0)
    const sum = wide.sub(safe).exp().sum(axis, { keepDims: true }).log().add(safe)
    return (options.keepDims === true ? sum : sum.squeeze(normalizeAxis('logSumExp', axis, x.rank))).cast(x.dtype)
  })
}

/** Rows of `classes` elements that are 1 at the index and 0 elsewhere, all 0 for an index outside 0..classes−1. */
export function oneHot(indices: Tensor, classes: number, dtype: DType = 'f32'): Tensor {
  if (isFloat(indices.dtype)) throw new TensorError('DTYPE', `oneHot: expected integer indices, got ${indices.describe()}`)
  return named('oneHot', () =>
    indices
      .unsqueeze(-1)
      .eq(arange(classes, { dtype: indices.dtype }))
      .cast(dtype),
  )
}

/** bool [rows, columns], true at or below the diagonal shifted right by `offset`: what a causal mask keeps. */
export const tril = (rows: Dim, columns: Dim, offset = 0): Tensor =>
  named('tril', () => wrap(p.iota([1, columns], 1, 'i32')).le(wrap(p.iota([rows, 1], 0, 'i32')).add(offset)))

/** bool [rows, columns], true at or above the diagonal shifted right by `offset`. */
export const triu = (rows: Dim, columns: Dim, offset = 0): Tensor =>
  named('triu', () => wrap(p.iota([1, columns], 1, 'i32')).ge(wrap(p.iota([rows, 1], 0, 'i32')).add(offset)))
