import type { IdList } from '../id-list.js'
import { charAt, classTable, LETTER, NUMBER, OTHER, runEnd, SPACE } from '../unicode/classes.js'
import type { PreTokenizer } from './pretokenizer.js'
import { spacesEnd } from './spaces.js'

const common = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|`

/** The regular expression of the first cl100k, which Hugging Face files such as Llama 3's still carry. */
export const llama3Source = String.raw`${common}\s*[\r\n]+|\s+(?!\S)|\s+`

/**
 * The regular expression of cl100k in tiktoken since 0.6: white space at the end of a text stays whole even when it holds a line break.
 * Written with what every engine reads alike (`$` and possessive quantifiers are not).
 */
export const cl100kSource = String.raw`${common}\s+(?![\s\S])|\s*[\r\n]+|\s+(?!\S)|\s+`

const APOSTROPHE = 0x27
const BLANK = 0x20
const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const [D, E, L, M, R, S, T, V] = [0x64, 0x65, 0x6c, 0x6d, 0x72, 0x73, 0x74, 0x76]

const isBreak = (byte: number | undefined) => byte === LINE_FEED || byte === CARRIAGE_RETURN

/** The length of the contraction in any case after an apostrophe at `at`, with the apostrophe, or 0. */
function contraction(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end) return 0
  // Setting bit 5 maps A–Z to a–z and no other byte to one of the letters compared with below.
  const first = bytes[at + 1]! | 0x20
  if (first === S || first === D || first === M || first === T) return 2
  if (at + 2 >= end) return 0
  // Without regard to case, s is also ſ (U+017F, bytes C5 BF).
  if (bytes[at + 1] === 0xc5 && bytes[at + 2] === 0xbf) return 3
  const second = bytes[at + 2]! | 0x20
  return (first === L && second === L) || (first === V && second === E) || (first === R && second === E) ? 3 : 0
}

/** The splits of cl100k and of Llama 3, scanned by hand: one pass, no backtracking, the same Unicode version on every engine. */
export function cl100k(pattern: 'cl100k' | 'llama3'): PreTokenizer {
  const classes = classTable()
  const wholeTail = pattern === 'cl100k'

  const next = (bytes: Uint8Array, at: number, end: number): number => {
    const byte = bytes[at]!
    if (byte === APOSTROPHE) {
      const short = contraction(bytes, at, end)
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
    // `\s*[\r\n]+` ends after the last line break of the run.
    for (let last = stop; last > at; last--) if (isBreak(bytes[last - 1])) return last
    return spacesEnd(bytes, at, stop, end)
  }

  /** The end of up to two more numbers. */
  const numbersEnd = (bytes: Uint8Array, at: number, end: number): number => {
    for (let count = 1; count < 3 && at < end; count++) {
      const char = charAt(classes, bytes, at)
      if ((char & 3) !== NUMBER) break
      at += char >> 2
    }
    return at
  }

  return {
    pattern,
    split(_text: string, bytes: Uint8Array, length: number, ends: IdList): void {
      for (let at = 0; at < length; ends.push(at)) at = next(bytes, at, length)
    },
  }
}
