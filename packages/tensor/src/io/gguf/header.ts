/*
 * GGUF, versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), little-endian: "GGUF", a version, how many tensors and how many keys; the keys with their values; for each tensor its
 * name, sizes, type and where its data begin; then the data, aligned.
 */
import { TensorError } from '../../errors.js'
import { show } from '../json.js'
import type { TensorInfo } from '../tensor-file.js'
import { ggufTypes } from './types.js'

/** Values of one key: lists of numbers as typed arrays, integers of 64 bits as bigint where a number is not exact. */
export type GgufValue = number | bigint | boolean | string | GgufList
export type GgufList =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | readonly (number | bigint)[]
  | readonly boolean[]
  | readonly string[]
  | readonly GgufList[]

export interface GgufHeader {
  readonly version: number
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** Types of those values that are single numbers, true or false. */
  readonly types: ReadonlyMap<string, GgufType>
  /** In the order of the data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>
}

/** Largest header that is read; those of vocabularies of a quarter of a million tokens have 16 MB. */
export const maxGgufHeaderBytes = 2 ** 28
/** Elements of lists that are not of numbers, as each takes memory beside its bytes in the file. */
const maxElements = 20_000_000
/** A list takes 12 bytes of a file and some hundreds of memory. */
const elementsOfList = 64
const maxKeys = 2 ** 16
const maxTensors = 2 ** 20
const maxNameBytes = 2 ** 16
/** Lists of lists are legal and nobody writes them. */
const maxDepth = 4
const maxDimensions = 4
const maxAlignment = 2 ** 16

/** Thrown where the bytes that are there end before the header does: so many are needed at least. */
export class MoreNeeded {
  constructor(readonly bytes: number) {}
}

/**
 * Parses and checks a header. `bytes` is the beginning of the file, `fileSize` the size of all of it. Every number is checked before use.
 *
 * @throws TensorError `FILE`, with what was found and what was expected; {@link MoreNeeded} where `bytes` is too short
 */
export function parseGgufHeader(bytes: Uint8Array, fileSize: number, label: string): GgufHeader {
  return new Parser(bytes, fileSize, label).parse()
}

/** Types of single values. */
export type GgufType = 'uint8' | 'int8' | 'uint16' | 'int16' | 'uint32' | 'int32' | 'float32' | 'bool' | 'uint64' | 'int64' | 'float64'

interface Scalar {
  readonly name: GgufType
  readonly number: number
  readonly size: number
  readonly read: (view: DataView, at: number) => number | bigint | boolean
  readonly write: (view: DataView, at: number, value: number | bigint | boolean) => void
  /** Of lists of these. */
  readonly List?: new (memory: ArrayBuffer) => GgufList
}

const exact = (value: bigint): number | bigint => (BigInt(Number(value)) === value ? Number(value) : value)

/** A type whose values DataView has methods for. */
const numeric = <Kind extends 'Uint8' | 'Int8' | 'Uint16' | 'Int16' | 'Uint32' | 'Int32' | 'Float32' | 'Float64'>(
  number: number,
  name: GgufType,
  size: number,
  kind: Kind,
  List: new (memory: ArrayBuffer) => GgufList,
): Scalar => ({
  name,
  number,
  size,
  read: (view, at) => view[`get${kind}`](at, true),
  write: (view, at, value) => view[`set${kind}`](at, Number(value), true),
  List,
})

/** Types of single values by their names. */
export const scalarTypes: ReadonlyMap<string, Scalar> = new Map(
  [
    numeric(0, 'uint8', 1, 'Uint8', Uint8Array),
    numeric(1, 'int8', 1, 'Int8', Int8Array),
    numeric(2, 'uint16', 2, 'Uint16', Uint16Array),
    numeric(3, 'int16', 2, 'Int16', Int16Array),
    numeric(4, 'uint32', 4, 'Uint32', Uint32Array),
    numeric(5, 'int32', 4, 'Int32', Int32Array),
    numeric(6, 'float32', 4, 'Float32', Float32Array),
    {
      name: 'bool',
      number: 7,
      size: 1,
      read: (view: DataView, at: number) => view.getUint8(at) !== 0,
      write: (view: DataView, at: number, value: number | bigint | boolean) => view.setUint8(at, Number(value)),
    } as const,
    {
      name: 'uint64',
      number: 10,
      size: 8,
      read: (view: DataView, at: number) => exact(view.getBigUint64(at, true)),
      write: (view: DataView, at: number, value: number | bigint | boolean) => view.setBigUint64(at, BigInt(value), true),
    } as const,
    {
      name: 'int64',
      number: 11,
      size: 8,
      read: (view: DataView, at: number) => exact(view.getBigInt64(at, true)),
      write: (view: DataView, at: number, value: number | bigint | boolean) => view.setBigInt64(at, BigInt(value), true),
    } as const,
    numeric(12, 'float64', 8, 'Float64', Float64Array),
  ].map((scalar): [string, Scalar] => [scalar.name, scalar]),
)
const scalars: ReadonlyMap<number, Scalar> = new Map(Array.from(scalarTypes.values(), (scalar) => [scalar.number, scalar]))
const STRING = 8
const LIST = 9

class Parser {
  private at = 0
  private elements = 0
  private readonly view: DataView
  private readonly text = new TextDecoder('utf-8', { ignoreBOM: true })
  private readonly strictText = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

