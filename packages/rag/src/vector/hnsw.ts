import { random, type RandomStream } from '@tesserae/core'
import { RagError } from '../errors.js'
import { RowHeap } from './row-heap.js'
import type { Probe, VectorTable } from './table.js'

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
  private unseen = new Int32Array(64)
  private readonly candidates = new RowHeap()
  private readonly found = new RowHeap()

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
    table.accelerate()
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
    const probe = table.probeOf(row)
    let start: Near = { row: this.entry, similarity: probe.of(this.entry) }
    for (let layer = top; layer > level; layer--) start = this.greedy(start, layer, probe)
    let starts: readonly Near[] = [start]
    for (let layer = Math.min(level, top); layer >= 0; layer--) {
      const found = this.searchLayer(starts, layer, this.efConstruction, probe, undefined)
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
    const probe = this.table.probe(query)
    let start: Near = { row: this.entry, similarity: probe.of(this.entry) }
    for (let layer = this.links[this.entry]!.length - 1; layer > 0; layer--) start = this.greedy(start, layer, probe)
    return this.searchLayer([start], 0, ef, probe, accept)
  }

  private greedy(start: Near, layer: number, probe: Probe): Near {
    for (let best = start; ;) {
      const from = best
      for (const row of this.links[from.row]![layer]!) {
        const similarity = probe.of(row)
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
    probe: Probe,
    accept: ((row: number) => boolean) | undefined,
  ): Near[] {
    const seen = this.freshVisit()
    // Candidates are popped best first, the worst of what was found makes room.
    const { visited, candidates, found } = this
    candidates.clear()
    found.clear()
    const consider = (row: number, similarity: number) => {
      if (found.size >= ef && similarity <= found.leastKey) return
      candidates.push(row, -similarity)
      if (accept !== undefined && !accept(row)) return
      found.push(row, similarity)
      if (found.size > ef) found.pop()
    }
    for (const { row, similarity } of starts) {
      visited[row] = seen
      consider(row, similarity)
    }
    while (candidates.size > 0) {
      if (found.size >= ef && -candidates.leastKey < found.leastKey) break
      const links = this.links[candidates.pop()]![layer]!
      if (links.length > this.unseen.length) this.unseen = new Int32Array(2 * links.length)
      const { unseen } = this
      let count = 0
      for (const row of links) {
        if (visited[row] === seen) continue
        visited[row] = seen
        unseen[count++] = row
      }
      const similarities = probe.ofMany(unseen, count)
      for (let i = 0; i < count; i++) consider(unseen[i]!, similarities[i]!)
    }
    return found
      .entries()
      .map(({ row, key }) => ({ row, similarity: key }))
      .sort((a, b) => b.similarity - a.similarity || a.row - b.row)
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
