import type { IdList } from '../../id-list.js'
import { NO_RANK, type ByteRanks } from './byte-ranks.js'
import { KeyHeap } from './key-heap.js'
import type { PieceMerger } from './piece-merger.js'

/** Up to this many bytes a scan for the lowest rank beats a heap; above it the scan's quadratic time shows. */
const LINEAR_LIMIT = 256
/** A heap key is `rank · 2^32 + position`, exact in a double because ranks are below 2^21. */
const RANK_UNIT = 2 ** 32

/** Merges a piece by the ranks of what pairs of neighbours spell: the lowest first, the leftmost among equals. */
export class RankedMerger implements PieceMerger {
  // Of the symbols of a short piece: where each begins (one more for the end), its id, the rank of it with its right neighbour.
  private readonly bounds = new Int32Array(LINEAR_LIMIT + 1)
  private readonly symbols = new Int32Array(LINEAR_LIMIT)
  private readonly pairRanks = new Int32Array(LINEAR_LIMIT)

  constructor(private readonly ranks: ByteRanks) {}

  /** O(n log n) for long pieces. */
  merge(bytes: Uint8Array, view: DataView, start: number, end: number, out: IdList): void {
    if (end - start <= LINEAR_LIMIT) this.mergeShort(bytes, view, start, end, out)
    else this.mergeLong(bytes, view, start, end, out)
  }

  private mergeShort(bytes: Uint8Array, view: DataView, start: number, end: number, out: IdList): void {
    const { bounds, symbols, pairRanks, ranks } = this
    const { byteIds, pairs } = ranks
    let last = end - start - 1
    for (let i = 0; i <= last; i++) {
      const byte = bytes[start + i]!
      bounds[i] = start + i
      symbols[i] = byteIds[byte]!
      pairRanks[i] = i < last ? pairs[(byte << 8) | bytes[start + i + 1]!]! : NO_RANK
    }
    bounds[last + 1] = end
    while (last > 0) {
      let lowest = pairRanks[0]!
      let best = 0
      for (let i = 1; i < last; i++) {
        const rank = pairRanks[i]!
        if (rank < lowest) {
          lowest = rank
          best = i
        }
      }
      if (lowest === NO_RANK) break
      symbols[best] = lowest
      for (let i = best + 1; i < last; i++) {
        bounds[i] = bounds[i + 1]!
        symbols[i] = symbols[i + 1]!
        pairRanks[i] = pairRanks[i + 1]!
      }
      bounds[last] = end
      last--
      pairRanks[best] = best < last ? ranks.rank(bytes, view, bounds[best]!, bounds[best + 2]!) : NO_RANK
      if (best > 0) pairRanks[best - 1] = ranks.rank(bytes, view, bounds[best - 1]!, bounds[best + 1]!)
    }
    out.reserve(last + 1)
    for (let i = 0; i <= last; i++) out.ids[out.length++] = symbols[i]!
  }

  private mergeLong(bytes: Uint8Array, view: DataView, start: number, end: number, out: IdList): void {
    const { ranks } = this
    const { byteIds, pairs } = ranks
    const length = end - start
    // By the position of a symbol's first byte: where the next symbol begins, where the one before does, its id, the rank of the pair.
    const next = new Int32Array(length)
    const previous = new Int32Array(length)
    const symbols = new Int32Array(length)
    const pairRanks = new Int32Array(length).fill(NO_RANK)
    const heap = new KeyHeap()
    for (let i = 0; i < length; i++) {
      const byte = bytes[start + i]!
      next[i] = i + 1
      previous[i] = i - 1
      symbols[i] = byteIds[byte]!
      if (i + 1 === length) break
      const rank = pairs[(byte << 8) | bytes[start + i + 1]!]!
      pairRanks[i] = rank
      if (rank !== NO_RANK) heap.push(rank * RANK_UNIT + i)
    }
    const look = (at: number, stop: number): void => {
      const rank = ranks.rank(bytes, view, start + at, start + stop)
      pairRanks[at] = rank
      if (rank !== NO_RANK) heap.push(rank * RANK_UNIT + at)
    }
    while (heap.size > 0) {
      const key = heap.pop()
      const rank = Math.floor(key / RANK_UNIT)
      const at = key - rank * RANK_UNIT
      // The pair may be another one by now, or gone.
      if (pairRanks[at] !== rank) continue
      const right = next[at]!
      const after = next[right]!
      symbols[at] = rank
      next[at] = after
      pairRanks[right] = NO_RANK
      if (after < length) {
        previous[after] = at
        look(at, next[after]!)
      } else pairRanks[at] = NO_RANK
      if (at > 0) look(previous[at]!, after)
    }
    for (let i = 0; i < length; i = next[i]!) out.push(symbols[i]!)
  }
}
