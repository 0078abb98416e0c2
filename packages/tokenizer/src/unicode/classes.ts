import { Category, categoryTable } from './categories.js'
import { whiteSpaceRanges } from './generated/categories.js'
import { forEachRange } from './ranges.js'

/** Classes of code points. They partition Unicode, so two bits are enough. */
export const OTHER = 0
export const LETTER = 1
export const NUMBER = 2
export const SPACE = 3

/** Code points from here on are all `OTHER` (in Unicode 16 the last letter is U+323AF). */
const TABLE_SIZE = 0x323b0

let table: Uint8Array | undefined

/** The class of every code point below the table's size; the others are `OTHER`. Unpacked at first use. */
export function classTable(): Uint8Array {
  if (table !== undefined) return table
  const unpacked = categoryTable(TABLE_SIZE, (category) =>
    category >= Category.Lu && category <= Category.Lo ? LETTER : category >= Category.Nd && category <= Category.No ? NUMBER : OTHER,
  )
  forEachRange(whiteSpaceRanges, (start, end) => unpacked.fill(SPACE, start, end))
  return (table = unpacked)
}

/**
 * The character at `bytes[at]` as its length in bytes times four, plus its class. `bytes` must be valid UTF-8 and `at` the start of
 * a character.
 */
export function charAt(classes: Uint8Array, bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  if (first < 0x80) return 4 | classes[first]!
  if (first < 0xe0) return 8 | classes[((first & 0x1f) << 6) | (bytes[at + 1]! & 0x3f)]!
  if (first < 0xf0) return 12 | classes[((first & 0x0f) << 12) | ((bytes[at + 1]! & 0x3f) << 6) | (bytes[at + 2]! & 0x3f)]!
  const point = ((first & 0x07) << 18) | ((bytes[at + 1]! & 0x3f) << 12) | ((bytes[at + 2]! & 0x3f) << 6) | (bytes[at + 3]! & 0x3f)
  return point < classes.length ? 16 | classes[point]! : 16 | OTHER
}

/** The end of the longest run of characters of `wanted` that starts at `at`. */
export function runEnd(classes: Uint8Array, bytes: Uint8Array, at: number, end: number, wanted: number): number {
  while (at < end) {
    const byte = bytes[at]!
    if (byte < 0x80) {
      if (classes[byte] !== wanted) break
      at++
    } else {
      const char = charAt(classes, bytes, at)
      if ((char & 3) !== wanted) break
      at += char >> 2
    }
  }
  return at
}
