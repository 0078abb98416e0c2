import { byteSize, decodeStorage, encodeStorage, isFloat, type DType } from '../dtype.js'
import { TensorError } from '../errors.js'

/** A tensor as bytes: little-endian, row-major, `bytes.byteOffset` a multiple of the element size. */
export interface StoredTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** The dtype a stored type becomes unless another is asked for. */
const loadsAs: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['F64', 'f32'],
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
  ['I64', 'i32'],
  ['U64', 'i32'],
  ['I32', 'i32'],
  ['U32', 'u32'],
  ['I16', 'i32'],
  ['U16', 'i32'],
  ['I8', 'i8'],
  ['U8', 'u8'],
  ['BOOL', 'bool'],
])

const storedFloats: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['F64', 'f64'],
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
])

/**
 * Stored bytes as a tensor. Bytes whose type and alignment already fit are returned as they are, otherwise copied.
 * Floats convert to any float dtype asked for; integers have one dtype each. Throws DTYPE for types without one and
 * FILE for values that do not fit, naming the first.
 */
export function loadStored(what: string, stored: string, shape: readonly number[], bytes: Uint8Array, wanted?: DType): StoredTensor {
  const natural = loadsAs.get(stored)
  if (natural === undefined)
    throw new TensorError('DTYPE', `${what} is stored as ${stored}, which no tensor dtype holds; read its raw bytes instead`)
  const dtype = wanted ?? natural
  const float = storedFloats.get(stored)
  if (dtype !== natural && (float === undefined || !isFloat(dtype)))
    throw new TensorError(
      'DTYPE',
      `${what} is stored as ${stored} and loads as ${natural}${float === undefined ? '' : ' or another float dtype'}, not as ${dtype}; cast the tensor afterwards`,
    )
  if (float !== undefined) return { dtype, shape, bytes: convertFloats(float, dtype, bytes) }
  switch (stored) {
    case 'I64':
    case 'U64':
      return { dtype, shape, bytes: narrow64(what, stored, bytes) }
    case 'I16':
    case 'U16':
      return { dtype, shape, bytes: widen16(stored === 'I16', bytes) }
    case 'BOOL':
      checkBooleans(what, bytes)
      return { dtype, shape, bytes }
    default:
      return { dtype, shape, bytes: aligned(bytes, byteSize(dtype)) }
  }
}

const aligned = (bytes: Uint8Array, size: number): Uint8Array => (bytes.byteOffset % size === 0 ? bytes : bytes.slice())

/** Floats in one type as those nearest to them in another, as stored bytes; without a copy where the types are the same. */
export function convertFloats(from: DType, to: DType, bytes: Uint8Array): Uint8Array {
  const source = aligned(bytes, byteSize(from))
  if (from === to) return source
  if (from === 'bf16' && to === 'f32') {
    // The common case of large checkpoints, kept free of per-element calls.
    const bits = new Uint16Array(source.buffer, source.byteOffset, source.byteLength / 2)
    const out = new Uint32Array(bits.length)
    for (let i = 0; i < out.length; i++) out[i] = bits[i]! << 16
    return new Uint8Array(out.buffer)
  }
  const values = decodeStorage(from, source)
  return encodeStorage(to, to === 'f64' ? Float64Array.from(values) : to === 'f32' ? Float32Array.from(values) : values)
}

/** i32 from 64-bit integers, read as pairs of words since BigInt arrays are slow. */
function narrow64(what: string, stored: 'I64' | 'U64', bytes: Uint8Array): Uint8Array {
  const source = aligned(bytes, 4)
  const words = new Int32Array(source.buffer, source.byteOffset, source.byteLength / 4)
  const out = new Int32Array(words.length / 2)
  for (let i = 0; i < out.length; i++) {
    const low = words[2 * i]!
    const high = words[2 * i + 1]!
    // An I64 fits when its high word repeats the low word's sign; a U64 when it is below 2^31.
    if (high !== (stored === 'I64' ? low >> 31 : 0) || (stored === 'U64' && low < 0)) {
      const value = new DataView(source.buffer, source.byteOffset)[stored === 'I64' ? 'getBigInt64' : 'getBigUint64'](i * 8, true)
      throw new TensorError(
        'FILE',
        `${what} is stored as ${stored} and loads as i32, but element ${i} is ${value}, outside -2147483648 to 2147483647; read its raw bytes instead`,
      )
    }
    out[i] = low
  }
  return new Uint8Array(out.buffer)
}

function widen16(signed: boolean, bytes: Uint8Array): Uint8Array {
  const source = aligned(bytes, 2)
  const length = source.byteLength / 2
  const out = Int32Array.from(
    signed ? new Int16Array(source.buffer, source.byteOffset, length) : new Uint16Array(source.buffer, source.byteOffset, length),
  )
  return new Uint8Array(out.buffer)
}

function checkBooleans(what: string, bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++)
    if (bytes[i]! > 1) throw new TensorError('FILE', `${what} is stored as BOOL, but element ${i} is the byte ${bytes[i]}; expected 0 or 1`)
}