  constructor(
    private readonly bytes: Uint8Array,
    private readonly fileSize: number,
    private readonly label: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  parse(): GgufHeader {
    const version = this.begin()
    const tensorCount = this.count('tensors', 8 + 4 + 4 + 8, maxTensors)
    const keyCount = this.count('keys', 8 + 4 + 1, maxKeys)
    const metadata = new Map<string, GgufValue>()
    const types = new Map<string, GgufType>()
    for (let i = 0; i < keyCount; i++) {
      const key = this.name(`key ${i}`)
      if (metadata.has(key)) throw this.fail(`the key ${show(key)} stands twice in it`)
      const type = this.uint32(`the type of ${show(key)}`)
      metadata.set(key, this.value(type, show(key), 0))
      const scalar = scalars.get(type)
      if (scalar !== undefined) types.set(key, scalar.name)
    }
    const alignment = this.alignmentOf(metadata)
    const infos: TensorInfo[] = []
    const names = new Set<string>()
    for (let i = 0; i < tensorCount; i++) {
      const info = this.tensor(i, alignment)
      if (names.has(info.name)) throw this.fail(`the tensor ${show(info.name)} stands twice in it`)
      names.add(info.name)
      infos.push(info)
    }
    const dataStart = Math.ceil(this.at / alignment) * alignment
    return { version, metadata, types, tensors: this.place(infos, dataStart) }
  }

  private begin(): number {
    if (this.fileSize < 24) throw this.fail(`a GGUF file has at least 24 bytes, and this one has ${this.fileSize}`)
    const magic = this.take(4, 'the first bytes')
    if (this.view.getUint32(magic, true) !== 0x46554747)
      throw this.fail(
        `a GGUF file begins with the bytes "GGUF", found ${[...this.bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}`,
      )
    const version = this.uint32('the version')
    if (version === 2 || version === 3) return version
    const turned = version >>> 24 > 0 && (version & 0xffffff) === 0
    throw this.fail(
      turned
        ? 'its numbers are big-endian, and only little-endian files are read; convert it with gguf-convert-endian of the Python package gguf'
        : `version ${version} is not read, only 2 and 3; convert the model anew`,
    )
  }

  private alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
    const alignment = metadata.get('general.alignment') ?? 32
    if (
      typeof alignment !== 'number' ||
      !Number.isInteger(alignment) ||
      alignment < 1 ||
      alignment > maxAlignment ||
      (alignment & (alignment - 1)) !== 0
    )
      throw this.fail(`general.alignment must be a power of two up to ${maxAlignment}, found ${show(alignment)}`)
    return alignment
  }

  private tensor(index: number, alignment: number): TensorInfo {
    const name = this.name(`the name of tensor ${index}`)
    const fail = (message: string): TensorError => this.fail(`tensor ${show(name)}: ${message}`)
    const dimensions = this.uint32(`the dimensions of ${show(name)}`)
    if (dimensions > maxDimensions) throw fail(`${dimensions} dimensions, more than ${maxDimensions}`)
    const sizes: number[] = []
    let elements = 1
    for (let i = 0; i < dimensions; i++) {
      const size = this.uint64(`the sizes of ${show(name)}`)
      elements *= size
      if (!Number.isSafeInteger(elements)) throw fail('has more elements than can be counted')
      sizes.push(size)
    }
    const number = this.uint32(`the type of ${show(name)}`)
    const type = ggufTypes.get(number)
    if (type === undefined) throw fail(`its type has the number ${number}, which is none that is known`)
    if (type.block > 1 && (sizes[0] ?? 1) % type.block !== 0)
      throw fail(`rows of ${sizes[0] ?? 1} elements are no whole blocks of ${type.name}, which have ${type.block}`)
    const bytes = (elements / type.block) * type.bytes
    if (!Number.isSafeInteger(bytes)) throw fail('has more bytes than can be counted')
    const offset = this.uint64(`where ${show(name)} begins`)
    if (offset % alignment !== 0) throw fail(`begins at byte ${offset} of the data, which is no multiple of the alignment ${alignment}`)
    // The size that runs fastest comes first in the file, and last here.
    return { name, dtype: type.name, shape: Object.freeze(sizes.reverse()), offset, bytes }
  }

