import { inSlices, type Pause } from '../pauses.js'
import { unknownScore } from './expectation.js'
import { UNKNOWN, type PieceLattice } from './lattice.js'

/** Edges between two pauses. */
const SLICE = 1 << 18
/** Longer words are worked through with pauses. */
const LONG = 1 << 14

/**
 * What the likelihood of the corpus loses when a piece goes, for each piece, in nats a word: estimated by putting in its place the best cut of the piece itself into
 * others. Pieces that nothing can replace have ∞, and those that no best cut of a word uses −∞.
 *
 * Source: T. Kudo, "Subword Regularization", ACL 2018, section 3.2; the estimate as in SentencePiece.
 *
 * @param examples where each piece stands in the text
 * @param lengths characters of each piece
 */
export async function losses(
  lattice: PieceLattice,
  scores: Float64Array,
  examples: Uint32Array,
  lengths: Uint8Array,
  pause: Pause,
): Promise<Float64Array> {
  const { text, firsts } = lattice
  const cutter = new BestCut(lattice, scores)
  const used = new Float64Array(scores.length)
  let words = 0
  let total = 0
  let due = SLICE
  for (let word = 0; word < text.size; word++) {
    const start = text.starts[word]!
    const end = text.starts[word + 1]! - 1
    const count = text.counts[word]!
    words += count
    cutter.begin(start, end - start, false)
    if (end - start <= LONG) cutter.ahead(0, end - start)
    else await inSlices(end - start, pause, (from, to) => cutter.ahead(from, to), LONG)
    for (const piece of cutter.path(end - start)) {
      used[piece]! += count
      total += count
    }
    if (firsts[end]! < due) continue
    due = firsts[end]! + SLICE
    await pause()
  }
  const result = new Float64Array(scores.length).fill(-Infinity)
  result[UNKNOWN] = Infinity
  for (let piece = 1; piece < scores.length; piece++) {
    const length = lengths[piece]!
    if (length === 1) {
      result[piece] = Infinity
      continue
    }
    if (used[piece] === 0) continue
    cutter.begin(examples[piece]!, length, true)
    cutter.ahead(0, length)
    // Its own best cut is not itself, and so no word's.
    if (cutter.score(length) > scores[piece]!) {
      result[piece] = Infinity
      continue
    }
    const count = used[piece]!
    let parts = 0
    let logOther = 0
    for (const part of cutter.path(length)) {
      parts++
      logOther += Math.log(used[part]! + count)
    }
    logOther -= parts * Math.log(total + count * (parts - 1))
    result[piece] = (count / words) * (Math.log(count) - Math.log(total) - logOther)
    if ((piece & 0xfff) === 0) await pause()
  }
  return result
}

/** The most probable way through a stretch of the lattice, by Viterbi's algorithm: `begin`, then `ahead` from its beginning to its end. */
class BestCut {
  private best = new Float64Array(1024)
  private edge = new Uint32Array(1024)
  private readonly scores: Float64Array
  private readonly found: number[] = []
  private start = 0
  private length = 0
  private parted = false

  constructor(
    private readonly lattice: PieceLattice,
    scores: Float64Array,
  ) {
    this.scores = scores.slice()
    this.scores[UNKNOWN] = unknownScore(scores)
  }

  /** @param parted whether the piece that is the whole stretch is left out */
  begin(start: number, length: number, parted: boolean): void {
    if (length >= this.best.length) {
      this.best = new Float64Array(length * 2)
      this.edge = new Uint32Array(length * 2)
    }
    this.start = start
    this.length = length
    this.parted = parted
    this.best.fill(-Infinity, 0, length + 1)
    this.best[0] = 0
  }

  ahead(from: number, to: number): void {
    const { best, edge: edges, scores, start, length, parted } = this
    const { firsts, pieces, steps } = this.lattice
    for (let at = from; at < to; at++) {
      const here = best[at]!
      for (let edge = firsts[start + at]!, last = firsts[start + at + 1]!; edge < last; edge++) {
        const next = at + steps[edge]!
        // In a stretch of a word, edges may lead beyond it.
        if (next > length || (parted && steps[edge] === length)) continue
        const score = here + scores[pieces[edge]!]!
        if (score <= best[next]!) continue
        best[next] = score
        edges[next] = edge
      }
    }
  }

  /** The score of the way to a place. */
  score(at: number): number {
    return this.best[at]!
  }

  /** The pieces of the way last found, from its end; valid until the next call. */
  path(length: number): readonly number[] {
    const { found, edge } = this
    const { pieces, steps } = this.lattice
    found.length = 0
    for (let at = length; at > 0; at -= steps[edge[at]!]!) found.push(pieces[edge[at]!]!)
    return found
  }
}
