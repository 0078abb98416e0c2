import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { isRecord, parseStrictJson, show } from './json.js'
import type { TensorInfo } from './tensor-file.js'

/*
 * The safetensors format (https://github.com/huggingface/safetensors): an unsigned 64-bit little-endian header length, that many
 * bytes of JSON, then tensor data. The JSON maps names to {dtype, shape, data_offsets: [begin, end]}, offsets counted
 * from the end of the header; `__metadata__` maps strings to strings. The ranges cover the data without holes or overlap.
 */

/** Largest header that is read, as in the reference implementation. */
export const maxHeaderBytes = 100_000_000

/** Bits of one element of every dtype the format names. Sub-byte types are packed, so a tensor is a whole number of bytes. */
export const storedBits: ReadonlyMap<string, number> = new Map([
  ['BOOL', 8],
  ['F4', 4],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['U8', 8],
  ['I8', 8],
  ['F8_E5M2', 8],
  ['F8_E4M3', 8],
  ['F8_E8M0', 8],
  ['F8_E4M3FNUZ', 8],
  ['F8_E5M2FNUZ', 8],
  ['I16', 16],
  ['U16', 16],
  ['F16', 16],
  ['BF16', 16],
  ['I32', 32],
  ['U32', 32],
  ['F32', 32],
  ['C64', 64],
  ['F64', 64],
  ['I64', 64],
  ['U64', 64],
])

/** The file's name of each dtype that tensors have here. */
export const storedDType: Readonly<Record<DType, string>> = {
  f64: 'F64',
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
  i32: 'I32',
  u32: 'U32',
  i8: 'I8',
  u8: 'U8',
  bool: 'BOOL',
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>
  /** In the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
}

/**
 * Length of the header from the file's first 8 bytes, checked against the limit and the file's size before anything is
 * allocated. Throws FILE.
 */
export function headerLength(prefix: Uint8Array, fileSize: number, label: string): number {
  if (fileSize < 8 || prefix.byteLength < 8)
    throw new TensorError(
      'FILE',
      `${label}: a safetensors file starts with 8 bytes of header length, but the file has ${Math.min(fileSize, prefix.byteLength)} bytes`,
    )
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes))
    throw new TensorError(
      'FILE',
      `${label}: the header claims to be ${length} bytes long, more than the ${maxHeaderBytes} allowed; this is not a safetensors file or it is damaged`,
    )
  if (Number(length) + 8 > fileSize)
    throw new TensorError(
      'FILE',
      `${label}: the header claims to be ${length} bytes long, but only ${fileSize - 8} bytes follow; the file is cut or damaged`,
    )
  return Number(length)
}

/**
 * Parses and checks a header. `bytes` is the JSON alone, `fileSize` the size of the whole file. Every number is checked before
 * use. Throws FILE with the tensor's name, what was found and what was expected.
 */
export function parseHeader(bytes: Uint8Array, fileSize: number, label: string): SafetensorsHeader {
  if (bytes[0] !== 123)
    throw new TensorError('FILE', `${label}: the header must begin with '{', found ${bytes.length === 0 ? 'nothing' : `byte ${bytes[0]}`}`)
  const json = parseStrictJson(bytes, `${label}: the header`, { depth: 8, values: 20_000_000 })
  if (!isRecord(json)) throw new TensorError('FILE', `${label}: the header must be a JSON object`)
  const dataStart = bytes.byteLength + 8
  const dataBytes = fileSize - dataStart
  const infos: TensorInfo[] = []
  let metadata: Readonly<Record<string, string>> = Object.freeze(Object.create(null) as Record<string, string>)
  for (const [name, entry] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(entry, label)
    else infos.push(parseEntry(name, entry, dataStart, dataBytes, label))
  }
  infos.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)
  checkCover(infos, dataStart, dataBytes, label)
  return { metadata, tensors: new Map(infos.map((info) => [info.name, info])) }
}

