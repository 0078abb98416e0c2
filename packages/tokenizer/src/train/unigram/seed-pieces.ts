import { inSlices, type Pause } from '../pauses.js'
import { markLargest } from './largest.js'
import { substringOrder } from './substring-order.js'
import { SEPARATOR, type WordText } from './word-text.js'

/** Pieces to begin training with: every character, and substrings of words. Piece `i` has the number `i`. */
export interface SeedPieces {
  /** Where each piece stands in the text for an example. */
  readonly places: Uint32Array
  /** Characters of each piece. */
  readonly lengths: Uint8Array
  /** Occurrences for characters, occurrences times length for the others. */
  readonly weights: Float64Array
  /** All places in the order of what begins there. */
  readonly order: Uint32Array
  /** The places of piece `i` are `order[lefts[i], rights[i])`. */
  readonly lefts: Uint32Array
  readonly rights: Uint32Array
}

/**
 * The characters of a text and, of the substrings that occur more than once, the `size` with the most characters in all. A substring that the same character
 * always follows is left out, for there is a longer one as frequent; the end of a word counts as a character that is another each time.
 *
 * Source: T. Kudo, "Subword Regularization", ACL 2018, section 3.2; as in SentencePiece, occurrences count as often as their words occur.
 */
export async function seedPieces(text: WordText, longest: number, size: number, pause: Pause): Promise<SeedPieces> {
  const { symbols, counts, wordAt, alphabet } = text
  const { length } = symbols
  const order = await substringOrder(symbols, alphabet.length, longest + 1, pause)
  // Words counted up along the order: how often a stretch of places occurs is one subtraction.
  const sums = new Float64Array(length + 1)
  // How many symbols each substring has in common with the one before it, up to one more than the longest piece has.
  const common = new Uint16Array(length + 1)
  await inSlices(length, pause, (from, to) => {
    for (let i = from; i < to; i++) {
      const place = order[i]!
      sums[i + 1] = sums[i]! + counts[wordAt[place]!]!
      if (i === 0) continue
      const before = order[i - 1]!
      let same = 0
      while (same <= longest && symbols[place + same] === symbols[before + same] && symbols[place + same] !== SEPARATOR) same++
      common[i] = same
    }
  })

  const found = new Candidates()
  const characters = new Candidates()
  // The substrings under way: each shares `depths[d]` symbols since place `opened[d]` of the order.
  const depths = new Uint16Array(longest + 3)
  const opened = new Uint32Array(longest + 3)
  let open = 0
  await inSlices(length, pause, (from, to) => {
    for (let i = from + 1; i <= to; i++) {
      const same = common[i]!
      let left = i - 1
      const start = order[left]!
      const whole = symbols[start] === SEPARATOR ? 0 : wholeLength(text, start)
      // A word that occurs often but in no other, which makes no stretch of its own.
      if (whole >= 2 && whole <= longest && whole > same && whole > common[left]! && sums[i]! - sums[left]! >= 2) {
        found.add(left, i, whole, (sums[i]! - sums[left]!) * whole)
      }
      // A character of a single place likewise.
      if (symbols[start] !== SEPARATOR && same === 0 && common[left] === 0) characters.add(left, i, 1, sums[i]! - sums[left]!)
      while (open > 0 && depths[open - 1]! > same) {
        open--
        left = opened[open]!
        const depth = depths[open]!
        if (depth >= 2 && depth <= longest) found.add(left, i, depth, (sums[i]! - sums[left]!) * depth)
        // The outermost stretch is that of the first character, whether or not it branches there.
        if (open === 0 && same === 0) characters.add(left, i, 1, sums[i]! - sums[left]!)
      }
      if (same > 0 && (open === 0 || depths[open - 1]! < same)) {
        depths[open] = same
        opened[open++] = left
      }
    }
  })
  const marks = await markLargest(found.weights, found.size, Math.max(0, size - characters.size), pause)
  return characters.with(found, marks, order)
}

/** The length of the word that begins at a place, or 0 where none does. */
function wholeLength({ starts, wordAt }: WordText, place: number): number {
  const word = wordAt[place]!
  return starts[word] === place ? starts[word + 1]! - 1 - place : 0
}

/** A list of stretches of the order with the length and weight of the substring that they share. */
class Candidates {
  size = 0
  weights = new Float64Array(1024)
  private lefts = new Uint32Array(1024)
  private rights = new Uint32Array(1024)
  private lengths = new Uint8Array(1024)

  add(left: number, right: number, length: number, weight: number): void {
    const at = this.size++
    if (at === this.lefts.length) this.grow()
    this.lefts[at] = left
    this.rights[at] = right
    this.lengths[at] = length
    this.weights[at] = weight
  }

  /** These and those of the others that are marked. */
  with(others: Candidates, marks: Uint8Array, order: Uint32Array): SeedPieces {
    for (let i = 0; i < others.size; i++) {
      if (marks[i] === 1) this.add(others.lefts[i]!, others.rights[i]!, others.lengths[i]!, others.weights[i]!)
    }
    const { size } = this
    const lefts = this.lefts.slice(0, size)
    return {
      places: lefts.map((left) => order[left]!),
      lengths: this.lengths.slice(0, size),
      weights: this.weights.slice(0, size),
      order,
      lefts,
      rights: this.rights.slice(0, size),
    }
  }

  private grow(): void {
    const size = this.lefts.length * 2
    const { lefts, rights, lengths, weights } = this
    this.lefts = new Uint32Array(size)
    this.lefts.set(lefts)
    this.rights = new Uint32Array(size)
    this.rights.set(rights)
    this.lengths = new Uint8Array(size)
    this.lengths.set(lengths)
    this.weights = new Float64Array(size)
    this.weights.set(weights)
  }
}
