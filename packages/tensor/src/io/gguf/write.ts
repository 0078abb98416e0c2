/*
 * GGUF, version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), little-endian: what `header.ts` reads, written.
 */
import type { DType } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import { show } from '../json.js'
import type { TensorEntry } from '../safetensors-write.js'
import { scalarTypes, type GgufList, type GgufType, type GgufValue } from './header.js'
import { ggufTypes, type StoredType } from './types.js'

/** A value with its type in the file, where readers insist on one. */
export interface GgufTyped {
  readonly type: GgufType
  readonly value: number | bigint | boolean
}

/**
 * Metadata of a file. A plain number is written as uint32, int32, int64 or float32, the first that holds it; say `{ type: 'float32', value: 10_000 }` for a whole number that readers expect to be a float. Lists of numbers are typed
 * arrays.
 */
export type GgufMetadata = Iterable<readonly [key: string, value: GgufValue | GgufTyped]>

export interface GgufWriteOptions {
  /** In their order. `general.alignment` must be 32 where it is given. */
  readonly metadata: GgufMetadata
  readonly signal?: AbortSignal
}

const ALIGNMENT = 32
const STRING = 8
const LIST = 9
const numberOfType = new Map([...ggufTypes].map(([number, type]) => [type.name, { number, ...type }]))
const storedNames: Partial<Record<DType, string>> = { f32: 'F32', f16: 'F16', bf16: 'BF16', f64: 'F64', i8: 'I8', i32: 'I32' }

interface Placed {
  readonly entry: TensorEntry
  readonly bytes: number
}

/** What a file will consist of: the header with its filling, then each tensor with filling up to a multiple of 32 bytes. */
interface Layout {
  readonly header: Uint8Array
  readonly tensors: readonly Placed[]
}

/**
 * The file piece by piece, tensors in their order. An entry's dtype is f32, f16, bf16 or one of GGUF's types (`'Q8_0'`), whose blocks its bytes are (see `quantizeBlocks`).
 *
 * @throws TensorError VALUE for what does not fit the format, and ABORTED
 */
export async function* writeGguf(entries: Iterable<TensorEntry>, options: GgufWriteOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const { header, tensors } = layOut([...entries], options.metadata)
  yield header
  for (const { entry, bytes: size } of tensors) {
    if (options.signal?.aborted) throw new TensorError('ABORTED', 'writeGguf was aborted', { cause: options.signal.reason })
    const bytes = typeof entry.bytes === 'function' ? await entry.bytes() : entry.bytes
    if (bytes.byteLength !== size)
      throw new TensorError(
        'VALUE',
        `writeGguf: tensor ${show(entry.name)}: ${entry.dtype} [${entry.shape.join(', ')}] takes ${size} bytes, got ${bytes.byteLength}`,
      )
    yield bytes
    if (size % ALIGNMENT !== 0) yield new Uint8Array(ALIGNMENT - (size % ALIGNMENT))
  }
}

function layOut(entries: readonly TensorEntry[], metadata: GgufMetadata): Layout {
  const out = new HeaderBytes()
  const keys = new Map(metadata)
  if (![undefined, ALIGNMENT].includes(keys.get('general.alignment') as number | undefined))
    throw new TensorError(
      'VALUE',
      `writeGguf: general.alignment is ${show(keys.get('general.alignment'))}; files are written with ${ALIGNMENT}`,
    )
  out.u32(0x46554747).u32(3).u64(entries.length).u64(keys.size)
  for (const [key, value] of keys) writeValue(out.text(key), value, key)
  const seen = new Set<string>()
  const tensors: Placed[] = []
  let offset = 0
  for (const entry of entries) {
    if (seen.has(entry.name)) throw new TensorError('VALUE', `writeGguf: two tensors are named ${show(entry.name)}`)
    seen.add(entry.name)
    const type = typeOf(entry)
    const bytes = sizeOf(entry, type)
    out.text(entry.name).u32(entry.shape.length)
    for (const size of entry.shape.toReversed()) out.u64(size)
    out.u32(type.number).u64(offset)
    tensors.push({ entry, bytes })
    offset += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
  }
  return { header: out.finish(ALIGNMENT), tensors }
}

function typeOf({ name, dtype }: TensorEntry): StoredType & { readonly number: number } {
  const type = numberOfType.get(storedNames[dtype as DType] ?? dtype)
  if (type === undefined)
    throw new TensorError(
      'VALUE',
      `writeGguf: tensor ${show(name)}: the format has no type ${show(dtype)}; expected f32, f16, bf16 or one of its own, such as 'Q8_0'`,
    )
  return type
}

function sizeOf({ name, shape }: TensorEntry, { block, bytes, name: type }: StoredType): number {
  if (shape.length > 4 || shape.some((size) => !Number.isSafeInteger(size) || size < 0))
    throw new TensorError('VALUE', `writeGguf: tensor ${show(name)}: the shape [${shape.join(', ')}] must be up to 4 non-negative integers`)
  if ((shape.at(-1) ?? 1) % block !== 0)
    throw new TensorError(
      'VALUE',
      `writeGguf: tensor ${show(name)}: rows of ${shape.at(-1)} elements are no whole blocks of ${type}, which have ${block}`,
    )
  const size = (shape.reduce((a, b) => a * b, 1) / block) * bytes
  if (!Number.isSafeInteger(size))
    throw new TensorError('VALUE', `writeGguf: tensor ${show(name)}: [${shape.join(', ')}] is larger than can be counted`)
  return size
}

