import { RagError } from '../errors.js'
import { pageSize, productMemory, productWidth, type ProductMemory } from './simd.js'

/** Inner products of one vector with rows of a table: in single precision once the table is accelerated, else in double. Good until the next probe. */
export interface Probe {
  of(row: number): number
  /** Of the first `count` of `rows`, in their order; overwritten by the next call. */
  ofMany(rows: Int32Array, count: number): ArrayLike<number>
}

/** How many products are made in one call. */
const mostAtOnce = 1024

/** Unit vectors under keys, in numbered rows of one array. A row whose key was deleted stays dead until the table is copied. */
export class VectorTable {
  private data: Float32Array
  /** Numbers from one row to the next, and before the first. */
  private stride: number
  private base = 0
  private fast: ProductMemory | undefined
  readonly keys: (string | undefined)[] = []
  private readonly rows = new Map<string, number>()

  constructor(
    readonly dimensions: number,
    capacity = 64,
  ) {
    this.data = new Float32Array(capacity * dimensions)
    this.stride = dimensions
  }

  /** Rows, dead ones included. */
  get length(): number {
    return this.keys.length
  }

  /** Keys. */
  get size(): number {
    return this.rows.size
  }

  /** Appends the vector, scaled to length 1, and returns its row. The row that had the key is dead from now on. */
  set(key: string, vector: Float32Array): number {
    const unit = unitVector(vector, this.dimensions)
    this.delete(key)
    const row = this.keys.length
    if (this.offset(row + 1) > this.data.length) this.grow()
    this.data.set(unit, this.offset(row))
    this.keys.push(key)
    this.rows.set(key, row)
    return row
  }

  delete(key: string): boolean {
    const row = this.rows.get(key)
    if (row === undefined) return false
    this.rows.delete(key)
    this.keys[row] = undefined
    return true
  }

  rowOf(key: string): number | undefined {
    return this.rows.get(key)
  }

  /** A copy of the vector. */
  get(key: string): Float32Array | undefined {
    const row = this.rows.get(key)
    return row === undefined ? undefined : this.data.slice(this.offset(row), this.offset(row) + this.dimensions)
  }

  /**
   * Moves the vectors to where products are fast, for {@link between} and probes; where there is no such place, all stays as it is. For tables that a
   * graph is made of: a program can have a limited number of such memories.
   */
  accelerate(): void {
    if (this.fast !== undefined) return
    const stride = Math.ceil(this.dimensions / productWidth) * productWidth
    // Before the rows: a vector that is searched for, addresses of rows, and their products.
    const base = stride + 2 * mostAtOnce
    const fast = productMemory(Math.ceil(((base + this.keys.length * stride) * 4) / pageSize))
    if (fast === undefined) return
    const data = new Float32Array(fast.memory.buffer)
    for (let row = 0; row < this.keys.length; row++)
      data.set(this.data.subarray(this.offset(row), this.offset(row) + this.dimensions), base + row * stride)
    this.data = data
    this.stride = stride
    this.base = base
    this.fast = fast
  }

  /** The same without dead rows. */
  compacted(): VectorTable {
    const copy = new VectorTable(this.dimensions, Math.max(64, this.size))
    const { dimensions } = this
    for (const [key, row] of this.rows) {
      copy.data.set(this.data.subarray(this.offset(row), this.offset(row) + dimensions), copy.offset(copy.keys.length))
      copy.rows.set(key, copy.keys.length)
      copy.keys.push(key)
    }
    return copy
  }

  /** Inner product of a row with a vector, summed in double precision. */
  similarity(row: number, vector: Float32Array): number {
    return dot(this.data, this.offset(row), vector, 0, this.dimensions)
  }

  probe(vector: Float32Array): Probe {
    if (this.fast === undefined) return slowProbe((row) => this.similarity(row, vector))
    this.data.set(vector, 0)
    return this.fastProbe(this.fast, 0)
  }

  /** {@link probe} of a row's vector. */
  probeOf(row: number): Probe {
    return this.fast === undefined ? slowProbe((other) => this.between(row, other)) : this.fastProbe(this.fast, 4 * this.offset(row))
  }

  private fastProbe({ memory, dot, dots }: ProductMemory, address: number): Probe {
    const [base, stride] = [4 * this.base, 4 * this.stride]
    const list = new Int32Array(memory.buffer, stride, mostAtOnce)
    const products = new Float32Array(memory.buffer, stride + 4 * mostAtOnce, mostAtOnce)
    const of = (row: number): number => dot(address, base + row * stride, address + stride)
    return {
      of,
      ofMany(rows, count) {
        if (count > mostAtOnce) return Float32Array.from(rows.subarray(0, count), of)
        for (let i = 0; i < count; i++) list[i] = base + rows[i]! * stride
        if (count > 0) dots(stride, count, address, stride, stride + 4 * mostAtOnce)
        return products
      },
    }
  }

  /** Inner product of two rows: in single precision once accelerated, else in double. */
  between(a: number, b: number): number {
    const [from, other] = [this.offset(a), this.offset(b)]
    if (this.fast !== undefined) return this.fast.dot(4 * from, 4 * other, 4 * (from + this.stride))
    return dot(this.data, from, this.data, other, this.dimensions)
  }

  private offset(row: number): number {
    return this.base + row * this.stride
  }

  private grow(): void {
    if (this.fast !== undefined) {
      try {
        this.fast.memory.grow((this.data.length * 4) / pageSize)
        this.data = new Float32Array(this.fast.memory.buffer)
        return
      } catch {
        // At 4 GB, or when there is no more: arrays may still have room.
        this.fast = undefined
      }
    }
    const grown = new Float32Array(this.data.length * 2)
    grown.set(this.data)
    this.data = grown
  }
}

const slowProbe = (of: (row: number) => number): Probe => ({
  of,
  ofMany: (rows, count) => Array.from(rows.subarray(0, count), of),
})

/** A vector scaled to length 1. Errors: OPTION for another length than `dimensions`, for zero, and for what is not finite. */
export function unitVector(vector: ArrayLike<number>, dimensions: number): Float32Array {
  if (vector.length !== dimensions)
    throw new RagError('OPTION', `A vector of this index has ${dimensions} components, got ${vector.length}`)
  // Scaled by the largest component first, so that squares neither overflow nor vanish.
  let largest = 0
  for (let i = 0; i < dimensions; i++) {
    const size = Math.abs(vector[i]!)
    if (!(size < Infinity)) throw new RagError('OPTION', `A vector must consist of finite numbers, component ${i} is ${vector[i]}`)
    if (size > largest) largest = size
  }
  if (largest === 0) throw new RagError('OPTION', 'A vector of zeros has no direction, so cosine similarity with it is undefined')
  let sum = 0
  for (let i = 0; i < dimensions; i++) sum += (vector[i]! / largest) ** 2
  const scale = Math.sqrt(sum)
  const unit = new Float32Array(dimensions)
  for (let i = 0; i < dimensions; i++) unit[i] = vector[i]! / largest / scale
  return unit
}

function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  // Four sums, so that each addition does not wait for the one before it.
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let i = 0
  for (; i + 3 < length; i += 4) {
    s0 += a[aStart + i]! * b[bStart + i]!
    s1 += a[aStart + i + 1]! * b[bStart + i + 1]!
    s2 += a[aStart + i + 2]! * b[bStart + i + 2]!
    s3 += a[aStart + i + 3]! * b[bStart + i + 3]!
  }
  for (; i < length; i++) s0 += a[aStart + i]! * b[bStart + i]!
  return s0 + s1 + s2 + s3
}
