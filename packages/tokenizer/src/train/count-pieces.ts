import { ByteTable } from '../byte-table.js'
import { IdList } from '../id-list.js'
import { Utf8Buffer } from '../models/model.js'
import type { PreTokenizer } from '../pretokenizers/pretokenizer.js'

/** Counts how often each distinct piece occurs in a corpus: all that byte-pair training needs to know of it. */
export class PieceCounter {
  /** The distinct pieces, in order of first occurrence. */
  readonly pieces = new ByteTable(4096)
  /** Occurrences of each piece. */
  counts = new Float64Array(4097)
  /** Bytes of text seen. */
  bytesSeen = 0
  private readonly utf8 = new Utf8Buffer()
  private readonly ends = new IdList()

  constructor(private readonly split: PreTokenizer) {}

  add(text: string): void {
    const length = this.utf8.write(text)
    const { bytes } = this.utf8
    this.ends.clear()
    this.split.split(text, bytes, length, this.ends)
    let start = 0
    for (let i = 0; i < this.ends.length; i++) {
      const end = this.ends.ids[i]!
      const index = this.pieces.add(bytes, start, end)
      if (index >= this.counts.length) {
        const grown = new Float64Array(this.counts.length * 2)
        grown.set(this.counts)
        this.counts = grown
      }
      this.counts[index]!++
      start = end
    }
    this.bytesSeen += length
    this.utf8.trim()
  }
}