const isTyped = (value: GgufValue | GgufTyped): value is GgufTyped => typeof value === 'object' && 'type' in value && 'value' in value

function writeValue(out: HeaderBytes, value: GgufValue | GgufTyped, key: string): void {
  if (typeof value === 'string') return void out.u32(STRING).text(value)
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return writeList(out.u32(LIST), value as GgufList, key)
  const { type, value: plain } = isTyped(value)
    ? value
    : { type: plainType(value as number | bigint | boolean, key), value: value as number | bigint | boolean }
  const scalar = scalarTypes.get(type)
  if (scalar === undefined)
    throw new TensorError('VALUE', `writeGguf: ${key} has the type ${show(type)}; expected one of ${[...scalarTypes.keys()].join(', ')}`)
  out.u32(scalar.number).scalar(scalar, plain, key)
}

function plainType(value: number | bigint | boolean, key: string): GgufType {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return value < 0n ? 'int64' : 'uint64'
  if (typeof value !== 'number')
    throw new TensorError('VALUE', `writeGguf: ${key} is ${show(value)}; expected a number, a text, true or false, or a list of these`)
  if (!Number.isInteger(value)) return 'float32'
  if (value >= 0 && value < 2 ** 32) return 'uint32'
  if (value >= -(2 ** 31) && value < 0) return 'int32'
  return Number.isSafeInteger(value) ? 'int64' : 'float32'
}

function writeList(out: HeaderBytes, list: GgufList, key: string): void {
  const typed = [...scalarTypes].find(([, { List }]) => List !== undefined && list instanceof List)
  if (typed !== undefined) {
    const [, scalar] = typed
    out.u32(scalar.number).u64(list.length)
    for (const value of list as Iterable<number>) out.scalar(scalar, value, key)
    return
  }
  const values = list as readonly (GgufValue | GgufTyped)[]
  const first = values[0] ?? ''
  if (values.some((value) => typeof value !== typeof first || Array.isArray(value) !== Array.isArray(first)))
    throw new TensorError('VALUE', `writeGguf: the list ${key} has elements of several types; it may have one`)
  if (typeof first === 'string') {
    out.u32(STRING).u64(values.length)
    for (const value of values) out.text(value as string)
  } else if (typeof first === 'object') {
    out.u32(LIST).u64(values.length)
    for (const value of values) writeList(out, value as GgufList, key)
  } else {
    const numbers = values as readonly (number | bigint | boolean)[]
    const types = new Set(numbers.map((value) => plainType(value, key)))
    const type = types.size === 1 ? [...types][0]! : typeof first === 'bigint' ? 'int64' : types.has('float32') ? 'float32' : 'int64'
    const scalar = scalarTypes.get(type)!
    out.u32(scalar.number).u64(numbers.length)
    for (const value of numbers) out.scalar(scalar, value, key)
  }
}

interface Scalar {
  readonly size: number
  readonly write: (view: DataView, at: number, value: number | bigint | boolean) => void
  readonly read: (view: DataView, at: number) => number | bigint | boolean
}

/** Bytes that grow. */
class HeaderBytes {
  private bytes = new Uint8Array(4096)
  private view = new DataView(this.bytes.buffer)
  private at = 0
  private readonly encoder = new TextEncoder()

  u32(value: number): this {
    const at = this.room(4) // which may make another view
    this.view.setUint32(at, value, true)
    return this
  }

  u64(value: number): this {
    const at = this.room(8)
    this.view.setBigUint64(at, BigInt(value), true)
    return this
  }

  text(value: string): this {
    const bytes = this.encoder.encode(value)
    this.u64(bytes.byteLength)
    const at = this.room(bytes.byteLength)
    this.bytes.set(bytes, at)
    return this
  }

  scalar(scalar: Scalar, value: number | bigint | boolean, key: string): this {
    const at = this.room(scalar.size)
    try {
      scalar.write(this.view, at, value)
    } catch (cause) {
      throw new TensorError('VALUE', `writeGguf: ${key}: ${String(value)} is no such number`, { cause })
    }
    const written = scalar.read(this.view, at)
    const same =
      typeof value === 'number' && !Number.isInteger(value)
        ? written === Math.fround(value) || Object.is(written, value)
        : Number(written) === Number(value)
    if (!same)
      throw new TensorError('VALUE', `writeGguf: ${key}: ${String(value)} does not fit its type, which would hold ${String(written)}`)
    return this
  }

  finish(alignment: number): Uint8Array {
    this.room(Math.ceil(this.at / alignment) * alignment - this.at)
    return this.bytes.subarray(0, this.at)
  }

  private room(size: number): number {
    const { at } = this
    if (at + size > this.bytes.byteLength) {
      const grown = new Uint8Array(Math.max(2 * this.bytes.byteLength, at + size))
      grown.set(this.bytes.subarray(0, at))
      this.bytes = grown
      this.view = new DataView(grown.buffer)
    }
    this.at = at + size
    return at
  }
}
