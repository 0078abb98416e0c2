import type { IdList } from '../id-list.js'
import { charAt, classTable, LETTER, NUMBER, OTHER, runEnd, SPACE } from '../unicode/classes.js'
import { anyCaseContraction } from './contractions.js'
import type { PreTokenizer } from './pretokenizer.js'
import { breaksOrSpacesEnd, isBreak } from './spaces.js'

const words = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|`
const others = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|`
const spaces = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`

/** The regular expression of the first cl100k, which Hugging Face files such as Llama 3's still carry. */
export const llama3Source = String.raw`${words}\p{N}{1,3}|${others}${spaces}`

/** That of Qwen 2 and 2.5: every digit is a piece of its own. */
export const qwen2Source = String.raw`${words}\p{N}|${others}${spaces}`

/**
 * The regular expression of cl100k in tiktoken since 0.6: white space at the end of a text stays whole even when it holds a line break.
 * Written with what every engine reads alike (`$` and possessive quantifiers are not).
 */
export const cl100kSource = String.raw`${words}\p{N}{1,3}|${others}\s+(?![\s\S])|${spaces}`

const APOSTROPHE = 0x27
const BLANK = 0x20

/** The splits of cl100k, Llama 3 and Qwen 2, scanned by hand: one pass, no backtracking, the same Unicode version on every engine. */
export function cl100k(pattern: 'cl100k' | 'llama3' | 'qwen2'): PreTokenizer {
  const classes = classTable()
  const wholeTail = pattern === 'cl100k'
  const digits = pattern === 'qwen2' ? 1 : 3

  const next = (bytes: Uint8Array, at: number, end: number): number => {
    const byte = bytes[at]!
    if (byte === APOSTROPHE) {
      const short = anyCaseContraction(bytes, at, end)
      if (short > 0) return at + short
    }
    const char = charAt(classes, bytes, at)
    const kind = char & 3
    const after = at + (char >> 2)
    if (kind === LETTER) return runEnd(classes, bytes, after, end, LETTER)
    if (kind === NUMBER) return numbersEnd(bytes, after, end)
    const following = after < end ? charAt(classes, bytes, after) & 3 : SPACE
    if (following === LETTER && !isBreak(byte)) return runEnd(classes, bytes, after, end, LETTER)
    if (kind === OTHER || (byte === BLANK && following === OTHER)) {
      let stop = runEnd(classes, bytes, after, end, OTHER)
      while (stop < end && isBreak(bytes[stop])) stop++
      return stop
    }
    const stop = runEnd(classes, bytes, after, end, SPACE)
    if (wholeTail && stop === end) return end
    return breaksOrSpacesEnd(bytes, at, stop, end)
  }

  /** The end of the numbers that may follow the first. */
  const numbersEnd = (bytes: Uint8Array, at: number, end: number): number => {
    for (let count = 1; count < digits && at < end; count++) {
      const char = charAt(classes, bytes, at)
      if ((char & 3) !== NUMBER) break
      at += char >> 2
    }
    return at
  }

  return {
    pattern,
    split(_text: string, bytes: Uint8Array, length: number, ends: IdList): void {
      let { ids, length: count } = ends
      for (let at = 0; at < length;) {
        // Most pieces are ASCII letters with one blank or sign before them; these are not worth a call.
        let stop = at
        let byte = bytes[at]!
        if (byte < 0x80 && byte !== APOSTROPHE && !isBreak(byte) && classes[byte] !== NUMBER) {
          if (classes[byte] !== LETTER && ++stop < length) byte = bytes[stop]!
          if (byte < 0x80 && classes[byte] === LETTER) {
            while (++stop < length && (byte = bytes[stop]!) < 0x80 && classes[byte] === LETTER);
            at = stop < length && byte >= 0x80 ? runEnd(classes, bytes, stop, length, LETTER) : stop
          } else at = next(bytes, at, length)
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
