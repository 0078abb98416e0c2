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
  const lengths = new Uint32Array(size).fill(1, 0, 256)
  for (const { first, pairs } of tokens) {
    const count = pairs.length / CHARS_PER_TOKEN
    readColumns(pairs, 0, count, left, first)
    readColumns(pairs, count * 3, count, right, first)
    for (let id = first; id < first + count; id++) {
      const [l, r] = [left[id]!, right[id]!]
      if (!(l < id && r < id)) throw new TokenizerError('FILE', `The data of encoding ${name} is damaged: token ${id} joins ${l} and ${r}`)
      lengths[id] = lengths[l]! + lengths[r]!
    }
  }
  const starts = new Uint32Array(size + 1)
  for (let id = 0; id < size; id++) starts[id + 1] = starts[id]! + lengths[id]!
  const bytes = new Uint8Array(starts[size]!)
  bytes.set(byteOrder) // ids 0 to 255, in GPT-2's order
  for (let id = 256; id < size; id++) {
    let to = starts[id]!
    if (to === starts[id + 1]) continue
    for (const part of [left[id]!, right[id]!]) for (let from = starts[part]!; from < starts[part + 1]!;) bytes[to++] = bytes[from++]!
  }
  return partsOfRanks(new Vocabulary({ bytes, starts }), { pattern, special })
}

/** Reads the `count` numbers whose columns begin at `at` into `into[first …]`. */
function readColumns(text: string, at: number, count: number, into: Uint32Array, first: number): void {
  const last = at + count * 2
  for (let i = 0; i < count; i++) {
    into[first + i] = (digitAt(text, at + i * 2) * BASE + digitAt(text, at + i * 2 + 1)) * BASE + digitAt(text, last + i)
  }
}

function digitAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return (code === 0x21 ? BACKSLASH : code) - ZERO
}
