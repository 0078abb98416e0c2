import type { IdList } from '../id-list.js'
import { charAt, classTable, LETTER, runEnd, SPACE } from '../unicode/classes.js'
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

  const next = (bytes: Uint8Array, at: number, end: number): number => {
    const byte = bytes[at]!
    if (byte === APOSTROPHE) {
      const short = lowerContraction(bytes, at, end)
      if (short > 0) return at + short
    }
    const char = charAt(classes, bytes, at)
    const after = at + (char >> 2)
    const kind = char & 3
    const following = byte === BLANK && after < end ? charAt(classes, bytes, after) & 3 : SPACE
    if (following !== SPACE) return runEnd(classes, bytes, after, end, following)
    if (kind !== SPACE) return runEnd(classes, bytes, after, end, kind)
    return spacesEnd(bytes, at, runEnd(classes, bytes, after, end, SPACE), end)
  }

  return {
    pattern: 'gpt2',
    split(_text: string, bytes: Uint8Array, length: number, ends: IdList): void {
      let { ids, length: count } = ends
      for (let at = 0; at < length;) {
        // Most pieces are ASCII letters with or without one blank before them; these are not worth a call.
        let stop = at
        let byte = bytes[at]!
        if (byte === BLANK && ++stop < length) byte = bytes[stop]!
        if (byte < 0x80 && classes[byte] === LETTER) {
          while (++stop < length && (byte = bytes[stop]!) < 0x80 && classes[byte] === LETTER);
          at = stop < length && byte >= 0x80 ? runEnd(classes, bytes, stop, length, LETTER) : stop
        } else at = next(bytes, at, length)
        if (count === ids.length) {
          ends.length = count
          ends.reserve(1)
          ids = ends.ids
        }
        ids[count++] = at
      }
      ends.length = count
    },
  }
}
