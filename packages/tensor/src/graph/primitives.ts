/**
 * Typed builders of the primitives, one line each. What an op means, and its errors, are in its row under `ops/`.
 * Binary ops broadcast as NumPy does and want equal dtypes.
 */
import type { DType } from '../dtype.js'
import type { Index, Shape } from '../shape.js'
import { emit, emitAll } from './build.js'
import { dtypeOf, shapeOf, type Value } from './node.js'

type Unary = (x: Value) => Value
type Binary = (a: Value, b: Value) => Value
const unary =
  (op: string): Unary =>
  (x) =>
    emit(op, [x])
const binary =
  (op: string): Binary =>
  (a, b) =>
    emit(op, [a, b])

export const constant = (value: number, dtype: DType): Value => emit('const', [], { value, dtype })
/** A constant of the dtype of another value. */
export const like = (x: Value, value: number): Value => constant(value, dtypeOf(x))
export const iota = (shape: Shape, axis: number, dtype: DType): Value => emit('iota', [], { shape, axis, dtype })
/** u32 bits: word `i & 3` of Philox4x32-10 at counter `[i >> 2, 0, stream, domain]`, for flat index i. */
export const randomBits = (key: Value, stream: Value, attrs: { shape: Shape; domain: number }): Value =>
  emit('randomBits', [key, stream], attrs)
/** A runtime integer as an i32 scalar. */
export const symScalar = (index: Index): Value => emit('symScalar', [], { index })
/** Identity that common-subexpression elimination does not cross; `token` only orders. */
export const barrier = (x: Value, token?: Value): Value => emit('barrier', token ? [x, token] : [x])

export const neg = unary('neg')
export const exp = unary('exp')
export const log = unary('log')
export const sin = unary('sin')
export const cos = unary('cos')
export const sqrt = unary('sqrt')
export const recip = unary('recip')
export const floor = unary('floor')
export const tanh = unary('tanh')
export const erf = unary('erf')
export const cast = (x: Value, dtype: DType): Value => (dtypeOf(x) === dtype ? x : emit('cast', [x], { dtype }))
export const bitcast = (x: Value, dtype: DType): Value => (dtypeOf(x) === dtype ? x : emit('bitcast', [x], { dtype }))

export const add = binary('add')
export const sub = binary('sub')
export const mul = binary('mul')
export const div = binary('div')
export const max = binary('max')
export const min = binary('min')
export const mod = binary('mod')
export const and = binary('and')
export const or = binary('or')
export const xor = binary('xor')
export const shl = binary('shl')
export const shr = binary('shr')
export const lt = binary('lt')
export const eq = binary('eq')
export const where = (condition: Value, a: Value, b: Value): Value => emit('where', [condition, a, b])

export const reshape = (x: Value, shape: Shape): Value => emit('reshape', [x], { shape })
export const permute = (x: Value, perm: readonly number[]): Value => emit('permute', [x], { perm })
export const expand = (x: Value, shape: Shape): Value => emit('expand', [x], { shape })
/** `pads` is [before, after] for each axis. */
export const pad = (x: Value, pads: readonly (readonly [number, number])[], value = 0): Value => emit('pad', [x], { pads, value })
/** starts and ends for every axis; steps are positive. */
export const slice = (x: Value, starts: readonly Index[], ends: readonly Index[], steps?: readonly number[]): Value =>
  emit('slice', [x], steps ? { starts, ends, steps } : { starts, ends })
export const concat = (values: readonly Value[], axis: number): Value =>
  values.length === 1 ? values[0]! : emit('concat', values, { axis })
export const flip = (x: Value, axes: readonly number[]): Value => emit('flip', [x], { axes })

export const reduceSum = (x: Value, axes: readonly number[], keepDims = false): Value => emit('reduceSum', [x], { axes, keepDims })
export const reduceMax = (x: Value, axes: readonly number[], keepDims = false): Value => emit('reduceMax', [x], { axes, keepDims })
export const argMax = (x: Value, axis: number, keepDims = false): Value => emit('argMax', [x], { axis, keepDims })
export const cumsum = (x: Value, axis: number, attrs: { exclusive?: boolean; reverse?: boolean } = {}): Value =>
  emit('cumsum', [x], { axis, ...attrs })

/** Slices of x along `axis` at `indices` (i32 or u32 of any shape): shape x[:axis] + indices + x[axis+1:]. */
export const gather = (x: Value, indices: Value, axis = 0): Value => emit('gather', [x, indices], { axis })
/** x with `updates` (shaped as gather's result) added at `indices` along `axis`. */
export const scatterAdd = (x: Value, indices: Value, updates: Value, axis = 0): Value => emit('scatterAdd', [x, indices, updates], { axis })
/** One element of x per index along `axis`; x and indices agree on the other axes. */
export const gatherAlong = (x: Value, indices: Value, axis: number): Value => emit('gatherAlong', [x, indices], { axis })
/** x with `updates` (shaped as indices) added at `indices` along `axis`. */
export const scatterAddAlong = (x: Value, indices: Value, updates: Value, axis: number): Value =>
  emit('scatterAddAlong', [x, indices, updates], { axis })
/** x with the block at `starts` replaced. */
export const updateSlice = (x: Value, update: Value, starts: readonly Index[]): Value => emit('updateSlice', [x, update], { starts })
/** [sorted values, i32 indices], stable. */
export const sort = (x: Value, axis: number, descending = false): readonly Value[] => emitAll('sort', [x], { axis, descending })

export const not = (x: Value): Value => eq(x, constant(0, 'bool'))
/** a ≤ b, false where either is NaN. */
export const le: Binary = (a, b) => or(lt(a, b), eq(a, b))

/** Sums a gradient down to the shape of the operand that was broadcast. */
export function sumTo(x: Value, shape: Shape): Value {
  const from = shapeOf(x)
  const extra = from.length - shape.length
  const axes: number[] = []
  for (let i = 0; i < from.length; i++) if (i < extra || (shape[i - extra] === 1 && from[i] !== 1)) axes.push(i)
  if (axes.length === 0) return x
  const summed = reduceSum(x, axes, true)
  return extra === 0 ? summed : reshape(summed, shape)
}
