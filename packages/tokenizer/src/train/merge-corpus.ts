import type { ByteTable } from '../byte-table.js'
import { PairCounts } from './pair-counts.js'
import { PairQueue } from './pair-queue.js'

/**
 * The distinct pieces of a corpus as one array of symbols, with the counts of neighbouring pairs kept up to date as pairs are merged.
 */
export class MergeCorpus {
  private readonly symbols: Int32Array
  private readonly next: Int32Array
  private readonly previous: Int32Array
  /** How often the piece of each place occurs. */
  private readonly weights: Float64Array
  private readonly pairs: PairCounts
  private readonly queue: PairQueue

  constructor(pieces: ByteTable, counts: Float64Array, byteIds: ArrayLike<number>) {
    const length = pieces.starts[pieces.size]!
    this.symbols = new Int32Array(length)
    this.next = new Int32Array(length)
    this.previous = new Int32Array(length)
    this.weights = new Float64Array(length)
    this.pairs = new PairCounts(length)
    this.queue = new PairQueue(this.pairs)
    for (let piece = 0; piece < pieces.size; piece++) {
      const start = pieces.starts[piece]!
      const end = pieces.starts[piece + 1]!
      for (let i = start; i < end; i++) {
        this.symbols[i] = byteIds[pieces.arena[i]!]!
        this.next[i] = i + 1 < end ? i + 1 : -1
        this.previous[i] = i > start ? i - 1 : -1
        this.weights[i] = counts[piece]!
        if (i > start) this.pairs.add(this.symbols[i - 1]!, this.symbols[i]!, i - 1, counts[piece]!)
      }
    }
    for (let pair = 0; pair < this.pairs.size; pair++) this.queue.push(pair)
  }

  /** Takes out the most frequent pair; undefined when none is left. */
  pop(): { readonly pair: number; readonly left: number; readonly right: number; readonly count: number } | undefined {
    const pair = this.queue.pop()
    if (pair < 0) return undefined
    return { pair, left: this.pairs.left[pair]!, right: this.pairs.right[pair]!, count: this.pairs.counts[pair]! }
  }

  /** Replaces every occurrence of a pair, from left to right, by one symbol. */
  merge(pair: number, symbol: number): void {
    const { symbols, next, previous, weights, pairs } = this
    const left = pairs.left[pair]!
    const right = pairs.right[pair]!
    const risen = new Set<number>()
    for (const at of pairs.places(pair)) {
      const second = next[at]!
      // In a run of one symbol, occurrences overlap: the one before may have taken this place.
      if (second < 0 || symbols[at] !== left || symbols[second] !== right) continue
      const weight = weights[at]!
      const before = previous[at]!
      const after = next[second]!
      pairs.remove(left, right, at, weight)
      if (before >= 0) pairs.remove(symbols[before]!, left, before, weight)
      if (after >= 0) pairs.remove(right, symbols[after]!, second, weight)
      symbols[at] = symbol
      symbols[second] = -1
      next[second] = -1
      next[at] = after
      if (before >= 0) risen.add(pairs.add(symbols[before]!, symbol, before, weight))
      if (after >= 0) {
        previous[after] = at
        risen.add(pairs.add(symbol, symbols[after]!, at, weight))
      }
    }
    for (const other of risen) this.queue.push(other)
  }
}