  /** Tensors with their places in the file, which must lie inside of it and apart from each other. */
  private place(infos: TensorInfo[], dataStart: number): ReadonlyMap<string, TensorInfo> {
    infos.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)
    const placed = new Map<string, TensorInfo>()
    let end = 0
    let before = ''
    for (const info of infos) {
      const { name, offset, bytes } = info
      if (offset < end) throw this.fail(`the tensors ${show(before)} and ${show(name)} overlap at byte ${offset} of the data`)
      if (dataStart + offset + bytes > this.fileSize)
        throw this.fail(
          `tensor ${show(name)}: its ${bytes} bytes at ${dataStart + offset} reach outside of the file's ${this.fileSize}; the file is cut or damaged`,
        )
      end = offset + bytes
      before = name
      placed.set(name, { ...info, offset: dataStart + offset })
    }
    return placed
  }

  private value(type: number, key: string, depth: number): GgufValue {
    const scalar = scalars.get(type)
    if (scalar !== undefined) return scalar.read(this.view, this.take(scalar.size, key))
    if (type === STRING) return this.string(key)
    if (type !== LIST) throw this.fail(`${key} has the type ${type}; types are 0 to 12`)
    if (depth === maxDepth) throw this.fail(`the lists of ${key} are nested more than ${maxDepth} deep`)
    const inner = this.uint32(`the type in ${key}`)
    const element = scalars.get(inner)
    const size = element?.size ?? (inner === LIST ? 12 : 8)
    const count = this.count(`elements of ${key}`, size, 2 ** 32)
    if (element?.List !== undefined) {
      const at = this.take(count * size, key)
      // A copy, which is aligned; the file is little-endian, as every machine is that runs JavaScript.
      return new element.List(Uint8Array.prototype.slice.call(this.bytes, at, at + count * size).buffer as ArrayBuffer)
    }
    this.elements += inner === LIST ? count * elementsOfList : count
    if (this.elements > maxElements)
      throw this.fail(`its lists have more than ${maxElements} elements together, where a list in a list counts as ${elementsOfList}`)
    const values: GgufValue[] = []
    for (let i = 0; i < count; i++) values.push(this.value(inner, key, depth + 1))
    return values as GgufList
  }

  private name(what: string): string {
    const length = this.count(`bytes of ${what}`, 1, maxNameBytes)
    const at = this.take(length, what)
    try {
      return this.strictText.decode(this.bytes.subarray(at, at + length))
    } catch {
      throw this.fail(`${what} is not valid UTF-8`)
    }
  }

  private string(what: string): string {
    const length = this.count(`bytes of ${what}`, 1, maxGgufHeaderBytes)
    const at = this.take(length, what)
    return this.text.decode(this.bytes.subarray(at, at + length))
  }

  /** A number of things of which each takes `size` bytes at least. */
  private count(what: string, size: number, most: number): number {
    const count = this.view.getBigUint64(this.take(8, `the number of ${what}`), true)
    const left = this.fileSize - this.at
    if (count > BigInt(most)) throw this.fail(`should hold ${count} ${what}, more than the ${most} allowed`)
    if (Number(count) * size > left)
      throw this.fail(`should hold ${count} ${what}, for which its ${left} bytes left are too few; the file is cut or damaged`)
    return Number(count)
  }

  private uint32(what: string): number {
    return this.view.getUint32(this.take(4, what), true)
  }

  private uint64(what: string): number {
    const value = this.view.getBigUint64(this.take(8, what), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.fail(`${what}: ${value} is more than can be counted`)
    return Number(value)
  }

  private take(size: number, what: string): number {
    const { at } = this
    if (size > this.fileSize - at) throw this.fail(`the file ends inside of ${what.slice(0, 80)}; it is cut or damaged`)
    if (at + size > maxGgufHeaderBytes) throw this.fail(`the header is longer than the ${maxGgufHeaderBytes} bytes allowed`)
    if (size > this.bytes.byteLength - at) throw new MoreNeeded(at + size)
    this.at += size
    return at
  }

  private fail(what: string): TensorError {
    return new TensorError('FILE', `${this.label}: ${what}`)
  }
}
