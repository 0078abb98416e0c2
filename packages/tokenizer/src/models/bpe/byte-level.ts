import { IdList } from '../../id-list.js'
import type { PreTokenizer } from '../../pretokenizers/pretokenizer.js'
import { Utf8Buffer, type TextModel } from '../model.js'
import type { PieceMerger } from './piece-merger.js'
import { highMasks, LONGEST_KEY, lowMasks, NO_PIECE, PieceTable } from './piece-table.js'

/** Longer pieces are rarely seen twice. */
const CACHED_LENGTH = 128
const CACHED_PIECES = 1 << 16
const CACHED_IDS = 1 << 20
/** Text is encoded in parts of about so many units, which a processor's cache holds with all that is made of them. */
const PART = 1 << 14
/** Where splits known by name always cut; those of the places that most texts have which take least to find. */
const places = /[A-Za-z\d\u0410-\u044f\uac00-\ud7a3](?= )|[\u3041-\u3096\u4e00-\u9fff](?=[\u3001\u3002])/g

/** The end of a part that begins at `start`: where it may be encoded on its own, as far as known, else the end of the text. */
export function partEnd(text: string, start: number): number {
  places.lastIndex = start + PART
  return places.test(text) ? places.lastIndex : text.length
}
const RECENT_MASK = (1 << 13) - 1

/** Byte-level byte-pair encoding: text is cut into pieces, a piece's bytes are the first symbols, and merges join them. */
export class ByteLevelBpe implements TextModel {
  private readonly utf8 = new Utf8Buffer()
  private readonly ends = new IdList()
  // The cache: a piece has the value of its id where it is one token, else −2 − i where cachedIds[i] is the number of ids that follow there. Emptied
  // when full.
  private readonly cached = new PieceTable(1024)
  private readonly cachedIds = new IdList()
  // Pieces of up to eight bytes, the last one seen in each slot: bytes 0–3, bytes 4–7, size, value in the cache. It is small enough to stay in a
  // processor's cache, which the vocabulary is not.
  private readonly recent = new Int32Array((RECENT_MASK + 1) * 4)

  /**
   * @param split cuts text into pieces
   * @param merger makes ids of a piece
   * @param whole when given, a piece that is a key becomes that token without merging
   */
  constructor(
    readonly split: PreTokenizer,
    readonly merger: PieceMerger,
    private readonly whole?: PieceTable,
  ) {}

  encode(text: string, out: IdList): void {
    if (!this.knownSplit) return this.encodePart(text, out)
    for (let start = 0; start < text.length;) {
      const end = partEnd(text, start)
      this.encodePart(start === 0 && end === text.length ? text : text.slice(start, end), out)
      start = end
    }
  }

  private encodePart(text: string, out: IdList): void {
    const length = this.utf8.write(text)
    const { bytes, view } = this.utf8
    this.ends.clear()
    this.split.split(text, bytes, length, this.ends)
    const { recent } = this
    const ends = this.ends.ids
    const pieces = this.ends.length
    out.reserve(pieces)
    let { ids, length: count } = out
    let start = 0
    for (let i = 0; i < pieces; i++) {
      const end = ends[i]!
      const size = end - start
      if (size <= 8) {
        // Without a branch on the size, which no processor could foresee.
        const low = view.getInt32(start, true) & lowMasks[size]!
        const high = view.getInt32(start + 4, true) & highMasks[size]!
        const mixed = Math.imul(low, 0x9e3779b1) ^ Math.imul(high ^ size, 0x85ebca6b)
        const slot = ((mixed ^ (mixed >>> 15)) & RECENT_MASK) << 2
        if (recent[slot] === low && recent[slot + 1] === high && recent[slot + 2] === size) {
          const known = recent[slot + 3]!
          if (known >= 0) ids[count++] = known
          else {
            out.length = count
            this.appendCached(known, out)
            out.reserve(pieces - i)
            ;({ ids, length: count } = out)
          }
          start = end
          continue
        }
        out.length = count
        const known = this.encodePiece(bytes, view, start, end, out)
        recent[slot] = low
        recent[slot + 1] = high
        // Where the cache could not take the piece, no piece has this size.
        recent[slot + 2] = known === NO_PIECE ? 0 : size
        recent[slot + 3] = known
      } else {
        out.length = count
        this.encodePiece(bytes, view, start, end, out)
      }
      out.reserve(pieces - i)
      ;({ ids, length: count } = out)
      start = end
    }
    out.length = count
    this.utf8.trim()
  }

  get knownSplit(): boolean {
    return typeof this.split.pattern === 'string'
  }

  pieceEnds(text: string, out: IdList): void {
    const length = this.utf8.write(text)
    this.split.split(text, this.utf8.bytes, length, out)
    this.utf8.trim()
  }

  /** Forgets the pieces seen, so that the next text is encoded as the first one is. */
  clearCache(): void {
    this.cached.clear()
    this.cachedIds.clear()
    this.recent.fill(0)
  }

  /** Appends the ids of a piece and returns its value in the cache, {@link NO_PIECE} when it is not there. */
  private encodePiece(bytes: Uint8Array, view: DataView, start: number, end: number, out: IdList): number {
    const size = end - start
    const cacheable = size <= CACHED_LENGTH
    const known = cacheable ? this.cached.find(view, start, size) : NO_PIECE
    if (known >= 0) return (out.push(known), known)
    if (known !== NO_PIECE) return (this.appendCached(known, out), known)
    const before = out.length
    const token = this.whole !== undefined && size <= LONGEST_KEY ? this.whole.find(view, start, size) : NO_PIECE
    if (token !== NO_PIECE) out.push(token)
    else this.merger.merge(bytes, view, start, end, out)
    return cacheable ? this.remember(view, start, size, out, before) : NO_PIECE
  }

  private appendCached(value: number, out: IdList): void {
    const at = -2 - value
    const { ids } = this.cachedIds
    const count = ids[at]!
    out.reserve(count)
    for (let i = 1; i <= count; i++) out.ids[out.length++] = ids[at + i]!
  }

  private remember(view: DataView, start: number, size: number, out: IdList, from: number): number {
    const { cached, cachedIds } = this
    if (cached.size === CACHED_PIECES || cachedIds.length > CACHED_IDS) this.clearCache()
    const count = out.length - from
    const value = count === 1 ? out.ids[from]! : -2 - cachedIds.length
    if (!cached.add(view, start, size, value)) return NO_PIECE
    if (count === 1) return value
    cachedIds.push(count)
    for (let i = from; i < out.length; i++) cachedIds.push(out.ids[i]!)
    return value
  }
}
