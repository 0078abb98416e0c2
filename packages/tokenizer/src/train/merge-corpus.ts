import { grownInts } from './grow.js'
import { Neighbours } from './neighbours.js'
import { PairCounts } from './pair-counts.js'
import { PairQueue } from './pair-queue.js'
import { inSlices, type Pause } from './pauses.js'

/** The distinct pieces of a corpus as symbols. */
export interface PieceSymbols {
  readonly size: number
  /** At least the number of symbols of all pieces. */
  readonly length: number
  /** How often each piece occurs. */
  readonly counts: ArrayLike<number>
  /** Bytes of memory. */
  readonly memory: number
  /** Writes the symbols of a piece from `at` on and returns where they end. */
  write(piece: number, cells: Int32Array, at: number): number
}

export interface PairToMerge {
  readonly entry: number
  readonly left: number
  readonly right: number
  readonly count: number
}

/** Stands between pieces. */
const BORDER = -1
/** Stands in cells behind the first one of a symbol. */
const INSIDE = -2
/** Cells worked through between two calls of `pause`. */
const SLICE = 1 << 17

/**
 * The distinct pieces of a corpus as one row of cells, with the counts of neighbouring pairs kept up to date as pairs are merged.
 *
 * Counts follow Hugging Face's trainer to the letter, in what is visible nowhere but in runs of one character too: the occurrences that a merge uses up are not
 * taken off the count of its own pair. Nobody asks for it again unless another way to one of its parts makes it occur anew.
 */
export class MergeCorpus {
  /** The symbol that begins in a cell, or a mark. A place is the cell of a pair's left symbol. */
  private readonly cells: Int32Array
  /** The number of cells of a symbol, in its first cell and in its last. */
  private readonly spans: Int32Array
  private readonly pieceOf: Int32Array
  private used = 1
  private readonly pairs = new PairCounts()
  private readonly queue = new PairQueue(this.pairs)
  private readonly before = new Neighbours()
  private readonly after = new Neighbours()
  // The new places of a merge: the symbol on the other side, negative (−1 − symbol) for those of `before`, and the place.
  private sides = new Int32Array(1024)
  private places = new Int32Array(1024)
  private found = 0

  private constructor(private readonly source: PieceSymbols) {
    const length = cellsFor(source)
    this.cells = new Int32Array(length)
    this.spans = new Int32Array(length)
    this.pieceOf = new Int32Array(length)
    this.cells[0] = BORDER
  }

  /** Counts the pairs of a corpus. */
  static async of(source: PieceSymbols, pause: Pause): Promise<MergeCorpus> {
    const corpus = new MergeCorpus(source)
    await corpus.fill(pause)
    await corpus.enter(pause)
    return corpus
  }

  /** Bytes of memory, with the pieces. */
  get memory(): number {
    return this.source.memory + this.cells.length * 12 + this.pairs.memory + this.queue.memory + this.sides.length * 8
  }

  /** Bytes of memory that it takes at least, with the pieces. */
  static memoryFor(source: PieceSymbols): number {
    return source.memory + cellsFor(source) * 16
  }

  /** Takes out the most frequent pair; undefined when none is left. */
  next(): PairToMerge | undefined {
    const entry = this.queue.pop()
    if (entry < 0) return undefined
    const pair = this.queue.pairOf(entry)
    return { entry, left: this.pairs.left[pair]!, right: this.pairs.right[pair]!, count: this.pairs.counts[pair]! }
  }

  /**
   * Replaces occurrences of a pair, from left to right, by one symbol.
   *
   * @param longest new pairs of so many characters or more are not counted
   */
  async merge({ entry, left, right }: PairToMerge, symbol: number, longest: number, pause: Pause): Promise<void> {
    const most = Math.max(left, right, symbol) + 1
    this.before.reserve(most)
    this.after.reserve(most)
    const places = this.queue.take(entry, this.pieceOf)
    for (let from = 0; from < places.length; from += SLICE) {
      this.mergeAt(places, from, Math.min(from + SLICE, places.length), left, right, symbol, longest)
      if (places.length > SLICE) await pause()
    }
    this.count(left, right, symbol)
  }

  private async fill(pause: Pause): Promise<void> {
    const { source, cells, pieceOf } = this
    let at = this.used
    let slice = at + SLICE
    for (let piece = 0; piece < source.size; piece++) {
      const end = source.write(piece, cells, at)
      // A piece of one symbol has no pair.
      if (end - at < 2) continue
      pieceOf.fill(piece, at, end)
      cells[end] = BORDER
      at = end + 1
      if (at < slice) continue
      slice = at + SLICE
      await pause()
    }
    this.used = at
  }

