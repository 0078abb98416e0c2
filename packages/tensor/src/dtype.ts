import { TensorError } from './errors.js'

/**
 * Element types. f16 and bf16 are storage types: arithmetic runs in f32 and is rounded at each node's end.
 * f64 exists on the reference device only. bool takes one byte, 0 or 1.
 */
export type DType = 'f64' | 'f32' | 'f16' | 'bf16' | 'i32' | 'u32' | 'i8' | 'u8' | 'bool'

/** All of them, widest float first. */
export const dtypes = ['f64', 'f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool'] as const satisfies readonly DType[]

/** The typed arrays a tensor is made from and read into. */
export type NumericArray = Float64Array | Float32Array | Int32Array | Uint32Array | Uint16Array | Int8Array | Uint8Array

const sizes: Record<DType, number> = { f64: 8, f32: 4, f16: 2, bf16: 2, i32: 4, u32: 4, i8: 1, u8: 1, bool: 1 }

/** Bytes of one element. */
export const byteSize = (dtype: DType): number => sizes[dtype]
/** f64, f32, f16 and bf16. */
export const isFloat = (dtype: DType): boolean => dtype === 'f64' || dtype === 'f32' || dtype === 'f16' || dtype === 'bf16'
/** i32, u32, i8 and u8; bool is neither integer nor float. */
export const isInteger = (dtype: DType): boolean => dtype === 'i32' || dtype === 'u32' || dtype === 'i8' || dtype === 'u8'
/** Has negative values. */
export const isSigned = (dtype: DType): boolean => isFloat(dtype) || dtype === 'i32' || dtype === 'i8'

/** Smallest and largest value of an integer dtype or bool. Errors: DTYPE for floats. */
export function integerRange(dtype: DType): readonly [number, number] {
  switch (dtype) {
    case 'i32':
      return [-2147483648, 2147483647]
    case 'u32':
      return [0, 4294967295]
    case 'i8':
      return [-128, 127]
    case 'u8':
      return [0, 255]
    case 'bool':
      return [0, 1]
    default:
      throw new TensorError('DTYPE', `${dtype} has no integer range`)
  }
}

/** The array in which a dtype's values are computed and read: f32 for the half types, u8 for bool. Zero-filled. */
export function computeArray(dtype: DType, length: number): NumericArray {
  switch (dtype) {
    case 'f64':
      return new Float64Array(length)
    case 'f32':
    case 'f16':
    case 'bf16':
      return new Float32Array(length)
    case 'i32':
      return new Int32Array(length)
    case 'u32':
      return new Uint32Array(length)
    case 'i8':
      return new Int8Array(length)
    case 'u8':
    case 'bool':
      return new Uint8Array(length)
    default:
      return dtype satisfies never
  }
}

/** A view of raw storage: Uint16Array for the half types. `bytes.byteOffset` must be a multiple of the element size. */
export function storageView(dtype: DType, bytes: Uint8Array): NumericArray {
  const { buffer, byteOffset } = bytes
  const length = Math.floor(bytes.byteLength / sizes[dtype])
  switch (dtype) {
    case 'f64':
      return new Float64Array(buffer, byteOffset, length)
    case 'f32':
      return new Float32Array(buffer, byteOffset, length)
    case 'f16':
    case 'bf16':
      return new Uint16Array(buffer, byteOffset, length)
    case 'i32':
      return new Int32Array(buffer, byteOffset, length)
    case 'u32':
      return new Uint32Array(buffer, byteOffset, length)
    case 'i8':
      return new Int8Array(buffer, byteOffset, length)
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer, byteOffset, length)
    default:
      return dtype satisfies never
  }
}

const f32Scratch = new Float32Array(1)
const bitScratch = new Uint32Array(f32Scratch.buffer)

/**
 * binary32 bits of a number, inexact ones rounded to odd: toward zero with the last bit set. Rounding the result once
 * more, to fewer bits, then gives what rounding the number itself gives (Boldo and Melquiond, "When double rounding is odd",
 * 2005); rounding twice to nearest does not.
 */
function oddBits(value: number): number {
  f32Scratch[0] = value
  const rounded = f32Scratch[0]!
  let bits = bitScratch[0]!
  if (rounded === value || Number.isNaN(value)) return bits
  if (Math.abs(rounded) > Math.abs(value)) bits--
  return (bits | 1) >>> 0
}

