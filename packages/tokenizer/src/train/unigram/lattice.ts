import type { MemoryLimit } from '../memory-limit.js'
import { inSlices, type Pause } from '../pauses.js'
import type { SeedPieces } from './seed-pieces.js'
import type { WordText } from './word-text.js'

/** The number of the piece that stands for characters without one. */
export const UNKNOWN = 0
/** Bytes of an edge, and of a place with what was found out about it so far. */
const EDGE_BYTES = 5
const PLACE_BYTES = 24

/**
 * All ways to cut the words of a text into pieces: for each place the pieces that begin there, each an edge to the place behind it. Where no piece is a single
 * character, {@link UNKNOWN} leads on. Words never share an edge, because a separator stands between them.
 */
export class PieceLattice {
  /**
   * @param longest no piece has more characters
   * @param firsts the edges of place `p` are those from `firsts[p]` up to `firsts[p + 1]`
   * @param pieces edge → piece
   * @param steps edge → characters
   */
  private constructor(
    readonly text: WordText,
    readonly longest: number,
    readonly firsts: Uint32Array,
    readonly pieces: Int32Array,
    readonly steps: Uint8Array,
  ) {}

  /**
   * The lattice of seed pieces, of which number `i` becomes piece `i + 1`.
   *
   * @throws TokenizerError `MEMORY`
   */
  static async of(text: WordText, seeds: SeedPieces, memory: MemoryLimit, pause: Pause): Promise<PieceLattice> {
    const { order, lefts, rights, lengths } = seeds
    const firsts = new Uint32Array(text.symbols.length + 1)
    let edges = 0
    for (let i = 0; i < lefts.length; i++) edges += rights[i]! - lefts[i]!
    memory.check(edges * EDGE_BYTES + text.symbols.length * PLACE_BYTES, `${edges} places of ${lefts.length} pieces in distinct words`)
    await inSlices(
      lefts.length,
      pause,
      (from, to) => {
        for (let i = from; i < to; i++) for (let at = lefts[i]!; at < rights[i]!; at++) firsts[order[at]! + 1]!++
      },
      1 << 12,
    )
    for (let place = 0; place < text.symbols.length; place++) firsts[place + 1]! += firsts[place]!
    const next = firsts.slice()
    const pieces = new Int32Array(edges)
    const steps = new Uint8Array(edges)
    await inSlices(
      lefts.length,
      pause,
      (from, to) => {
        for (let i = from; i < to; i++) {
          for (let at = lefts[i]!; at < rights[i]!; at++) {
            const edge = next[order[at]!]!++
            pieces[edge] = i + 1
            steps[edge] = lengths[i]!
          }
        }
      },
      1 << 12,
    )
    return new PieceLattice(
      text,
      lengths.reduce((longest, length) => Math.max(longest, length), 1),
      firsts,
      pieces,
      steps,
    )
  }

  /**
   * Keeps some pieces under new numbers, in place; this lattice is not to be used any more.
   *
   * @param numbers piece → its new number, −1 for those that go
   */
  async keep(numbers: Int32Array, pause: Pause): Promise<PieceLattice> {
    const { firsts, pieces, steps } = this
    let kept = 0
    let edge = 0
    await inSlices(firsts.length - 1, pause, (from, to) => {
      for (let place = from; place < to; place++) {
        const end = firsts[place + 1]!
        firsts[place] = kept
        for (; edge < end; edge++) {
          let number = numbers[pieces[edge]!]!
          if (number < 0) {
            if (steps[edge] !== 1) continue
            number = UNKNOWN
          }
          pieces[kept] = number
          steps[kept++] = steps[edge]!
        }
      }
    })
    firsts[firsts.length - 1] = kept
    return new PieceLattice(this.text, this.longest, firsts, pieces, steps)
  }
}
