import { IdList } from '../id-list.js'

/** Longer pieces are rarely seen twice. */
const LONGEST = 48
const MOST = 1 << 16
/** An entry is `start · 2^8 + count`, exact in a double; pieces of 48 units and their bytes are below 256 tokens. */
const COUNT_UNIT = 256

/** The ids of pieces seen before. Emptied when full. */
export class PieceCache {
  private readonly entries = new Map<string, number>()
  private readonly ids = new IdList()

  /** Appends the ids of a piece that is known; false for others. */
  append(piece: string, out: IdList): boolean {
    if (piece.length > LONGEST) return false
    const entry = this.entries.get(piece)
    if (entry === undefined) return false
    const start = Math.floor(entry / COUNT_UNIT)
    const end = start + (entry - start * COUNT_UNIT)
    for (let i = start; i < end; i++) out.push(this.ids.ids[i]!)
    return true
  }

  /** Keeps the ids of a piece: what `out` holds from `from` on. */
  keep(piece: string, out: IdList, from: number): void {
    const count = out.length - from
    if (piece.length > LONGEST || count >= COUNT_UNIT) return
    if (this.entries.size === MOST) {
      this.entries.clear()
      this.ids.clear()
    }
    // Concatenation makes a string of its own: a slice would keep the whole text that it was cut from alive.
    this.entries.set(flat(piece), this.ids.length * COUNT_UNIT + count)
    for (let i = from; i < out.length; i++) this.ids.push(out.ids[i]!)
  }
}

/** A copy that shares no memory. V8 keeps slices of 13 units and more as views into their parent, and joins shorter than that at once. */
function flat(piece: string): string {
  if (piece.length < 13) return piece
  let copy = ''
  for (let i = 0; i < piece.length; i += 12) copy += piece.slice(i, i + 12)
  return copy
}
