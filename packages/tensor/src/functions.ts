/** Functions that make tensors or take several of them; methods of `Tensor` cover the rest. */
import { byteSize, castNumber, computeArray, encodeStorage, isFloat, type DType, type NumericArray } from './dtype.js'
import { TensorError } from './errors.js'
import * as p from './graph/primitives.js'
import type { NestedNumbers } from './handle.js'
import { operand } from './handle.js'
import { elementCount, normalizeAxis, printShape, type Dim, type Index, type Shape } from './shape.js'
import { Storage } from './storage.js'
import { Tensor, wrap, type Operand } from './tensor.js'

export interface TensorOptions {
  /** f32 for numbers and Float32Array, otherwise the array's own type; Uint16Array needs it said. */
  readonly dtype?: DType
  /** Row-major; by default the nesting, or one axis. */
  readonly shape?: Shape
  /** Take the array's memory instead of copying it; it must not be changed afterwards. */
  readonly adopt?: boolean
}

const dtypeOfArray = (array: NumericArray): DType | undefined =>
  array instanceof Float32Array ? 'f32' : array instanceof Float64Array ? 'f64' : array instanceof Int32Array ? 'i32' : array instanceof Uint32Array ? 'u32' : array instanceof Int8Array ? 'i8' : array instanceof Uint8Array ? 'u8' : undefined

/** Lengths of a nested array; the error names where it is ragged. */
function nestedShape(data: NestedNumbers, path = 'data'): number[] {
  if (typeof data === 'number') return []
  const inner = data.map((item, i) => nestedShape(item, `${path}[${i}]`))
  inner.forEach((shape, i) => {
    if (shape.length !== inner[0]!.length || shape.some((dim, k) => dim !== inner[0]![k]))
      throw new TensorError('SHAPE', `tensor: ${path}[${i}] has shape ${printShape(shape)}, ${path}[0] has ${printShape(inner[0]!)}; all rows need one length`)
  })
  return [data.length, ...(inner[0] ?? [])]
}

function flattenNested(data: NestedNumbers, into: number[] = []): number[] {
  if (typeof data === 'number') into.push(data)
  else for (const item of data) flattenNested(item, into)
  return into
}

/**
 * A tensor with values. Data is a number, nested arrays of numbers, or a typed array; numbers are cast to the dtype
 * (integers saturate). Values wait on the host until a program needs them. The caller owns it.
 *
 * Errors: SHAPE when the data does not fill the shape, or rows differ in length.
 */
export function tensor(data: NestedNumbers | readonly number[] | NumericArray, options: TensorOptions = {}): Tensor {
  const isTyped = ArrayBuffer.isView(data)
  const typed = isTyped ? (data as NumericArray) : undefined
  const dtype = options.dtype ?? (typed === undefined ? 'f32' : dtypeOfArray(typed))
  if (dtype === undefined) throw new TensorError('DTYPE', 'tensor: a Uint16Array may hold f16 or bf16 bits; say which with dtype, or pass numbers')
  const shape = options.shape ?? (typed === undefined ? nestedShape(data as NestedNumbers) : [typed.length])
  const count = elementCount(shape)
  const halfBits = typed instanceof Uint16Array && byteSize(dtype) === 2
  if (typed !== undefined && (halfBits || dtypeOfArray(typed) === dtype || (dtype === 'bool' && typed instanceof Uint8Array))) {
    if (typed.length !== count) throw new TensorError('SHAPE', `tensor: ${typed.length} values do not fill ${printShape(shape)} (${count})`)
    const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength)
    return fromBytes(bytes, { dtype, shape, adopt: options.adopt ?? false })
  }
  const flat = typed ?? flattenNested(data as NestedNumbers)
  if (flat.length !== count) throw new TensorError('SHAPE', `tensor: ${flat.length} values do not fill ${printShape(shape)} (${count})`)
  const values = computeArray(dtype, count)
  for (let i = 0; i < count; i++) values[i] = castNumber(dtype, flat[i]!)
  return fromBytes(encodeStorage(dtype, values), { dtype, shape, adopt: true })
}

