import { TokenizerError } from '../../errors.js'

/** Real files have some dozens of keys. */
const MAX_KEYS = 2 ** 16
/** Arrays of arrays are legal and nobody writes them; the stack must not overflow on a file's word. */
const MAX_DEPTH = 4

/**
 * The metadata of a GGUF file, versions 2 and 3, little-endian: what stands before its tensors. Strings, numbers, booleans and arrays of these, those of numbers and booleans as typed arrays;
 * 64-bit integers come as bigint where a number is not exact.
 *
 * @param file the file or its beginning, as long as all metadata is there
 * @throws TokenizerError `FILE`, with the position, when the file is malformed
 */
export function readGgufMetadata(file: Uint8Array): Map<string, unknown> {
  const reader = new GgufReader(file)
  reader.header()
  const count = reader.count('keys', 13, MAX_KEYS)
  const metadata = new Map<string, unknown>()
  for (let i = 0; i < count; i++) {
    const key = reader.text(`key ${i}`)
    metadata.set(key, reader.value(reader.uint32(`the type of ${key}`), key, 0))
  }
  return metadata
}

interface Scalar {
  readonly size: number
  readonly read: (view: DataView, at: number) => unknown
}

const exact = (value: bigint): number | bigint => (BigInt(Number(value)) === value ? Number(value) : value)

/** By type number; 8 is a string and 9 an array. */
const scalars: ReadonlyMap<number, Scalar> = new Map<number, Scalar>([
  [0, { size: 1, read: (view, at) => view.getUint8(at) }],
  [1, { size: 1, read: (view, at) => view.getInt8(at) }],
  [2, { size: 2, read: (view, at) => view.getUint16(at, true) }],
  [3, { size: 2, read: (view, at) => view.getInt16(at, true) }],
  [4, { size: 4, read: (view, at) => view.getUint32(at, true) }],
  [5, { size: 4, read: (view, at) => view.getInt32(at, true) }],
  [6, { size: 4, read: (view, at) => view.getFloat32(at, true) }],
  [7, { size: 1, read: (view, at) => view.getUint8(at) !== 0 }],
  [10, { size: 8, read: (view, at) => exact(view.getBigUint64(at, true)) }],
  [11, { size: 8, read: (view, at) => exact(view.getBigInt64(at, true)) }],
  [12, { size: 8, read: (view, at) => view.getFloat64(at, true) }],
])
/** Lists of these are read at a time: a file may hold tens of millions of numbers that nobody asks for. */
const lists: ReadonlyMap<number, new (memory: ArrayBuffer) => unknown> = new Map<number, new (memory: ArrayBuffer) => unknown>([
  [0, Uint8Array],
  [1, Int8Array],
  [2, Uint16Array],
  [3, Int16Array],
  [4, Uint32Array],
  [5, Int32Array],
  [6, Float32Array],
  [7, Uint8Array],
  [12, Float64Array],
])
const TEXT = 8
const ARRAY = 9

class GgufReader {
  private at = 0
  private readonly view: DataView
  // Tokens of byte-level vocabularies may be any text, so a mark at the beginning stays.
  private readonly utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

  constructor(private readonly file: Uint8Array) {
    this.view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  }

  header(): void {
    if (this.file.length < 24) throw this.fail(`has ${this.file.length} bytes, too few for a header`, 0)
    // "GGUF"
    if (this.view.getUint32(0, true) !== 0x46554747) throw this.fail('does not begin with "GGUF"', 0)
    const version = this.view.getUint32(4, true)
    if (version !== 2 && version !== 3) throw this.fail(`has version ${version}; 2 and 3 are supported, little-endian`, 4)
    // The number of tensors is of no interest here.
    this.at = 16
  }

  /** A number of things of which each takes `size` bytes at least. */
  count(what: string, size: number, most = Infinity): number {
    const at = this.at
    const count = Number(this.view.getBigUint64(this.take(8, `the number of ${what}`), true))
    if (count * size > this.file.length - this.at || count > most) {
      throw this.fail(`should hold ${count} ${what}, which its ${this.file.length - this.at} bytes left cannot`, at)
    }
    return count
  }

  text(what: string): string {
    const length = this.count(`bytes of ${what}`, 1)
    const start = this.take(length, what)
    return this.utf8.decode(this.file.subarray(start, start + length))
  }

  uint32(what: string): number {
    return this.view.getUint32(this.take(4, what), true)
  }

  value(type: number, key: string, depth: number): unknown {
    const scalar = scalars.get(type)
    if (scalar !== undefined) return scalar.read(this.view, this.take(scalar.size, key))
    if (type === TEXT) return this.text(key)
    if (type !== ARRAY) throw this.fail(`gives ${key} the type ${type}; types are 0 to 12`, this.at)
    if (depth === MAX_DEPTH) throw this.fail(`nests the arrays of ${key} more than ${MAX_DEPTH} deep`, this.at)
    const inner = this.uint32(`the type in ${key}`)
    const size = scalars.get(inner)?.size ?? (inner === ARRAY ? 12 : 8)
    const count = this.count(`elements of ${key}`, size)
    const List = lists.get(inner)
    if (List !== undefined) {
      const at = this.take(count * size, key)
      // The file is little-endian, as every machine is that runs JavaScript. A Buffer's own `slice` would share its memory.
      return new List(Uint8Array.prototype.slice.call(this.file, at, at + count * size).buffer as ArrayBuffer)
    }
    const values: unknown[] = []
    for (let i = 0; i < count; i++) values.push(this.value(inner, key, depth + 1))
    return values
  }

  private take(size: number, what: string): number {
    const { at } = this
    if (size > this.file.length - at) throw this.fail(`ends inside ${what.slice(0, 80)}`, at)
    this.at += size
    return at
  }

  private fail(what: string, position: number): TokenizerError {
    return new TokenizerError('FILE', `The GGUF file ${what} (at byte ${position})`, { position })
  }
}