  /** Counts all pairs and enters them with their places. */
  private async enter(pause: Pause): Promise<void> {
    const { cells, spans, pairs, queue, used } = this
    // How many places each pair has; `spans` holds the pairs meanwhile.
    let lengths = new Int32Array(1024)
    await inSlices(used - 1, pause, (from, to) => {
      for (let at = from; at < to; at++) {
        if (cells[at]! < 0 || cells[at + 1]! < 0) continue
        const pair = pairs.add(cells[at]!, cells[at + 1]!, this.source.counts[this.pieceOf[at]!]!)
        if (pair >= lengths.length) lengths = grownInts(lengths)
        lengths[pair]!++
        spans[at] = pair + 1
      }
    })
    const entries = new Int32Array(pairs.size)
    for (let pair = 0; pair < pairs.size; pair++) entries[pair] = queue.add(pair, lengths[pair]!)
    const written = new Int32Array(pairs.size)
    await inSlices(used, pause, (from, to) => {
      for (let at = from; at < to; at++) {
        const pair = spans[at]! - 1
        spans[at] = 1
        if (pair < 0) continue
        const entry = entries[pair]!
        queue.chunkOf(entry)[queue.offsetOf(entry) + written[pair]!++] = at
      }
    })
  }

  private mergeAt(places: Int32Array, from: number, to: number, left: number, right: number, symbol: number, longest: number): void {
    const { cells, spans, before, after, pieceOf } = this
    const { counts } = this.source
    if (this.found + 2 * (to - from) > this.sides.length) {
      this.sides = grownInts(this.sides, this.found + 2 * (to - from))
      this.places = grownInts(this.places, this.sides.length)
    }
    const { sides, places: news } = this
    let { found } = this
    for (let i = from; i < to; i++) {
      const at = places[i]!
      // In a run of one symbol occurrences overlap, and the one before may have taken this place; other merges may have, long ago.
      if (cells[at] !== left) continue
      const second = at + spans[at]!
      if (cells[second] !== right) continue
      const weight = counts[pieceOf[at]!]!
      const end = second + spans[second]!
      const span = end - at
      cells[at] = symbol
      cells[second] = INSIDE
      spans[at] = span
      spans[end - 1] = span
      if (cells[at - 1] !== BORDER) {
        const place = at - spans[at - 1]!
        const other = cells[place]!
        before.meet(other)
        before.lost[other]! += weight
        if (spans[place]! + span < longest) {
          // A pair of two new symbols lies on both sides of something; it is counted on one.
          const side = other === symbol ? after : before
          side.meet(other)
          side.gained[other]! += weight
          side.places[other]!++
          sides[found] = other === symbol ? other : -1 - other
          news[found++] = place
        }
      }
      const other = cells[end]!
      if (other === BORDER) continue
      after.meet(other)
      after.lost[other]! += weight
      if (spans[end]! + span < longest) {
        after.gained[other]! += weight
        after.places[other]!++
        sides[found] = other
        news[found++] = at
      }
    }
    this.found = found
  }

  /** Brings the counts up to date and enters the new pairs. */
  private count(left: number, right: number, symbol: number): void {
    const { before, after, pairs, queue, sides, places } = this
    for (let i = 0; i < before.size; i++) {
      const other = before.met[i]!
      pairs.add(other, left, -before.lost[other]!)
    }
    for (let i = 0; i < after.size; i++) {
      const other = after.met[i]!
      pairs.add(right, other, -after.lost[other]!)
    }
    // Counts have to be final before a pair is entered.
    for (let i = 0; i < before.size; i++) {
      const other = before.met[i]!
      if (before.places[other] !== 0) before.pairs[other] = pairs.add(other, symbol, before.gained[other]!)
    }
    for (let i = 0; i < after.size; i++) {
      const other = after.met[i]!
      if (after.places[other] !== 0) after.pairs[other] = pairs.add(symbol, other, after.gained[other]!)
    }
    this.enterNew(before)
    this.enterNew(after)
    for (let i = 0; i < this.found; i++) {
      const mark = sides[i]!
      const side = mark < 0 ? before : after
      const other = mark < 0 ? -1 - mark : mark
      if (side.places[other] === 0) continue
      const entry = side.entries[other]!
      queue.chunkOf(entry)[queue.offsetOf(entry) + side.written[other]!++] = places[i]!
    }
    this.found = 0
    before.clear()
    after.clear()
  }

  private enterNew(side: Neighbours): void {
    for (let i = 0; i < side.size; i++) {
      const other = side.met[i]!
      if (side.places[other] === 0) continue
      const pair = side.pairs[other]!
      if (this.pairs.counts[pair]! > 0) side.entries[other] = this.queue.add(pair, side.places[other]!)
      else side.places[other] = 0
    }
  }
}

/** A cell for each symbol, and one for the border behind each piece and before them all. */
const cellsFor = ({ length, size }: PieceSymbols): number => length + size + 1
