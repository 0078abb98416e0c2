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
const CHARS_PER_TOKEN = 6

/**
 * The parts of a tokenizer from an encoding's data. The pairs of n tokens are four columns, because equal things beside each other compress best:
 * the upper digits of the left ids (two characters each), their last digits (one each), and the same of the right ids.
 *
 * @throws TokenizerError `FILE` when the data is not what the package's generator wrote
 */
export function readEncoding({ name, pattern, tokens, special }: EncodingData): TokenizerParts {
  const size = tokens.reduce((last, { first, pairs }) => Math.max(last, first + pairs.length / CHARS_PER_TOKEN), 256)
  const left = new Uint32Array(size)
  const right = new Uint32Array(size)
  for (const { first, pairs } of tokens) {
    const count = pairs.length / CHARS_PER_TOKEN
    readColumns(pairs, 0, count, left, first)
    readColumns(pairs, count * 3, count, right, first)
  }
  const damaged = left.findIndex((id, token) => (id >= token || right[token]! >= token) && token >= 256)
  if (damaged >= 0) throw new TokenizerError('FILE', `The data of encoding ${name} is damaged at token ${damaged}`)
  const starts = new Uint32Array(size + 1)
  // A gap in the ids, where a special token stands, has no pair: both ids are 0.
  for (let id = 0; id < size; id++) starts[id + 1] = starts[id]! + (id < 256 ? 1 : lengthOf(starts, left[id]!, right[id]!))
  const bytes = new Uint8Array(starts[size]!)
  bytes.set(byteOrder) // ids 0 to 255, in GPT-2's order
  for (let id = 256; id < size; id++) if (starts[id] !== starts[id + 1]) copyPair(bytes, starts, left[id]!, right[id]!, starts[id]!)
  return partsOfRanks(new Vocabulary({ bytes, starts }), { pattern, special })
}

const lengthOf = (starts: Uint32Array, left: number, right: number): number =>
  left === 0 && right === 0 ? 0 : starts[left + 1]! - starts[left]! + starts[right + 1]! - starts[right]!

// Functions of their own: the engine optimises a short one after a few calls, and a long loop late.
function copyPair(bytes: Uint8Array, starts: Uint32Array, left: number, right: number, to: number): void {
  for (let from = starts[left]!, end = starts[left + 1]!; from < end; from++) bytes[to++] = bytes[from]!
  for (let from = starts[right]!, end = starts[right + 1]!; from < end; from++) bytes[to++] = bytes[from]!
}

/** Reads the `count` numbers whose columns begin at `at` into `into[first …]`. */
function readColumns(text: string, at: number, count: number, into: Uint32Array, first: number): void {
  const last = at + count * 2
  for (let i = 0; i < count; i++) into[first + i] = readNumber(text, at + i * 2, last + i)
}

const readNumber = (text: string, upper: number, last: number): number =>
  (digitAt(text, upper) * BASE + digitAt(text, upper + 1)) * BASE + digitAt(text, last)

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return (code === 0x21 ? BACKSLASH : code) - ZERO
}
