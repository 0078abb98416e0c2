/** Functions that make tensors. */
import { byteSize, castNumber, computeArray, encodeStorage, isFloat, type DType, type NumericArray } from './dtype.js'
import { TensorError } from './errors.js'
import * as p from './graph/primitives.js'
import { named } from './naming.js'
import { elementCount, isSym, printIndex, printShape, type Dim, type Index, type Shape } from './shape.js'
import { Storage } from './storage.js'
import { Tensor, wrap } from './tensor.js'

/** A number or boolean, or arrays of them, nested as deep as the tensor has axes. */
export type NestedValues = number | boolean | readonly NestedValues[]

/** Any typed array of numbers. Float16Array, where there is one, is taken too. */
export type ValueArray = NumericArray | Int16Array | Uint8ClampedArray

export interface TensorOptions {
  /** f32 for numbers, bool for booleans, for a typed array its own type; Uint16Array needs it said. */
  readonly dtype?: DType
  /** Row-major; by default the nesting, or one axis. */
  readonly shape?: Shape
  /** Take the array's memory instead of copying it, where no conversion is needed; it must not be changed afterwards. */
  readonly adopt?: boolean
}

const arrayDtypes: Readonly<Record<string, DType>> = {
  Float64Array: 'f64',
  Float32Array: 'f32',
  Float16Array: 'f16',
  Int32Array: 'i32',
  Uint32Array: 'u32',
  Int8Array: 'i8',
  Uint8Array: 'u8',
}

/**
 * A tensor with values. Data is a number or boolean, nested arrays of them, or a typed array; numbers are cast to the
 * dtype (integers saturate, any number but 0 is true). Values wait on the host until a program needs them. The caller
 * owns the tensor.
 *
 * Errors: SHAPE when the data does not fill the shape, or rows differ in length; DTYPE for an array whose type must be
 * said or is not taken; VALUE for an element that is no number.
 */
export function tensor(data: NestedValues | ValueArray, options: TensorOptions = {}): Tensor {
  const typed = ArrayBuffer.isView(data) ? checkTyped(data as ValueArray) : undefined
  const nested = typed === undefined ? flattenNested(data as NestedValues) : undefined
  const own = typed === undefined ? (nested!.booleans ? 'bool' : 'f32') : arrayDtypes[typed.constructor.name]
  const dtype = options.dtype ?? own
  if (dtype === undefined)
    throw new TensorError(
      'DTYPE',
      `tensor: the dtype of a ${typed!.constructor.name} must be said${typed instanceof Uint16Array ? ': f16 or bf16 for its bits, or a number type for its values' : ''}`,
    )
  const shape = options.shape ?? nested?.shape ?? [typed!.length]
  checkFixed('tensor', shape)
  const flat = typed ?? nested!.values
  const count = elementCount(shape)
  if (flat.length !== count) throw new TensorError('SHAPE', `tensor: ${flat.length} values do not fill ${printShape(shape)} (${count})`)
  const isBits = typed instanceof Uint16Array && byteSize(dtype) === 2
  if (typed !== undefined && (isBits || (own === dtype && dtype !== 'f16')))
    return fromBytes(new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength), { dtype, shape, adopt: options.adopt ?? false })
  const values = computeArray(dtype, count)
  for (let i = 0; i < count; i++) values[i] = castNumber(dtype, flat[i]!)
  return fromBytes(encodeStorage(dtype, values), { dtype, shape, adopt: true })
}

function checkTyped(data: ValueArray): ValueArray {
  const { name } = data.constructor
  if (name === 'DataView' || name.startsWith('Big'))
    throw new TensorError(
      'DTYPE',
      `tensor: a ${name} is not taken; ${name === 'DataView' ? 'pass bytes to fromBytes()' : 'convert it with Int32Array.from(values, Number), where they fit'}`,
    )
  return data
}

/** Values in row-major order and the lengths of the axes; the errors name the place of what does not fit. */
function flattenNested(data: NestedValues): { values: number[]; shape: number[]; booleans: boolean } {
  const shape: number[] = []
  for (let level = data; Array.isArray(level); level = (level as readonly NestedValues[])[0]!)
    shape.push((level as readonly NestedValues[]).length)
  const values: number[] = []
  let booleans = true
  const visit = (item: unknown, axis: number, path: string): void => {
    if (Array.isArray(item)) {
      if (item.length !== shape[axis]) {
        const [expected, found] = [printShape(shape.slice(axis)), printShape(shapeOf(item))]
        throw new TensorError(
          'SHAPE',
          `tensor: ${path} has shape ${found}, where others have ${axis >= shape.length ? 'numbers' : expected}; all rows need one length`,
        )
      }
      if (axis === shape.length - 1 && item.every((value) => typeof value === 'number')) {
        booleans &&= item.length === 0
        for (const value of item as number[]) values.push(value)
      } else item.forEach((child, i) => visit(child, axis + 1, `${path}[${i}]`))
      return
    }
    if (typeof item !== 'number' && typeof item !== 'boolean')
      throw new TensorError(
        'VALUE',
        `tensor: ${path} is ${item === null || item === undefined ? item : `a ${typeof item}`}; expected a number, a boolean or an array of them`,
      )
    if (axis !== shape.length)
      throw new TensorError(
        'SHAPE',
        `tensor: ${path} is a number, where others have shape ${printShape(shape.slice(axis))}; all rows need one length`,
      )
    booleans &&= typeof item === 'boolean'
    values.push(Number(item))
  }
  visit(data, 0, 'data')
  return { values, shape, booleans: booleans && values.length > 0 }
}