function parseMetadata(entry: unknown, label: string): Readonly<Record<string, string>> {
  if (!isRecord(entry)) throw new TensorError('FILE', `${label}: __metadata__ must be an object of strings, found ${show(entry)}`)
  // Without a prototype a key such as __proto__ is a key like any other.
  const out = Object.create(null) as Record<string, string>
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string')
      throw new TensorError('FILE', `${label}: __metadata__ ${show(key)} must be a string, found ${show(value)}`)
    out[key] = value
  }
  return Object.freeze(out)
}

function parseEntry(name: string, entry: unknown, dataStart: number, dataBytes: number, label: string): TensorInfo {
  const fail = (message: string): never => {
    throw new TensorError('FILE', `${label}: tensor ${show(name)}: ${message}`)
  }
  if (!isRecord(entry)) return fail(`expected {dtype, shape, data_offsets}, found ${show(entry)}`)
  const { dtype, shape, data_offsets: offsets } = entry
  // Names of types to come are let through as raw bytes; anything else in that place is damage.
  if (typeof dtype !== 'string' || !/^[A-Z][A-Z0-9_]{0,31}$/.test(dtype))
    return fail(`dtype must be a type name such as 'F32', found ${show(dtype)}`)
  if (!isSizes(shape)) return fail(`shape must be an array of non-negative integers, found ${show(shape)}`)
  if (shape.length > 64) return fail(`shape has ${shape.length} dimensions, more than 64`)
  if (!isSizes(offsets) || offsets.length !== 2) return fail(`data_offsets must be [begin, end], found ${show(offsets)}`)
  const begin = offsets[0]!
  const end = offsets[1]!
  if (begin > end) return fail(`data_offsets end before they begin: [${begin}, ${end}]`)
  if (end > dataBytes)
    return fail(`data_offsets [${begin}, ${end}] reach outside the ${dataBytes} bytes of data; the file is cut or damaged`)
  // Multiplied from the left with a check at each step; the zero in [2^40, 2^40, 0] does not excuse the overflow before it.
  let count = 1
  for (const dim of shape) {
    count *= dim
    if (!Number.isSafeInteger(count)) return fail(`shape [${shape.join(', ')}] has more elements than can be counted`)
  }
  const bits = storedBits.get(dtype)
  if (bits !== undefined) {
    const total = count * bits
    if (!Number.isSafeInteger(total)) return fail(`shape [${shape.join(', ')}] of ${dtype} is larger than can be counted`)
    if (total % 8 !== 0) return fail(`${count} elements of ${dtype} are ${total} bits, not a whole number of bytes`)
    if (total / 8 !== end - begin)
      return fail(`data_offsets span ${end - begin} bytes, but ${dtype} [${shape.join(', ')}] takes ${total / 8}`)
  }
  return { name, dtype, shape: Object.freeze(shape.map((dim) => dim + 0)), offset: dataStart + begin, bytes: end - begin }
}

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0)

/** The ranges, in order, must follow each other exactly and end with the file. */
function checkCover(infos: readonly TensorInfo[], dataStart: number, dataBytes: number, label: string): void {
  let end = dataStart
  let before: TensorInfo | undefined
  for (const info of infos) {
    if (info.offset !== end) {
      const found = `data begins at ${info.offset - dataStart}, but ${before === undefined ? 'the data begins at 0' : `${show(before.name)} before it ends at ${end - dataStart}`}`
      const what = info.offset < end ? 'the two overlap' : 'bytes between them belong to no tensor'
      throw new TensorError('FILE', `${label}: tensor ${show(info.name)}: ${found}; ${what}`)
    }
    end = info.offset + info.bytes
    before = info
  }
  const used = end - dataStart
  if (used !== dataBytes)
    throw new TensorError(
      'FILE',
      `${label}: the tensors end at byte ${used} of the data, but the file holds ${dataBytes}; ${dataBytes - used} bytes belong to no tensor`,
    )
}
