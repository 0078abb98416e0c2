import { RagError } from '../errors.js'

/** Unit vectors under keys, in numbered rows of one array. A row whose key was deleted stays dead until the table is copied. */
export class VectorTable {
  data: Float32Array
  readonly keys: (string | undefined)[] = []
  private readonly rows = new Map<string, number>()

  constructor(
    readonly dimensions: number,
    capacity = 64,
  ) {
    this.data = new Float32Array(capacity * dimensions)
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
    if ((row + 1) * this.dimensions > this.data.length) {
      const grown = new Float32Array(this.data.length * 2)
      grown.set(this.data)
      this.data = grown
    }
    this.data.set(unit, row * this.dimensions)
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
    return row === undefined ? undefined : this.data.slice(row * this.dimensions, (row + 1) * this.dimensions)
  }

  /** The same without dead rows. */
  compacted(): VectorTable {
    const copy = new VectorTable(this.dimensions, Math.max(64, this.size))
    const { dimensions } = this
    for (const [key, row] of this.rows) {
      copy.data.set(this.data.subarray(row * dimensions, (row + 1) * dimensions), copy.keys.length * dimensions)
      copy.rows.set(key, copy.keys.length)
      copy.keys.push(key)
    }
    return copy
  }

  /** Inner product of a row with a vector. */
  similarity(row: number, vector: Float32Array): number {
    return dot(this.data, row * this.dimensions, vector, 0, this.dimensions)
  }

  /** Inner product of two rows. */
  between(a: number, b: number): number {
    return dot(this.data, a * this.dimensions, this.data, b * this.dimensions, this.dimensions)
  }
}

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
