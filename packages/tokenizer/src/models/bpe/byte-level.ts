import { ByteTable } from '../../byte-table.js'
import { IdList } from '../../id-list.js'
import type { PreTokenizer } from '../../pretokenizers/pretokenizer.js'
import { Utf8Buffer, type TextModel } from '../model.js'
import type { MergeTable } from './merge-table.js'
import { Merger } from './merger.js'

/** Longer pieces are rarely seen twice. */
const CACHED_LENGTH = 48
const CACHED_PIECES = 1 << 16

/** Byte-level byte-pair encoding: text is cut into pieces, a piece's bytes are the first symbols, and merges join them. */
export class ByteLevelBpe implements TextModel {
  private readonly merger: Merger
  private readonly utf8 = new Utf8Buffer()
  private readonly ends = new IdList()
  private symbols = new Int32Array(256)
  // The cache: piece i of the table has the ids cachedIds[cachedStarts[i], cachedStarts[i + 1]). Emptied when full.
  private readonly cached = new ByteTable(1024)
  private readonly cachedIds = new IdList()
  private cachedStarts = new Int32Array(1025)

  /**
   * @param split cuts text into pieces
   * @param byteIds the id of each of the 256 bytes
   * @param merges the merges
   * @param whole when given, a piece that is a token (key `i` is token `ids[i]`) becomes that token without merging
   */
  constructor(
    readonly split: PreTokenizer,
    readonly byteIds: Int32Array,
    readonly merges: MergeTable,
    readonly whole?: { readonly table: ByteTable; readonly ids: Int32Array },
  ) {
    this.merger = new Merger(merges)
  }

  encode(text: string, out: IdList): void {
    const length = this.utf8.write(text)
    const { bytes } = this.utf8
    this.ends.clear()
    this.split.split(text, bytes, length, this.ends)
    const ends = this.ends.ids
    const pieces = this.ends.length
    let start = 0
    for (let i = 0; i < pieces; i++) {
      const end = ends[i]!
      if (end - start === 1) out.push(this.byteIds[bytes[start]!]!)
      else this.encodePiece(bytes, start, end, out)
      start = end
    }
    this.utf8.trim()
  }

  private encodePiece(bytes: Uint8Array, start: number, end: number, out: IdList): void {
    const known = end - start <= CACHED_LENGTH ? this.cached.find(bytes, start, end) : -1
    if (known >= 0) {
      const last = this.cachedStarts[known + 1]!
      for (let i = this.cachedStarts[known]!; i < last; i++) out.push(this.cachedIds.ids[i]!)
      return
    }
    const before = out.length
    const token = this.whole === undefined ? -1 : this.whole.table.find(bytes, start, end)
    if (token >= 0) out.push(this.whole!.ids[token]!)
    else this.mergePiece(bytes, start, end, out)
    if (end - start <= CACHED_LENGTH) this.remember(bytes, start, end, out, before)
  }

  private mergePiece(bytes: Uint8Array, start: number, end: number, out: IdList): void {
    const length = end - start
    if (length > this.symbols.length) this.symbols = new Int32Array(length)
    const { symbols, byteIds } = this
    for (let i = 0; i < length; i++) symbols[i] = byteIds[bytes[start + i]!]!
    const count = this.merger.merge(symbols, length)
    out.reserve(count)
    for (let i = 0; i < count; i++) out.ids[out.length++] = symbols[i]!
    if (length > 1 << 20) this.symbols = new Int32Array(256)
  }

  private remember(bytes: Uint8Array, start: number, end: number, out: IdList, from: number): void {
    if (this.cached.size === CACHED_PIECES) {
      this.cached.clear()
      this.cachedIds.clear()
    }
    const index = this.cached.add(bytes, start, end)
    if (index + 2 > this.cachedStarts.length) {
      const grown = new Int32Array(this.cachedStarts.length * 2)
      grown.set(this.cachedStarts)
      this.cachedStarts = grown
    }
    for (let i = from; i < out.length; i++) this.cachedIds.push(out.ids[i]!)
    this.cachedStarts[index + 1] = this.cachedIds.length
  }
}
