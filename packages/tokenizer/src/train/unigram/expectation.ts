import { UNKNOWN_PENALTY } from '../../models/unigram/unigram.js'
import { inSlices, type Pause } from '../pauses.js'
import { UNKNOWN, type PieceLattice } from './lattice.js'

/** Probabilities smaller than this are scaled up by {@link SCALE}. */
const SMALL = 2 ** -332
const SCALE = 2 ** 332
const LARGE = 2 ** 1000
/** Edges between two pauses. */
const SLICE = 1 << 18
/** Longer words are worked through with pauses. */
const LONG = 1 << 14

export interface Expectation {
  /** Piece → how often it is expected to occur in the corpus, over all ways to cut every word. */
  readonly counts: Float64Array
  /** The mean log-likelihood of a word, in nats. */
  readonly logLikelihood: number
}

/** The score of the unknown piece beside these, whose own score at {@link UNKNOWN} does not count. */
export function unknownScore(scores: Float64Array): number {
  let lowest = Infinity
  for (let piece = 0; piece < scores.length; piece++) if (piece !== UNKNOWN && scores[piece]! < lowest) lowest = scores[piece]!
  return (lowest === Infinity ? 0 : lowest) - UNKNOWN_PENALTY
}

/**
 * Expected counts of pieces by the forward–backward algorithm: the E-step. Probabilities are multiplied as they are, far faster than sums of logarithms, and
 * those of long words are scaled so that they stay within the range of doubles.
 *
 * @param scores piece → log-probability
 */
export async function expectedCounts(lattice: PieceLattice, scores: Float64Array, pause: Pause): Promise<Expectation> {
  const { text, firsts } = lattice
  const weights = scores.map(Math.exp)
  weights[UNKNOWN] = Math.exp(unknownScore(scores))
  const pass = new ForwardBackward(lattice, weights)
  let total = 0
  let logLikelihood = 0
  let due = SLICE
  for (let word = 0; word < text.size; word++) {
    const start = text.starts[word]!
    const end = text.starts[word + 1]! - 1
    const count = text.counts[word]!
    if (end === start) continue
    total += count
    pass.begin(start, end - start)
    if (end - start <= LONG) {
      pass.ahead(0, end - start)
      logLikelihood += count * pass.turn(count)
      pass.back(0, end - start)
    } else {
      await inSlices(end - start, pause, (from, to) => pass.ahead(from, to), LONG)
      logLikelihood += count * pass.turn(count)
      await inSlices(end - start, pause, (from, to) => pass.back(end - start - to, end - start - from), LONG)
    }
    if (firsts[end]! < due) continue
    due = firsts[end]! + SLICE
    await pause()
  }
  return { counts: pass.counts, logLikelihood: total === 0 ? 0 : logLikelihood / total }
}

/** Both ways through one word at a time: `begin`, `ahead` from its beginning to its end, `turn`, `back` from its end to its beginning. */
class ForwardBackward {
  readonly counts: Float64Array
  // What leads up to each place of a word, how often that was scaled, and what leads from there to its end.
  private forward = new Float64Array(1024)
  private scaled = new Int32Array(1024)
  private backward = new Float64Array(1024)
  private start = 0
  private length = 0
  /** How often the values at hand are scaled, and how often they were at the turn. */
  private times = 0
  private allTimes = 0
  /** What a way's probability is multiplied by to give its count. */
  private share = 0

  constructor(
    private readonly lattice: PieceLattice,
    private readonly weights: Float64Array,
  ) {
    this.counts = new Float64Array(weights.length)
  }

  begin(start: number, length: number): void {
    if (length >= this.forward.length) {
      this.forward = new Float64Array(length * 2)
      this.scaled = new Int32Array(length * 2)
      this.backward = new Float64Array(length * 2)
    }
    this.start = start
    this.length = length
    this.forward.fill(0, 0, length + 1)
    this.forward[0] = 1
    this.times = 0
  }

  ahead(from: number, to: number): void {
    const { forward, scaled, weights, start } = this
    const { firsts, pieces, steps } = this.lattice
    for (let at = from; at < to; at++) {
      if (forward[at]! < SMALL) this.scaleUp(forward, at)
      scaled[at] = this.times
      const here = forward[at]!
      for (let edge = firsts[start + at]!, last = firsts[start + at + 1]!; edge < last; edge++) {
        forward[at + steps[edge]!]! += here * weights[pieces[edge]!]!
      }
    }
  }

  /** At the end of a word that occurs `count` times: the logarithm of its likelihood. */
  turn(count: number): number {
    const { forward, length } = this
    if (forward[length]! < SMALL) this.scaleUp(forward, length)
    this.share = count / forward[length]!
    this.allTimes = this.times
    this.times = 0
    this.backward[length] = 1
    return Math.log(forward[length]!) - this.allTimes * Math.log(SCALE)
  }

  /** Adds to the counts, from `to` down to `from`. */
  back(from: number, to: number): void {
    const { forward, scaled, backward, weights, counts, start, share, allTimes } = this
    const { firsts, pieces, steps } = this.lattice
    for (let at = to - 1; at >= from; at--) {
      const beyond = allTimes - scaled[at]! - this.times
      let here = forward[at]! * share
      // The limit only matters where what leads to the end is too small to count.
      if (beyond !== 0) here = Math.min(here * SCALE ** beyond, LARGE)
      let sum = 0
      for (let edge = firsts[start + at]!, last = firsts[start + at + 1]!; edge < last; edge++) {
        const piece = pieces[edge]!
        const way = weights[piece]! * backward[at + steps[edge]!]!
        sum += way
        counts[piece]! += here * way
      }
      backward[at] = sum
      if (sum < SMALL) this.scaleUp(backward, at)
    }
  }

  /** Scales the values that are still to be used, unless some of them are large enough: then this one does not matter. */
  private scaleUp(values: Float64Array, at: number): void {
    const stop = Math.min(this.length, at + this.lattice.longest)
    let largest = 0
    for (let i = at; i <= stop; i++) if (values[i]! > largest) largest = values[i]!
    if (largest >= SMALL) return
    for (let i = at; i <= stop; i++) values[i]! *= SCALE
    this.times++
  }
}
