import { throwIfAborted } from '@tesserae/core'
import { RagError } from '../errors.js'
import { compareCodePoints } from '../order.js'
import { TopK } from '../top-k.js'
import { Hnsw, type HnswOptions } from './hnsw.js'
import { unitVector, VectorTable } from './table.js'

export interface VectorIndexOptions extends HnswOptions {
  /** Length of the vectors. */
  readonly dimensions: number
  /** Up to so many vectors every one is compared; above, a graph is made. Default 5,000; Infinity for exact search at any size. */
  readonly flatLimit?: number
}

export interface VectorSearchOptions {
  readonly k: number
  /** Width of the search in the graph; default max(40, 4k). */
  readonly ef?: number
  /** Compare every vector, whatever the size. */
  readonly exact?: boolean
  /** Which keys may be found; the rest counts for nothing. */
  readonly accept?: (key: string) => boolean
  readonly signal?: AbortSignal
}

export interface VectorHit {
  readonly key: string
  /** Cosine similarity. */
  readonly score: number
}

/** Living rows that may be found. */
interface Accepted {
  readonly has: (row: number) => boolean
  readonly count: number
}

/** How long the graph is built before other work gets a turn, in milliseconds. */
const turnLength = 50

/**
 * Vectors under keys, searched by cosine: exactly while there are few, by an HNSW graph above, which the next search builds. Filtered searches
 * return k hits wherever k keys match: where few match they alone are compared, and where the graph finds too few, all are.
 */
export class VectorIndex {
  private table: VectorTable
  private graph: Hnsw | undefined
  private building: Promise<void> | undefined
  private readonly flatLimit: number

  constructor(private readonly options: VectorIndexOptions) {
    const { dimensions, flatLimit = 5000 } = options
    if (!Number.isInteger(dimensions) || dimensions < 1)
      throw new RagError('OPTION', `A vector index needs a positive number of dimensions, got ${dimensions}`)
    if (!(flatLimit >= 0)) throw new RagError('OPTION', `flatLimit must be at least 0, got ${flatLimit}`)
    this.flatLimit = flatLimit
    this.table = new VectorTable(dimensions)
  }

  get size(): number {
    return this.table.size
  }

  /** Adds or replaces a vector. Errors: OPTION for another length, zeros, and what is not finite. */
  set(key: string, vector: Float32Array): void {
    this.table.set(key, vector)
    this.compact()
  }

  delete(key: string): boolean {
    const deleted = this.table.delete(key)
    if (deleted) this.compact()
    return deleted
  }

  has(key: string): boolean {
    return this.table.rowOf(key) !== undefined
  }

  /** A copy of the vector, scaled to length 1. */
  get(key: string): Float32Array | undefined {
    return this.table.get(key)
  }

  /** Drops what deletions left; the next search makes the graph anew. */
  rebuild(): void {
    this.table = this.table.compacted()
    this.graph = undefined
  }

  /** The nearest keys, best first, equal ones by ascending key. Errors: OPTION, AbortError. */
  async search(
    vector: ArrayLike<number>,
    options: VectorSearchOptions,
  ): Promise<{ readonly hits: readonly VectorHit[]; readonly exact: boolean }> {
    const { k, ef = Math.max(40, 4 * k), exact = false, accept, signal } = options
    if (!Number.isInteger(k) || k < 1) throw new RagError('OPTION', `k must be a positive integer, got ${k}`)
    if (!Number.isInteger(ef) || ef < 1) throw new RagError('OPTION', `ef must be a positive integer, got ${ef}`)
    const query = unitVector(vector, this.options.dimensions)
    if (!exact && this.size > this.flatLimit) await this.build(signal)
    throwIfAborted(signal, 'Searching vectors')
    const { table, graph } = this
    const accepted = this.accepted(accept)
    const wanted = Math.min(k, accepted.count)
    if (wanted === 0) return { hits: [], exact: true }
    // Where few match, a graph would wander among those that do not.
    const few = accepted.count <= Math.max(this.flatLimit, table.size / 10)
    if (!exact && !few && graph !== undefined) {
      const found = graph.search(query, Math.max(ef, k), accepted.has)
      if (found.length >= wanted)
        return {
          hits: this.best(
            found.map(({ row }) => row),
            query,
            k,
          ),
          exact: false,
        }
    }
    return { hits: this.best(this.rowsOf(accepted), query, k), exact: true }
  }

  private best(rows: Iterable<number>, query: Float32Array, k: number): VectorHit[] {
    const { table } = this
    const top = new TopK(Math.min(k, table.size), (a, b) => compareCodePoints(table.keys[a]!, table.keys[b]!))
    for (const row of rows) {
      const score = table.similarity(row, query)
      if (score >= top.threshold) top.offer(row, score)
    }
    return top.sorted().map(({ item, score }) => ({ key: table.keys[item]!, score: Math.min(1, Math.max(-1, score)) }))
  }

  private accepted(accept: ((key: string) => boolean) | undefined): Accepted {
    const { keys, size } = this.table
    if (accept === undefined) return { has: (row) => keys[row] !== undefined, count: size }
    const rows = new Uint8Array(keys.length)
    let count = 0
    for (let row = 0; row < keys.length; row++) {
      const key = keys[row]
      if (key === undefined || !accept(key)) continue
      rows[row] = 1
      count++
    }
    return { has: (row) => rows[row] === 1, count }
  }

  private *rowsOf({ has }: Accepted): Generator<number> {
    for (let row = 0; row < this.table.length; row++) if (has(row)) yield row
  }

  /** Inserts into the graph what is not in it yet. Searches that come meanwhile wait for the same work. */
  private async build(signal: AbortSignal | undefined): Promise<void> {
    while (this.graph === undefined || this.graph.length < this.table.length) {
      throwIfAborted(signal, 'Searching vectors')
      this.building ??= this.buildSome().finally(() => (this.building = undefined))
      await this.building
    }
  }

  private async buildSome(): Promise<void> {
    const graph = (this.graph ??= new Hnsw(this.table, this.options))
    const end = performance.now() + turnLength
    while (graph.length < this.table.length && performance.now() < end) graph.insertNext()
    if (graph.length < this.table.length) await new Promise((resolve) => setTimeout(resolve, 0))
  }

  /** Dead rows cost time and memory; once they are the majority, both are made anew. */
  private compact(): void {
    if (this.table.length > 64 && this.table.length > 2 * this.table.size) this.rebuild()
  }
}
