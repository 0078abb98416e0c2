import { TokenizerError } from '../errors.js'
import { byteOrder } from '../formats/hf-json/byte-chars.js'
import { partsOfRanks } from '../formats/tiktoken/ranked-parts.js'
import type { TokenizerParts } from '../parts.js'
import { Vocabulary } from '../vocabulary.js'
import type { EncodingData } from './encoding-data.js'

/** Digits are the characters from `#` on, but for the backslash, which is written `!`. */
const BASE = 90
const ZERO = 0x23
const BACKSLASH = 0x5c
const EXCLAMATION = 0x21
const CHARS_PER_TOKEN = 6

/**
 * The parts of a tokenizer from an encoding's data. The pairs of n tokens are four columns, because equal things beside each other compress best:
 * the upper digits of the left ids (two characters each), their last digits (one each), and the same of the right ids.
 *
 * @throws TokenizerError `FILE` when the data is not what the package's generator wrote
 */
export function readEncoding({ name, pattern, tokens, special }: EncodingData): TokenizerParts {
  const size = tokens.reduce((last, { first, pairs }) => Math.max(last, first + pairs.length / CHARS_PER_TOKEN), 256)
  const arena = new Arena(size)
  const missing = new Set<number>()
  for (const { first, pairs } of tokens) {
    for (let id = arena.count; id < first; id++) {
      missing.add(id)
      arena.skip()
    }
    const count = pairs.length / CHARS_PER_TOKEN
    const chars = new TextEncoder().encode(pairs) // faster to read than text
    for (let i = 0; i < count; i++) {
      const left = readNumber(chars, i * 2, count * 2 + i)
      const right = readNumber(chars, count * 3 + i * 2, count * 5 + i)
      if (!arena.join(left, right)) {
        throw new TokenizerError('FILE', `The data of encoding ${name} is damaged: token ${first + i} joins ${left} and ${right}`)
      }
    }
  }
  return partsOfRanks(new Vocabulary({ bytes: arena.bytes.subarray(0, arena.starts[size]), starts: arena.starts, missing }), {
    pattern,
    special,
  })
}

/** Tokens one after another, each made of earlier ones. */
class Arena {
  readonly starts: Uint32Array
  bytes: Uint8Array
  /** How many there are. */
  count = 256

  constructor(size: number) {
    this.starts = new Uint32Array(size + 1)
    this.bytes = new Uint8Array(size * 8)
    this.bytes.set(byteOrder) // ids 0 to 255, in GPT-2's order
    for (let id = 0; id <= 256; id++) this.starts[id] = id
  }

  /** The next id stands for nothing. */
  skip(): void {
    this.count++
    this.starts[this.count] = this.starts[this.count - 1]!
  }

  /** The next token is these two joined; false when they are not there. */
  join(left: number, right: number): boolean {
    const { starts, count } = this
    if (!(left < count && right < count)) return false
    let to = starts[count]!
    const end = to + starts[left + 1]! - starts[left]! + starts[right + 1]! - starts[right]!
    if (end > this.bytes.length) {
      const grown = new Uint8Array(end * 2)
      grown.set(this.bytes)
      this.bytes = grown
    }
    const { bytes } = this
    for (let from = starts[left]!, stop = starts[left + 1]!; from < stop; from++) bytes[to++] = bytes[from]!
    for (let from = starts[right]!; to < end; from++) bytes[to++] = bytes[from]!
    starts[++this.count] = end
    return true
  }
}

/** The number whose upper digits stand at `upper` and whose last one stands at `last`. */
const readNumber = (chars: Uint8Array, upper: number, last: number): number =>
  (digitAt(chars, upper) * BASE + digitAt(chars, upper + 1)) * BASE + digitAt(chars, last)

function digitAt(chars: Uint8Array, at: number): number {
  const code = chars[at]!
  return (code === EXCLAMATION ? BACKSLASH : code) - ZERO
}
