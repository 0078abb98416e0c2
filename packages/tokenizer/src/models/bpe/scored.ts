import { ByteTable } from '../../byte-table.js'
import type { ByteTrie } from '../byte-trie.js'
import { charLength, Segments, UNKNOWN, type Segmenter } from '../segments.js'
import { KeyHeap } from './key-heap.js'
import { MAX_MERGES } from './merge-table.js'
import { Resegmentation } from './resegmentation.js'

/** A heap key is `rank · 2^32 + position`, exact in a double. */
const RANK_UNIT = 2 ** 32
/** Longer words are rarely seen twice. */
const CACHED_LENGTH = 64
const CACHED_WORDS = 1 << 15

export interface ScoredBpeOptions {
  /** The pieces that text is made of; piece `i` is token `ids[i]`. */
  readonly pieces: ByteTable
  readonly ids: Int32Array
  /** The score of each piece. Of the neighbours that form a piece those of the highest score are joined first. */
  readonly scores: Float32Array | Float64Array
  /** For each piece, 1 when it may appear on the way but not in the result, where it falls apart again. */
  readonly unused?: Uint8Array | undefined
  /** Symbols that are found in the text before all else and never join others. */
  readonly userDefined?: ByteTrie | undefined
  /** Whether a character that is no piece can still join its neighbours to form one. SentencePiece lets it; llama2.c does not. */
  readonly joinUnknown: boolean
  /** What stands for a blank in pieces: words that begin with it are merged on their own where no piece reaches across. */
  readonly blank: Uint8Array
}

/**
 * Byte-pair encoding as SentencePiece and llama2.c do it: a text's characters are the first symbols, any two neighbours whose joined text
 * is a piece may merge, and the piece of the highest score does, the leftmost first among equals. O(n log n) for a text without blanks.
 *
 * Source: R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.
 */
export class ScoredBpe implements Segmenter {
  readonly wordwise: boolean
  private readonly ranks: Int32Array
  private readonly longest: number
  private readonly heap = new KeyHeap()
  private readonly resegmentation: Resegmentation | undefined
  // Symbol i is bytes[starts[i], ends[i]); merging moves the end of the left one and marks the right one with an end of −1.
  private starts = new Int32Array(0)
  private ends = new Int32Array(0)
  private next = new Int32Array(0)
  private previous = new Int32Array(0)
  /** The piece that each symbol is, or −1; −2 when it may not merge. */
  private piece = new Int32Array(0)
  /** The piece that each symbol would make with the one behind it, or −1. */
  private joined = new Int32Array(0)
  private cached = new ByteTable(1024)
  private cachedSegments = new Segments()
  private cachedStarts = new Int32Array(1025)

  constructor(private readonly options: ScoredBpeOptions) {
    const { pieces, scores, unused } = options
    this.ranks = ranksOf(scores)
    let longest = 0
    for (let i = 0; i < pieces.size; i++) longest = Math.max(longest, pieces.starts[i + 1]! - pieces.starts[i]!)
    this.longest = longest
    const anyUnused = unused?.includes(1) === true
    this.resegmentation = anyUnused ? new Resegmentation(pieces, unused!) : undefined
    // How an unused piece falls apart may depend on what was tried elsewhere in the text, so such texts stay whole.
    this.wordwise = !anyUnused && !reachesAcross(pieces, options.blank)
  }

  segment(bytes: Uint8Array, length: number, out: Segments): void {
    if (!this.wordwise) return this.merge(bytes, 0, length, out)
    const { blank } = this.options
    let start = 0
    let afterBlank = true
    for (let at = 0; at < length;) {
      if (!startsWith(bytes, at, length, blank)) {
        afterBlank = false
        at += charLength(bytes[at]!)
        continue
      }
      if (!afterBlank) {
        this.word(bytes, start, at, out)
        start = at
      }
      afterBlank = true
      at += blank.length
    }
    if (start < length) this.word(bytes, start, length, out)
  }

  /** Whether pieces fall apart again, so that what a text is cut into depends on all of it. */
  get resegments(): boolean {
    return this.resegmentation !== undefined
  }

  /** Where the symbols end that `bytes[start, end)` merges to. */
  symbolEnds(bytes: Uint8Array, start: number, end: number): readonly number[] {
    const segments = new Segments()
    this.merge(bytes, start, end, segments)
    return Array.from(segments.ends.subarray(0, segments.length))
  }

  private word(bytes: Uint8Array, start: number, end: number, out: Segments): void {
    const { cached, cachedStarts, cachedSegments } = this
    const cacheable = end - start <= CACHED_LENGTH
    const known = cacheable ? cached.find(bytes, start, end) : -1
    if (known >= 0) {
      const last = cachedStarts[known + 1]!
      for (let i = cachedStarts[known]!; i < last; i++) out.push(cachedSegments.ids[i]!, cachedSegments.ends[i]! + start)
      return
    }
    const before = out.length
    this.merge(bytes, start, end, out)
    if (cacheable) this.remember(bytes, start, end, out, before)
  }

  private remember(bytes: Uint8Array, start: number, end: number, out: Segments, from: number): void {
    const { cached, cachedSegments } = this
    if (cached.size === CACHED_WORDS) {
      cached.clear()
      cachedSegments.clear()
    }
    const index = cached.add(bytes, start, end)
    if (index + 2 > this.cachedStarts.length) {
      const grown = new Int32Array(this.cachedStarts.length * 2)
      grown.set(this.cachedStarts)
      this.cachedStarts = grown
    }
    for (let i = from; i < out.length; i++) cachedSegments.push(out.ids[i]!, out.ends[i]! - start)
    this.cachedStarts[index + 1] = cachedSegments.length
  }

