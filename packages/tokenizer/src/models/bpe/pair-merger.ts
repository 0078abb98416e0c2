import type { IdList } from '../../id-list.js'
import type { MergeTable } from './merge-table.js'
import { Merger } from './merger.js'
import type { PieceMerger } from './piece-merger.js'

/** Merges a piece by a list of merges of pairs of ids. */
export class PairMerger implements PieceMerger {
  private readonly merger: Merger
  private symbols = new Int32Array(256)

  constructor(
    private readonly byteIds: Int32Array,
    merges: MergeTable,
  ) {
    this.merger = new Merger(merges)
  }

  merge(bytes: Uint8Array, _view: DataView, start: number, end: number, out: IdList): void {
    const length = end - start
    if (length > this.symbols.length) this.symbols = new Int32Array(length)
    const { symbols, byteIds } = this
    for (let i = 0; i < length; i++) symbols[i] = byteIds[bytes[start + i]!]!
    const count = this.merger.merge(symbols, length)
    out.reserve(count)
    for (let i = 0; i < count; i++) out.ids[out.length++] = symbols[i]!
    if (length > 1 << 20) this.symbols = new Int32Array(256)
  }
}