/** IEEE 754 binary16 bits of a number, rounded to nearest even; NaN stays NaN with its sign. */
export function toHalfBits(value: number): number {
  const bits = oddBits(value)
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
  if (magnitude >= 0x477ff000) return sign | 0x7c00 // rounds to infinity
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
  if (magnitude < 0x33000000) return sign
  // Subnormal: shift the mantissa with its hidden bit, rounding to nearest even.
  const shift = 126 - (magnitude >>> 23)
  const mantissa = (magnitude & 0x7fffff) | 0x800000
  const half = mantissa >>> shift
  const rest = mantissa & ((1 << shift) - 1)
  const middle = 1 << (shift - 1)
  return sign | (half + (rest > middle || (rest === middle && (half & 1) === 1) ? 1 : 0))
}

/** The number that binary16 bits stand for. */
export function fromHalfBits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const mantissa = bits & 1023
  if (exponent === 0) return sign * mantissa * 2 ** -24
  if (exponent === 31) return mantissa ? NaN : sign * Infinity
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
}

/** bfloat16 bits of a number, rounded to nearest even; NaN stays NaN, made quiet. */
export function toBfloatBits(value: number): number {
  const bits = oddBits(value)
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** The number that bfloat16 bits stand for. */
export function fromBfloatBits(bits: number): number {
  bitScratch[0] = bits << 16
  return f32Scratch[0]!
}

/** Rounds compute values in place to what the dtype can store. Only the half types change. */
export function roundToStorage(dtype: DType, values: NumericArray): void {
  if (dtype === 'f16') for (let i = 0; i < values.length; i++) values[i] = fromHalfBits(toHalfBits(values[i]!))
  else if (dtype === 'bf16') for (let i = 0; i < values.length; i++) values[i] = fromBfloatBits(toBfloatBits(values[i]!))
}

/** Storage bytes → compute array. Always a copy. */
export function decodeStorage(dtype: DType, bytes: Uint8Array): NumericArray {
  const aligned = bytes.byteOffset % sizes[dtype] === 0 ? bytes : bytes.slice()
  const view = storageView(dtype, aligned)
  if (dtype !== 'f16' && dtype !== 'bf16') return view.slice()
  const out = new Float32Array(view.length)
  const decode = dtype === 'f16' ? fromHalfBits : fromBfloatBits
  for (let i = 0; i < out.length; i++) out[i] = decode(view[i]!)
  return out
}

/** {@link decodeStorage} of bytes that nobody else holds: the array lies over them where nothing needs converting. */
export const adoptStorage = (dtype: DType, bytes: Uint8Array): NumericArray =>
  dtype === 'f16' || dtype === 'bf16' || bytes.byteOffset % sizes[dtype] !== 0 ? decodeStorage(dtype, bytes) : storageView(dtype, bytes)

/** Compute array → storage bytes. Always a copy. */
export function encodeStorage(dtype: DType, values: NumericArray): Uint8Array {
  if (dtype !== 'f16' && dtype !== 'bf16') {
    const copy = values.slice()
    return new Uint8Array(copy.buffer, copy.byteOffset, copy.byteLength)
  }
  const out = new Uint16Array(values.length)
  const encode = dtype === 'f16' ? toHalfBits : toBfloatBits
  for (let i = 0; i < out.length; i++) out[i] = encode(values[i]!)
  return new Uint8Array(out.buffer)
}

/** A number as the dtype holds it: saturating for integers, NaN → 0, truncated toward zero. */
export function castNumber(dtype: DType, value: number): number {
  switch (dtype) {
    case 'f64':
      return value
    case 'f32':
      return Math.fround(value)
    case 'f16':
      return fromHalfBits(toHalfBits(value))
    case 'bf16':
      return fromBfloatBits(toBfloatBits(value))
    case 'bool':
      return value !== 0 ? 1 : 0 // NaN is not zero, as in PyTorch
    default: {
      if (Number.isNaN(value)) return 0
      const [low, high] = integerRange(dtype)
      return Math.min(high, Math.max(low, Math.trunc(value))) + 0
    }
  }
}
