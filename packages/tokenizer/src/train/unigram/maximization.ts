import { UNKNOWN } from './lattice.js'

/** Pieces that are expected to occur less often than this are dropped. */
const LEAST_COUNT = 0.5

/** The pieces that stay, and their scores under new numbers. */
export interface Maximized {
  /** Piece → its new number, −1 for those that go. */
  readonly numbers: Int32Array
  readonly scores: Float64Array
}

/**
 * Scores from expected counts: the M-step. Not log(cᵢ/Σc) but ψ(cᵢ) − ψ(Σc), which takes from rare pieces, as under a sparse prior on their probabilities.
 *
 * Source: P. Liang, D. Klein, "Structured Bayesian Nonparametric Models with Variational Inference", ACL 2007 tutorial; as in SentencePiece.
 */
export function maximize(counts: Float64Array): Maximized {
  const numbers = new Int32Array(counts.length).fill(-1)
  numbers[UNKNOWN] = UNKNOWN
  let size = 1
  let sum = 0
  for (let piece = 1; piece < counts.length; piece++) {
    if (counts[piece]! < LEAST_COUNT) continue
    sum += counts[piece]!
    numbers[piece] = size++
  }
  const scores = new Float64Array(size)
  const all = digamma(sum)
  for (let piece = 1; piece < counts.length; piece++) {
    if (numbers[piece]! > 0) scores[numbers[piece]!] = digamma(counts[piece]!) - all
  }
  return { numbers, scores }
}

/**
 * The logarithmic derivative ψ of the gamma function for x > 0, to 1e−9: raised above 7 by ψ(x) = ψ(x + 1) − 1/x, then by its asymptotic series about x − ½.
 *
 * Source: F. Olver et al., "NIST Handbook of Mathematical Functions", 5.11; the series about x − ½ has even powers only.
 */
export function digamma(x: number): number {
  let result = 0
  while (x < 7) result -= 1 / x++
  const middle = x - 0.5
  const square = 1 / (middle * middle)
  const series = 1 / 24 - square * (7 / 960 - square * (31 / 8064 - (square * 127) / 30720))
  return result + Math.log(middle) + square * series
}
