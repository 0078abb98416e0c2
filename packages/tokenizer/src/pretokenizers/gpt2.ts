import type { IdList } from '../id-list.js'
import { charAt, classTable, runEnd, SPACE } from '../unicode/classes.js'
import type { PreTokenizer } from './pretokenizer.js'
import { spacesEnd } from './spaces.js'

/** The regular expression that {@link gpt2} stands for, as published with GPT-2. */
export const gpt2Source = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

const APOSTROPHE = 0x27
const BLANK = 0x20
const [D, E, L, M, R, S, T, V] = [0x64, 0x65, 0x6c, 0x6d, 0x72, 0x73, 0x74, 0x76]

/** The length of the contraction after an apostrophe at `at`, with the apostrophe, or 0. */
function contraction(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return 0
  const first = bytes[at + 1]
  if (first === S || first === D || first === M || first === T) return 2
  if (at + 2 >= end) return 0
  const second = bytes[at + 2]
  return (first === L && second === L) || (first === V && second === E) || (first === R && second === E) ? 3 : 0
}

/**
 * GPT-2's split, scanned by hand: one pass, no backtracking, and the same Unicode version on every engine (a regular expression's
 * `\s` is not Unicode's White_Space in JavaScript).
 */
export function gpt2(): PreTokenizer {
  const classes = classTable()
  return {
    pattern: 'gpt2',
    split(_text: string, bytes: Uint8Array, length: number, ends: IdList): void {
      let at = 0
      while (at < length) {
        const byte = bytes[at]!
        const short = byte === APOSTROPHE ? contraction(bytes, at, length) : 0
        if (short > 0) {
          at += short
        } else {
          const char = charAt(classes, bytes, at)
          const after = at + (char >> 2)
          const kind = char & 3
          const next = byte === BLANK && after < length ? charAt(classes, bytes, after) & 3 : SPACE
          if (next !== SPACE) at = runEnd(classes, bytes, after, length, next)
          else if (kind !== SPACE) at = runEnd(classes, bytes, after, length, kind)
          else at = spacesEnd(bytes, at, runEnd(classes, bytes, after, length, SPACE), length)
        }
        ends.push(at)
      }
    },
  }
}
