import { KeyHeap } from './key-heap.js'
import type { MergeTable } from './merge-table.js'

/** Up to this many symbols a scan for the lowest rank beats a heap; above it the scan's quadratic time shows. */
const LINEAR_LIMIT = 128
const NO_MERGE = 0x7fffffff
/** A heap key is `rank · 2^32 + position`, exact in a double. */
const RANK_UNIT = 2 ** 32

/**
 * Byte-pair merging: as long as a pair of neighbours has a merge, the one of lowest rank is made, the leftmost first among
 * equals.
 *
 * Source: R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.
 */
export class Merger {
  private readonly ranks = new Int32Array(LINEAR_LIMIT)
  private readonly results = new Int32Array(LINEAR_LIMIT)
  private next = new Int32Array(0)
  private previous = new Int32Array(0)
  private readonly heap = new KeyHeap()

  constructor(private readonly table: MergeTable) {}

  /** Merges `symbols[0, length)` in place and returns the new length. O(n log n) for long input. */
  merge(symbols: Int32Array, length: number): number {
    return length <= LINEAR_LIMIT ? this.mergeShort(symbols, length) : this.mergeLong(symbols, length)
  }

  private mergeShort(symbols: Int32Array, length: number): number {
    const { ranks, results, table } = this
    const look = (at: number) => {
      const slot = table.find(symbols[at]!, symbols[at + 1]!)
      ranks[at] = slot < 0 ? NO_MERGE : table.rankAt(slot)
      if (slot >= 0) results[at] = table.resultAt(slot)
    }
    for (let i = 0; i + 1 < length; i++) look(i)
    while (length > 1) {
      let best = 0
      let lowest = ranks[0]!
      for (let i = 1; i < length - 1; i++) {
        if (ranks[i]! < lowest) {
          lowest = ranks[i]!
          best = i
        }
      }
      if (lowest === NO_MERGE) break
      symbols[best] = results[best]!
      length--
      for (let i = best + 1; i < length; i++) {
        symbols[i] = symbols[i + 1]!
        ranks[i] = ranks[i + 1]!
        results[i] = results[i + 1]!
      }
      if (best > 0) look(best - 1)
      if (best + 1 < length) look(best)
    }
    return length
  }

  private mergeLong(symbols: Int32Array, length: number): number {
    const { table } = this
    if (this.next.length < length) {
      this.next = new Int32Array(length)
      this.previous = new Int32Array(length)
    }
    const { next, previous, heap } = this
    for (let i = 0; i < length; i++) {
      next[i] = i + 1 < length ? i + 1 : -1
      previous[i] = i - 1
      if (i + 1 === length) break
      const slot = table.find(symbols[i]!, symbols[i + 1]!)
      if (slot >= 0) heap.push(table.rankAt(slot) * RANK_UNIT + i)
    }

    while (heap.size > 0) {
      const key = heap.pop()
      const rank = Math.floor(key / RANK_UNIT)
      const at = key - rank * RANK_UNIT
      const right = next[at]!
      // The symbol may be gone or its pair another one by now; a live pair of this rank is the right one to merge.
      if (symbols[at]! < 0 || right < 0) continue
      const slot = table.find(symbols[at]!, symbols[right]!)
      if (slot < 0 || table.rankAt(slot) !== rank) continue
      symbols[at] = table.resultAt(slot)
      symbols[right] = -1
      const after = next[right]!
      next[at] = after
      if (after >= 0) {
        previous[after] = at
        this.push(symbols, at, after)
      }
      if (previous[at]! >= 0) this.push(symbols, previous[at]!, at)
    }

    let kept = 0
    for (let i = 0; i >= 0; i = next[i]!) symbols[kept++] = symbols[i]!
    if (length > 1 << 20) {
      this.next = this.previous = new Int32Array(0)
    }
    heap.trim()
    return kept
  }

  private push(symbols: Int32Array, left: number, right: number): void {
    const slot = this.table.find(symbols[left]!, symbols[right]!)
    if (slot < 0) return
    this.heap.push(this.table.rankAt(slot) * RANK_UNIT + left)
  }
}
