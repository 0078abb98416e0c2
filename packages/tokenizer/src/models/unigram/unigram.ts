import type { ByteTrie } from '../byte-trie.js'
import { charLength, UNKNOWN, type Segmenter, type Segments } from '../segments.js'

/** A search takes time in proportion to the longest piece; in real vocabularies that has a few dozen bytes of UTF-8. */
export const MAX_PIECE_BYTES = 256
/** What a character that no piece covers costs beyond the worst piece, as in SentencePiece. */
export const UNKNOWN_PENALTY = 10

export interface UnigramOptions {
  /** Token `trie` value → log-probability. */
  readonly scores: Float64Array
  /** The lowest score of an ordinary token. */
  readonly lowest: number
  /** Whether scores of paths are added up in single precision, as SentencePiece does, which decides near ties; else in double. */
  readonly single: boolean
}

/**
 * The most probable segmentation under a unigram model, by Viterbi's algorithm over the bytes of a text: linear in the length of the text
 * times that of the longest piece. Among equals the path found first wins, which is the one whose last piece begins earliest.
 *
 * Source: T. Kudo, "Subword Regularization", ACL 2018; ties and rounding as in SentencePiece's encoder.
 */
export class Unigram implements Segmenter {
  private readonly unknownScore: number
  private best: Float32Array | Float64Array
  private from = new Int32Array(0)
  private token = new Int32Array(0)

  constructor(
    private readonly trie: ByteTrie,
    readonly options: UnigramOptions,
  ) {
    this.unknownScore = unknownScore(options)
    this.best = this.scoresOf(0)
  }

  segment(bytes: Uint8Array, length: number, out: Segments): void {
    if (length === 0) return
    if (this.from.length <= length) {
      const size = Math.max(1024, length + 1, Math.min(length * 2, 1 << 18))
      this.best = this.scoresOf(size)
      this.from = new Int32Array(size)
      this.token = new Int32Array(size)
    }
    this.from.fill(-1, 0, length + 1)
    this.forward(bytes, length)
    this.backward(length, out)
    if (this.from.length > 1 << 20) {
      this.best = this.scoresOf(0)
      this.from = this.token = new Int32Array(0)
    }
  }

  private forward(bytes: Uint8Array, length: number): void {
    const { trie, best, from, token, unknownScore } = this
    const { scores, single } = this.options
    const { values } = trie
    best[0] = 0
    for (let start = 0; start < length;) {
      const here = best[start]!
      const next = start + charLength(bytes[start]!)
      let covered = false
      let node = 0
      for (let at = start; at < length;) {
        node = trie.child(node, bytes[at++]!)
        if (node === 0) break
        const id = values[node]!
        if (id < 0) continue
        const score = single ? Math.fround(scores[id]! + here) : scores[id]! + here
        if (from[at] === -1 || score > best[at]!) {
          best[at] = score
          from[at] = start
          token[at] = id
        }
        if (at === next) covered = true
      }
      if (!covered) {
        const score = single ? Math.fround(unknownScore + here) : unknownScore + here
        if (from[next] === -1 || score > best[next]!) {
          best[next] = score
          from[next] = start
          token[next] = UNKNOWN
        }
      }
      start = next
    }
  }

  private backward(length: number, out: Segments): void {
    const { from, token } = this
    let count = 0
    for (let end = length; end > 0; end = from[end]!) count++
    out.reserve(count)
    out.length += count
    let i = out.length
    for (let end = length; end > 0; end = from[end]!) {
      out.ids[--i] = token[end]!
      out.ends[i] = end
    }
  }

  private scoresOf(size: number): Float32Array | Float64Array {
    return this.options.single ? new Float32Array(size) : new Float64Array(size)
  }
}

/** What a character costs that no piece covers. */
export function unknownScore({ lowest, single }: UnigramOptions): number {
  const score = lowest - UNKNOWN_PENALTY
  return single ? Math.fround(score) : score
}
