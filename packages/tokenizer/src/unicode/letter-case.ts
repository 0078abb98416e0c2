import { Category, categoryTable } from './categories.js'
import { whiteSpaceRanges } from './generated/categories.js'
import { forEachRange } from './ranges.js'

/** Bits of a character: what it may be part of. Letters without case and marks belong to words of either case. */
export const IN_UPPER = 1
export const IN_LOWER = 2
export const IS_NUMBER = 4
export const IS_SPACE = 8
export const IS_MARK = 16
const BITS = 5

/** Code points from here on have no bits (in Unicode 16 the last letter is U+323AF), but for the variation selectors, which are marks. */
const TABLE_SIZE = 0x323b0
const FIRST_SELECTOR = 0xe0100
const LAST_SELECTOR = 0xe01ef

let table: Uint8Array | undefined

/** The bits of every code point below the table's size. Unpacked at first use. */
export function caseTable(): Uint8Array {
  if (table !== undefined) return table
  const unpacked = categoryTable(TABLE_SIZE, (category) => {
    if (category === Category.Lu || category === Category.Lt) return IN_UPPER
    if (category === Category.Ll) return IN_LOWER
    if (category === Category.Lm || category === Category.Lo) return IN_UPPER | IN_LOWER
    if (category >= Category.Mn && category <= Category.Me) return IN_UPPER | IN_LOWER | IS_MARK
    return category >= Category.Nd && category <= Category.No ? IS_NUMBER : 0
  })
  forEachRange(whiteSpaceRanges, (start, end) => unpacked.fill(IS_SPACE, start, end))
  return (table = unpacked)
}

/** The character at `bytes[at]` as its length in bytes times 32, plus its bits. `bytes` must be valid UTF-8 and `at` the start of a character. */
export function caseAt(cases: Uint8Array, bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return (1 << BITS) | cases[first]!
  if (first < 0xe0) return (2 << BITS) | cases[((first & 0x1f) << 6) | (bytes[at + 1]! & 0x3f)]!
  if (first < 0xf0) return (3 << BITS) | cases[((first & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f)]!
  const point = ((first & 0x07) << 18) | ((bytes[at + 1]! & 0x3f) << 12) | ((bytes[at + 2]! & 0x3f) << 6) | (bytes[at + 3]! & 0x3f)
  if (point < cases.length) return (4 << BITS) | cases[point]!
  const selector = point >= FIRST_SELECTOR && point <= LAST_SELECTOR
  return (4 << BITS) | (selector ? IN_UPPER | IN_LOWER | IS_MARK : 0)
}

/** The length in bytes of what {@link caseAt} gave. */
export const byteLength = (char: number): number => char >> BITS