/** A tensor from raw little-endian storage bytes, copied unless `adopt`. */
export function fromBytes(bytes: Uint8Array, options: { readonly dtype: DType; readonly shape: Shape; readonly adopt?: boolean }): Tensor {
  const { dtype, shape } = options
  const expected = elementCount(shape) * byteSize(dtype)
  if (bytes.byteLength !== expected) throw new TensorError('SHAPE', `fromBytes: ${dtype}${printShape(shape)} takes ${expected} bytes, got ${bytes.byteLength}`)
  const storage = new Storage({ shape, dtype }, { host: options.adopt === true ? bytes : bytes.slice() })
  return new Tensor(storage.value, storage)
}

/** A zero-dimensional tensor: an input of programs, where a plain number would be compiled in. */
export const scalar = (value: number, dtype: DType = 'f32'): Tensor => tensor(value, { dtype, shape: [] })

/** A lazy constant. */
export const full = (shape: Shape, value: number, dtype: DType = 'f32'): Tensor => wrap(p.expand(p.constant(castNumber(dtype, value), dtype), shape))
export const zeros = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 0, dtype)
export const ones = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 1, dtype)

/** 0, 1, …, n − 1 (times step, from start) along one axis; lazy. */
export function arange(length: Dim, options: { readonly start?: number; readonly step?: number; readonly dtype?: DType } = {}): Tensor {
  const dtype = options.dtype ?? 'i32'
  let out = wrap(p.iota([length], 0, dtype))
  if (options.step !== undefined && options.step !== 1) out = out.mul(options.step)
  return options.start === undefined || options.start === 0 ? out : out.add(options.start)
}

/** A runtime integer (symbol) as an i32 scalar. */
export const symbolValue = (index: Index): Tensor => wrap(p.symScalar(index))

/** A tensor that is declared but holds no values: for planning on the null device. */
export function declare(shape: Shape, dtype: DType = 'f32'): Tensor {
  const storage = new Storage({ shape, dtype })
  return new Tensor(storage.value, storage)
}

/** a where the condition holds, b elsewhere; all three broadcast. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'f32'
  return wrap(p.where(condition.value, operand('where', a, dtype), operand('where', b, dtype)))
}

/** Joins tensors along an existing axis. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const first = tensors[0]
  if (first === undefined) throw new TensorError('VALUE', 'concat: expected at least one tensor, got none')
  return wrap(p.concat(tensors.map((t) => t.value), normalizeAxis('concat', axis, first.rank)))
}

/** Joins tensors of one shape along a new axis. */
export const stack = (tensors: readonly Tensor[], axis = 0): Tensor => concat(tensors.map((t) => t.unsqueeze(axis)), axis)

/** log Σ exp along an axis, without overflow. */
export function logSumExp(x: Tensor, axis = -1, options: { readonly keepDims?: boolean } = {}): Tensor {
  const peak = x.max(axis, { keepDims: true }).stopGradient()
  // An infinite peak would make inf − inf; its exponentials are 0 or 1 either way.
  const safe = where(peak.sub(peak).eq(0), peak, 0)
  const sum = x.sub(safe).exp().sum(axis, { keepDims: true }).log().add(safe)
  return options.keepDims === true ? sum : sum.squeeze(normalizeAxis('logSumExp', axis, x.rank))
}

/** One-hot rows: bool comparison of indices with 0..classes−1, cast. */
export function oneHot(indices: Tensor, classes: number, dtype: DType = 'f32'): Tensor {
  if (isFloat(indices.dtype)) throw new TensorError('DTYPE', `oneHot: expected integer indices, got ${indices.describe()}`)
  return indices.unsqueeze(-1).eq(arange(classes, { dtype: indices.dtype })).cast(dtype)
}

/** True at or below the diagonal shifted by `offset`: what a causal mask keeps. */
export function tril(rows: Dim, columns: Dim, offset = 0): Tensor {
  const row = wrap(p.iota([rows, 1], 0, 'i32')).add(offset)
  return wrap(p.iota([1, columns], 1, 'i32')).le(row)
}