function shapeOf(data: unknown): number[] {
  const shape: number[] = []
  for (let level = data; Array.isArray(level); level = level[0]) shape.push(level.length)
  return shape
}

/** Memory has a fixed size. */
function checkFixed(op: string, shape: Shape): void {
  for (const dim of shape) {
    if (isSym(dim))
      throw new TensorError(
        'SHAPE',
        `${op}: ${printShape(shape)} has the symbol ${dim.name}, and values need a fixed shape; give the length and call symbolic() on the tensor`,
      )
    if (!Number.isSafeInteger(dim) || dim < 0)
      throw new TensorError('SHAPE', `${op}: ${printShape(shape)} is not a shape; expected non-negative integers, got ${printIndex(dim)}`)
  }
}

/**
 * A tensor from raw little-endian storage bytes, copied unless `adopt`. Errors: SHAPE when their number does not fit;
 * VALUE for a bool that is neither 0 nor 1.
 */
export function fromBytes(bytes: Uint8Array, options: { readonly dtype: DType; readonly shape: Shape; readonly adopt?: boolean }): Tensor {
  const { dtype, shape } = options
  checkFixed('fromBytes', shape)
  const expected = elementCount(shape) * byteSize(dtype)
  if (bytes.byteLength !== expected)
    throw new TensorError('SHAPE', `fromBytes: ${dtype}${printShape(shape)} takes ${expected} bytes, got ${bytes.byteLength}`)
  if (dtype === 'bool') {
    // Devices take the byte as it is, and compute nonsense with others.
    const wrong = bytes.findIndex((byte) => byte > 1)
    if (wrong >= 0) throw new TensorError('VALUE', `fromBytes: bool is 0 or 1, got ${bytes[wrong]!} at ${wrong}; make it u8 and cast it`)
  }
  const storage = new Storage({ shape, dtype }, { host: options.adopt === true ? bytes : bytes.slice() })
  return new Tensor(storage.value, storage)
}

/** A zero-dimensional tensor: an input of programs, where a plain number would be compiled in. */
export const scalar = (value: number, dtype: DType = 'f32'): Tensor => tensor(value, { dtype, shape: [] })

/** A lazy tensor of one value, cast to the dtype. */
export const full = (shape: Shape, value: number, dtype: DType = 'f32'): Tensor =>
  named('full', () => wrap(p.expand(p.constant(castNumber(dtype, value), dtype), shape)))
/** A lazy tensor of zeros. */
export const zeros = (shape: Shape, dtype: DType = 'f32'): Tensor => named('zeros', () => full(shape, 0, dtype))
/** A lazy tensor of ones. */
export const ones = (shape: Shape, dtype: DType = 'f32'): Tensor => named('ones', () => full(shape, 1, dtype))
/** Zeros of another tensor's shape and dtype. */
export const zerosLike = (x: Tensor): Tensor => full(x.shape, 0, x.dtype)
/** Ones of another tensor's shape and dtype. */
export const onesLike = (x: Tensor): Tensor => full(x.shape, 1, x.dtype)

/** 0, 1, …, n − 1 (times `step`, from `start`) along one axis; lazy. i32 unless said otherwise. */
export function arange(length: Dim, options: { readonly start?: number; readonly step?: number; readonly dtype?: DType } = {}): Tensor {
  const { start = 0, step = 1, dtype = 'i32' } = options
  return named('arange', () => {
    const counted = wrap(p.iota([length], 0, dtype))
    const scaled = step === 1 ? counted : counted.mul(step)
    return start === 0 ? scaled : scaled.add(start)
  })
}

/** `count` numbers at equal distances from `start` to `stop`, both included; lazy, f32 unless said otherwise. */
export function linspace(start: number, stop: number, count: number, dtype: DType = 'f32'): Tensor {
  if (!Number.isSafeInteger(count) || count < 1) throw new TensorError('VALUE', `linspace: expected at least one number, got ${count}`)
  if (!isFloat(dtype)) throw new TensorError('DTYPE', `linspace: expected a floating-point dtype, got ${dtype}`)
  if (count === 1) return full([1], start, dtype)
  return named('linspace', () => {
    // A quotient, since n · (1 / n) is not always 1, and both ends are to be exact.
    const at = wrap(p.iota([count], 0, dtype)).div(count - 1)
    return at.mul(-start).add(start).add(at.mul(stop))
  })
}

/** The identity matrix of n rows; lazy. */
export const eye = (n: number, dtype: DType = 'f32'): Tensor =>
  named('eye', () =>
    wrap(p.iota([n, 1], 0, 'i32'))
      .eq(wrap(p.iota([1, n], 1, 'i32')))
      .cast(dtype),
  )

/** A runtime integer (symbol) as an i32 scalar. */
export const symbolValue = (index: Index): Tensor => wrap(p.symScalar(index))

/** A tensor that is declared but holds no values: for planning on the null device. Reading it elsewhere is an error. */
export function declare(shape: Shape, dtype: DType = 'f32'): Tensor {
  const storage = new Storage({ shape, dtype })
  return new Tensor(storage.value, storage)
}
