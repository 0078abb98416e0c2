import { random, type RandomStream } from '@tesserae/core'
import { RagError } from '../errors.js'
import type { VectorTable } from './table.js'

export interface HnswOptions {
  /** Links of a node in the upper layers; twice as many in the lowest. Default 16. */
  readonly m?: number
  /** Width of the search that finds a new node's neighbours. Default 64. */
  readonly efConstruction?: number
  /** Decides the nodes' layers; the same seed and order of insertion give the same graph. Default 0. */
  readonly seed?: number | string
}

interface Near {
  readonly row: number
  readonly similarity: number
}

/**
 * A navigable small-world graph over the rows of a table. Rows whose key is gone keep guiding searches but are never found.
 *
 * Source: Y. Malkov, D. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
 * graphs" (2016), algorithms 1, 2, 4 and 5, with inner products of unit vectors in place of distances.
 */
export class Hnsw {
  private readonly m: number
  private readonly efConstruction: number
  private readonly levels: RandomStream
  /** For each row its links, one array a layer. */
  private readonly links: number[][][] = []
  private entry = -1
  private visited = new Uint32Array(1024)
  private visit = 0

  constructor(
    private readonly table: VectorTable,
    { m = 16, efConstruction = 64, seed = 0 }: HnswOptions = {},
  ) {
    for (const [name, value, least] of [
      ['m', m, 2],
      ['efConstruction', efConstruction, 1],
    ] as const)
      if (!Number.isInteger(value) || value < least)
        throw new RagError('OPTION', `hnsw: ${name} must be an integer of at least ${least}, got ${value}`)
    this.m = m
    this.efConstruction = Math.max(efConstruction, m)
    this.levels = random(seed).stream('hnsw')
  }

  /** Rows inserted; the next to insert is the row of this number. */
  get length(): number {
    return this.links.length
  }

  /** Inserts the row after the last one inserted. */
  insertNext(): void {
    const { table } = this
    const row = this.links.length
    // 1 − u lies in (0, 1]. The multiplier 1 / ln M is the paper's choice.
    const level = Math.floor(-Math.log(1 - this.levels.uniform()) / Math.log(this.m))
    this.links.push(Array.from({ length: level + 1 }, () => []))
    if (this.entry < 0) {
      this.entry = row
      return
    }
    const top = this.links[this.entry]!.length - 1
    const similarityOf = (other: number) => table.between(row, other)
    let start: Near = { row: this.entry, similarity: similarityOf(this.entry) }
    for (let layer = top; layer > level; layer--) start = this.greedy(start, layer, similarityOf)
    let starts: readonly Near[] = [start]
    for (let layer = Math.min(level, top); layer >= 0; layer--) {
      const found = this.searchLayer(starts, layer, this.efConstruction, similarityOf, undefined)
      const chosen = this.select(found, this.m)
      this.links[row]![layer] = chosen
      for (const other of chosen) this.link(other, row, layer)
      starts = found
    }
    if (level > top) this.entry = row
  }

  /** Rows near a unit vector, best first, at most `ef`; only those that `accept` takes. */
  search(query: Float32Array, ef: number, accept: (row: number) => boolean): Near[] {
    if (this.entry < 0) return []
    const similarityOf = (row: number) => this.table.similarity(row, query)
    let start: Near = { row: this.entry, similarity: similarityOf(this.entry) }
    for (let layer = this.links[this.entry]!.length - 1; layer > 0; layer--) start = this.greedy(start, layer, similarityOf)
    return this.searchLayer([start], 0, ef, similarityOf, accept)
  }

  private greedy(start: Near, layer: number, similarityOf: (row: number) => number): Near {
    for (let best = start; ;) {
      const from = best
      for (const row of this.links[from.row]![layer]!) {
        const similarity = similarityOf(row)
        if (similarity > best.similarity) best = { row, similarity }
      }
      if (best === from) return best
    }
  }

  /** Without `accept` every row counts, dead ones too: the graph is built over all. */
  private searchLayer(
    starts: readonly Near[],
    layer: number,
    ef: number,
    similarityOf: (row: number) => number,
    accept: ((row: number) => boolean) | undefined,
  ): Near[] {
    const seen = this.freshVisit()
    const { visited } = this
    const candidates = new Heap((a, b) => a.similarity > b.similarity)
    const found = new Heap((a, b) => a.similarity < b.similarity)
    const consider = (near: Near) => {
      if (found.size >= ef && near.similarity <= found.first!.similarity) return
      candidates.push(near)
      if (accept !== undefined && !accept(near.row)) return
      found.push(near)
      if (found.size > ef) found.pop()
    }
    for (const near of starts) {
      visited[near.row] = seen
      consider(near)
    }
    for (let near = candidates.pop(); near !== undefined; near = candidates.pop()) {
      if (found.size >= ef && near.similarity < found.first!.similarity) break
      for (const row of this.links[near.row]![layer]!) {
        if (visited[row] === seen) continue
        visited[row] = seen
        consider({ row, similarity: similarityOf(row) })
      }
    }
    return found.items.sort((a, b) => b.similarity - a.similarity || a.row - b.row)
  }

  /** Of candidates, best first, those that are nearer to the new node than to one already chosen: links lead in different directions. */
  private select(candidates: readonly Near[], count: number): number[] {
    const chosen: number[] = []
    for (const { row, similarity } of candidates) {
      if (chosen.length === count) break
      if (chosen.every((other) => this.table.between(row, other) <= similarity)) chosen.push(row)
    }
    return chosen
  }

  private link(from: number, to: number, layer: number): void {
    const links = this.links[from]![layer]!
    links.push(to)
    const most = layer === 0 ? 2 * this.m : this.m
    if (links.length <= most) return
    const near = links
      .map((row) => ({ row, similarity: this.table.between(from, row) }))
      .sort((a, b) => b.similarity - a.similarity || a.row - b.row)
    this.links[from]![layer] = this.select(near, most)
  }

  private freshVisit(): number {
    if (this.visited.length < this.links.length) {
      this.visited = new Uint32Array(this.links.length * 2)
      this.visit = 0
    }
    if (this.visit === 0xffffffff) {
      this.visited.fill(0)
      this.visit = 0
    }
    return ++this.visit
  }
}

class Heap {
  readonly items: Near[] = []

  /** @param before whether the first of two belongs nearer to the root */
  constructor(private readonly before: (a: Near, b: Near) => boolean) {}

  get size(): number {
    return this.items.length
  }

  get first(): Near | undefined {
    return this.items[0]
  }

  push(item: Near): void {
    const { items, before } = this
    let i = items.push(item) - 1
    for (; i > 0;) {
      const parent = (i - 1) >> 1
      if (!before(item, items[parent]!)) break
      items[i] = items[parent]!
      i = parent
    }
    items[i] = item
  }

  pop(): Near | undefined {
    const { items, before } = this
    const first = items[0]
    const last = items.pop()
    if (items.length === 0 || last === undefined) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, last)) break
      items[i] = items[child]!
      i = child
    }
    items[i] = last
    return first
  }
}
