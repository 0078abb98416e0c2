import { TokenizerError } from '../errors.js'
import { byteOrder } from '../formats/hf-json/byte-chars.js'
import { partsOfRanks } from '../formats/tiktoken/ranked-parts.js'
import type { TokenizerParts } from '../parts.js'
import { PADDING } from '../models/bpe/piece-table.js'
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
    const damaged = arena.join(new TextEncoder().encode(pairs), count)
    if (damaged >= 0)
      throw new TokenizerError('FILE', `The data of encoding ${name} is damaged: token ${damaged} joins tokens that come later`)
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
    this.bytes = new Uint8Array(size * 8 + PADDING)
    this.bytes.set(byteOrder) // ids 0 to 255, in GPT-2's order
    for (let id = 0; id <= 256; id++) this.starts[id] = id
  }

  /** The next id stands for nothing. */
  skip(): void {
    this.count++
    this.starts[this.count] = this.starts[this.count - 1]!
  }

  /**
   * The next `count` tokens are the pairs of these columns joined; the first that is made of what is not there, or −1.
   *
   * A vocabulary is loaded before a compiler has made much of the code, so all is done in one loop without calls, which is compiled soonest.
   */
  join(chars: Uint8Array, count: number): number {
    const { starts } = this
    let { bytes } = this
    const first = this.count
    let to = starts[first]!
    for (let i = 0; i < count; i++) {
      const right = count * 3 + i * 2
      const a = (digits[chars[i * 2]!]! * BASE + digits[chars[i * 2 + 1]!]!) * BASE + digits[chars[count * 2 + i]!]!
      const b = (digits[chars[right]!]! * BASE + digits[chars[right + 1]!]!) * BASE + digits[chars[count * 5 + i]!]!
      if (a >= first + i || b >= first + i) return first + i
      const from = starts[a]!
      const stop = starts[a + 1]!
      const next = starts[b]!
      const end = starts[b + 1]!
      if (to + stop - from + end - next + PADDING > bytes.length) {
        this.bytes = new Uint8Array(bytes.length * 2 + stop - from + end - next)
        this.bytes.set(bytes)
        bytes = this.bytes
      }
      for (let at = from; at < stop; at++) bytes[to++] = bytes[at]!
      for (let at = next; at < end; at++) bytes[to++] = bytes[at]!
      starts[first + i + 1] = to
    }
    this.count += count
    return -1
  }
}

/** Character → digit; what is none makes a number that no token has. */
const digits = Int32Array.from({ length: 256 }, (_, code) => {
  const digit = (code === EXCLAMATION ? BACKSLASH : code) - ZERO
  return digit >= 0 && digit < BASE && code !== BACKSLASH ? digit : BASE * BASE * BASE
})
