import type { IdList } from '../id-list.js'
import { charAt, classTable, runEnd, SPACE } from '../unicode/classes.js'
import { lowerContraction } from './contractions.js'
import type { PreTokenizer } from './pretokenizer.js'
import { spacesEnd } from './spaces.js'

/** The regular expression that {@link gpt2} stands for, as published with GPT-2. */
export const gpt2Source = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

const APOSTROPHE = 0x27
const BLANK = 0x20

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
        const short = byte === APOSTROPHE ? lowerContraction(bytes, at, length) : 0
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