  /** Merges `bytes[start, end)`. */
  private merge(bytes: Uint8Array, start: number, end: number, out: Segments): void {
    const count = this.symbols(bytes, start, end)
    const { heap, joined, ends, next, previous, piece, ranks, resegmentation } = this
    resegmentation?.begin()
    for (let i = 0; i + 1 < count; i++) this.look(bytes, i)
    while (heap.size > 0) {
      const key = heap.pop()
      const rank = Math.floor(key / RANK_UNIT)
      const left = key - rank * RANK_UNIT
      // The symbol may be gone or its pair another one by now; a live pair of this rank is the right one to merge.
      const made = joined[left]!
      if (made < 0 || ranks[made] !== rank) continue
      const right = next[left]!
      piece[left] = made
      ends[left] = ends[right]!
      ends[right] = -1
      joined[right] = -1
      const after = next[right]!
      next[left] = after
      if (after >= 0) previous[after] = left
      if (previous[left]! >= 0) this.look(bytes, previous[left]!)
      this.look(bytes, left)
    }
    this.collect(bytes, count, out)
    heap.trim()
    if (this.starts.length > 1 << 20) this.reserve(0)
  }

  /** Cuts into characters and user-defined symbols; returns how many there are. */
  private symbols(bytes: Uint8Array, start: number, end: number): number {
    if (this.starts.length < end - start) this.reserve(Math.max(256, end - start))
    const { pieces, userDefined, joinUnknown } = this.options
    let count = 0
    for (let at = start; at < end;) {
      const frozen = userDefined === undefined ? 0 : userDefined.longestPrefix(bytes, at, end)
      const after = at + (frozen > 0 ? frozen : charLength(bytes[at]!))
      const found = frozen > 0 ? -2 : pieces.find(bytes, at, after)
      this.starts[count] = at
      this.ends[count] = after
      this.previous[count] = count - 1
      this.next[count] = count + 1
      this.joined[count] = -1
      this.piece[count++] = found === -1 && !joinUnknown ? -2 : found
      at = after
    }
    if (count > 0) this.next[count - 1] = -1
    return count
  }

  /** Looks up what the symbol makes with the one behind it. */
  private look(bytes: Uint8Array, left: number): void {
    const right = this.next[left]!
    let made = -1
    if (right >= 0 && this.piece[left] !== -2 && this.piece[right] !== -2) {
      const start = this.starts[left]!
      const end = this.ends[right]!
      if (end - start <= this.longest) made = this.options.pieces.find(bytes, start, end)
      if (made >= 0) {
        this.heap.push(this.ranks[made]! * RANK_UNIT + left)
        this.resegmentation?.tried(made, this.ends[left]! - start)
      }
    }
    this.joined[left] = made
  }

  private collect(bytes: Uint8Array, count: number, out: Segments): void {
    const { pieces, ids } = this.options
    for (let i = count > 0 ? 0 : -1; i >= 0; i = this.next[i]!) {
      const end = this.ends[i]!
      let found = this.piece[i]!
      if (found === -2) found = pieces.find(bytes, this.starts[i]!, end)
      if (found < 0) out.push(UNKNOWN, end)
      else if (this.resegmentation === undefined) out.push(ids[found]!, end)
      else this.resegmentation.take(bytes, this.starts[i]!, end, found, (piece, to) => out.push(piece < 0 ? UNKNOWN : ids[piece]!, to))
    }
  }

  private reserve(size: number): void {
    this.starts = new Int32Array(size)
    this.ends = new Int32Array(size)
    this.next = new Int32Array(size)
    this.previous = new Int32Array(size)
    this.piece = new Int32Array(size)
    this.joined = new Int32Array(size)
  }
}

/** Ranks by falling score; equal scores share one, so that the leftmost pair is merged first. */
function ranksOf(scores: Float32Array | Float64Array): Int32Array {
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!)
  const ranks = new Int32Array(scores.length)
  let rank = -1
  for (let i = 0; i < order.length; i++) {
    if (i === 0 || scores[order[i]!] !== scores[order[i - 1]!]) rank++
    ranks[order[i]!] = rank
  }
  if (rank >= MAX_MERGES) throw new RangeError(`ScoredBpe: more than ${MAX_MERGES} different scores`)
  return ranks
}

/** Whether any piece has a blank behind something else, so that merges can reach from one word into the next. */
function reachesAcross(pieces: ByteTable, blank: Uint8Array): boolean {
  for (let i = 0; i < pieces.size; i++) {
    const end = pieces.starts[i + 1]!
    let inWord = false
    for (let at = pieces.starts[i]!; at < end;) {
      const isBlank = startsWith(pieces.arena, at, end, blank)
      if (isBlank && inWord) return true
      inWord ||= !isBlank
      at += isBlank ? blank.length : charLength(pieces.arena[at]!)
    }
  }
  return false
}

function startsWith(bytes: Uint8Array, at: number, end: number, prefix: Uint8Array): boolean {
  if (bytes[at] !== prefix[0] || at + prefix.length > end) return false
  for (let i = 1; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false
  return true
}
