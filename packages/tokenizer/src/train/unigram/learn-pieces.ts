import type { MemoryLimit } from '../memory-limit.js'
import type { Pause } from '../pauses.js'
import { expectedCounts } from './expectation.js'
import { PieceLattice, UNKNOWN } from './lattice.js'
import { markLargest } from './largest.js'
import { maximize } from './maximization.js'
import { losses } from './prune.js'
import { seedPieces } from './seed-pieces.js'
import type { UnigramRules } from './options.js'
import type { WordText } from './word-text.js'

/** Above the size that is wanted, pieces are pruned until there are this many times as many; the last choice is made among these. */
export const SPARE = 1.1

/** A piece with the logarithm of its probability. */
export type ScoredPiece = readonly [text: string, score: number]

/**
 * Learns the pieces of a unigram model: from many substrings, rounds of expectation and maximization, after each of which the pieces go that the likelihood of the
 * texts needs least.
 *
 * Source: T. Kudo, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword Candidates", ACL 2018 (arXiv 1804.10959), section 3.2.
 *
 * @param size how many pieces are wanted, at least one for each character
 * @param onRound is told the number of pieces after each round
 * @throws TokenizerError `MEMORY`
 * @returns pieces by falling score; single characters are always among them
 */
export async function learnPieces(
  text: WordText,
  size: number,
  rules: UnigramRules,
  memory: MemoryLimit,
  pause: Pause,
  onRound: (pieces: number) => void,
): Promise<ScoredPiece[]> {
  const learner = await Learner.of(text, rules, memory, pause)
  const enough = Math.floor(size * SPARE)
  for (;;) {
    for (let i = 0; i < rules.nSubIterations; i++) await learner.improve()
    onRound(learner.size)
    if (learner.size <= enough) break
    const before = learner.size
    await learner.prune(Math.max(enough, Math.floor(before * rules.shrinkingFactor)))
    if (learner.size === before) break
  }
  return learner.finish(size)
}

class Learner {
  private constructor(
    private lattice: PieceLattice,
    /** Piece → log-probability; {@link UNKNOWN} has none. */
    private scores: Float64Array,
    /** Where each piece stands for an example, and its characters. */
    private examples: Uint32Array,
    private lengths: Uint8Array,
    private readonly pause: Pause,
  ) {}

  static async of(text: WordText, rules: UnigramRules, memory: MemoryLimit, pause: Pause): Promise<Learner> {
    const seeds = await seedPieces(text, rules.maxPieceLength, rules.seedSize, pause)
    const lattice = await PieceLattice.of(text, seeds, memory, pause)
    const size = seeds.places.length + 1
    const [scores, examples, lengths] = [new Float64Array(size), new Uint32Array(size), new Uint8Array(size)]
    examples.set(seeds.places, 1)
    lengths.set(seeds.lengths, 1)
    const all = Math.log(seeds.weights.reduce((sum, weight) => sum + weight, 0))
    for (const [i, weight] of seeds.weights.entries()) scores[i + 1] = Math.log(weight) - all
    return new Learner(lattice, scores, examples, lengths, pause)
  }

  /** The number of pieces, the unknown one included. */
  get size(): number {
    return this.scores.length
  }

  /** One step of expectation and maximization. */
  async improve(): Promise<void> {
    const { counts } = await expectedCounts(this.lattice, this.scores, this.pause)
    const { numbers, scores } = maximize(counts)
    await this.keep(numbers)
    this.scores = scores
  }

  /** Keeps the pieces whose loss would be the greatest. Those that no best cut of a word uses go in any case. */
  async prune(size: number): Promise<void> {
    const lost = await this.losses()
    const marks = await markLargest(
      lost.map((loss) => (loss === -Infinity ? NaN : loss)),
      lost.length,
      size,
      this.pause,
    )
    let kept = 0
    const numbers = Int32Array.from(marks, (mark) => (mark === 1 ? kept++ : -1))
    const { scores } = this
    await this.keep(numbers)
    this.scores = scores.filter((_, piece) => marks[piece] === 1)
  }

  /** The `size` best pieces, all characters among them. */
  async finish(size: number): Promise<ScoredPiece[]> {
    const { scores, lengths, examples } = this
    const { text } = this.lattice
    const lost = await this.losses()
    lost[UNKNOWN] = NaN
    let known = 0
    const missing = new Set(text.alphabet.subarray(1))
    for (let piece = 1; piece < scores.length; piece++) {
      if (lengths[piece] !== 1) continue
      known++
      missing.delete(text.alphabet[text.symbols[examples[piece]!]!]!)
    }
    const marks = await markLargest(lost, lost.length, Math.max(known, size - missing.size), this.pause)
    const pieces: ScoredPiece[] = []
    for (let piece = 1; piece < scores.length; piece++) {
      if (marks[piece] === 1) pieces.push([text.text(examples[piece]!, lengths[piece]!), scores[piece]!])
    }
    return withCharacters(pieces, missing)
  }

  private losses(): Promise<Float64Array> {
    return losses(this.lattice, this.scores, this.examples, this.lengths, this.pause)
  }

  private async keep(numbers: Int32Array): Promise<void> {
    this.lattice = await this.lattice.keep(numbers, this.pause)
    this.examples = this.examples.filter((_, piece) => numbers[piece]! >= 0)
    this.lengths = this.lengths.filter((_, piece) => numbers[piece]! >= 0)
  }
}

/** What one more character without a score of its own has beyond the one before it; as in SentencePiece, so that all scores differ. */
const SCORE_STEP = 1e-4

/** Pieces with some characters added at the lowest score, by falling score, then by their text. */
export function withCharacters(pieces: readonly ScoredPiece[], codes: Iterable<number>): ScoredPiece[] {
  const lowest = pieces.reduce((least, [, score]) => Math.min(least, score), pieces.length === 0 ? 0 : Infinity)
  const added = [...codes].sort((a, b) => a - b).map((code, i): ScoredPiece => [String.fromCodePoint(code), lowest + i * SCORE_STEP])
  return [...pieces, ...added].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
}
