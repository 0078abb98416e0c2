import type { IdList } from '../id-list.js'
import { byteLength, caseAt, caseTable, IN_LOWER, IN_UPPER, IS_MARK, IS_NUMBER, IS_SPACE } from '../unicode/letter-case.js'
import { anyCaseContraction } from './contractions.js'
import type { PreTokenizer } from './pretokenizer.js'
import { breaksOrSpacesEnd, isBreak } from './spaces.js'

const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
const contraction = `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`

/** The regular expression that {@link o200k} stands for, as tiktoken and GPT-OSS's file have it. */
export const o200kSource = [
  String.raw`[^\r\n\p{L}\p{N}]?${upper}*${lower}+${contraction}`,
  String.raw`[^\r\n\p{L}\p{N}]?${upper}+${lower}*${contraction}`,
  String.raw`\p{N}{1,3}`,
  String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`,
  String.raw`\s*[\r\n]+`,
  String.raw`\s+(?!\S)`,
  String.raw`\s+`,
].join('|')

const APOSTROPHE = 0x27
const BLANK = 0x20
const SLASH = 0x2f
const KIND = 31
const IN_WORD = IN_UPPER | IN_LOWER

const isLetter = (kind: number) => (kind & IN_WORD) !== 0 && (kind & IS_MARK) === 0
/** Neither white space nor letter nor number; marks are among these. */
const isOther = (kind: number) => kind === 0 || (kind & IS_MARK) !== 0

/** The split of o200k, scanned by hand: words end where a capital follows a small letter. One pass, no backtracking. */
export function o200k(): PreTokenizer {
  const cases = caseTable()

  /** The end of the run of small letters, letters without case and marks. */
  const lowerEnd = (bytes: Uint8Array, at: number, end: number): number => {
    while (at < end) {
      const byte = bytes[at]!
      if (byte < 0x80) {
        if ((cases[byte]! & IN_LOWER) === 0) break
        at++
      } else {
        const char = caseAt(cases, bytes, at)
        if ((char & IN_LOWER) === 0) break
        at += byteLength(char)
      }
    }
    return at
  }

  const withContraction = (bytes: Uint8Array, at: number, end: number): number =>
    at < end && bytes[at] === APOSTROPHE ? at + anyCaseContraction(bytes, at, end) : at

  /**
   * The end of the word whose capitals begin at `from`, or `from` when there is none. Capitals then small letters are one word. Capitals that no
   * small letter follows end after the last of them that may also be small (a letter without case or a mark), because the first
   * alternative of the expression needs one of these, and only without any are they a word by the second.
   */
  const wordEnd = (bytes: Uint8Array, from: number, end: number): number => {
    let at = from
    let lastEither = -1
    while (at < end) {
      const char = caseAt(cases, bytes, at)
      if ((char & IN_UPPER) === 0) {
        if ((char & IN_LOWER) !== 0) return lowerEnd(bytes, at + byteLength(char), end)
        break
      }
      at += byteLength(char)
      if ((char & IN_LOWER) !== 0) lastEither = at
    }
    return lastEither >= 0 ? lastEither : at
  }

  const next = (bytes: Uint8Array, at: number, end: number): number => {
    const byte = bytes[at]!
    const char = caseAt(cases, bytes, at)
    const kind = char & KIND
    const after = at + byteLength(char)
    if (isLetter(kind)) return withContraction(bytes, wordEnd(bytes, at, end), end)
    if ((kind & IS_NUMBER) !== 0) return numbersEnd(bytes, after, end)
    if (!isBreak(byte)) {
      const stop = wordEnd(bytes, after, end)
      // A mark before capitals alone is a word by itself: the first alternative is tried without its prefix before the second one is.
      if ((kind & IS_MARK) !== 0) return withContraction(bytes, stop > after && endsInLower(bytes, after, stop) ? stop : after, end)
      if (stop > after) return withContraction(bytes, stop, end)
    }
    const following = byte === BLANK && after < end ? caseAt(cases, bytes, after) & KIND : IS_SPACE
    if (isOther(kind) || isOther(following)) {
      let stop = after
      while (stop < end) {
        const other = caseAt(cases, bytes, stop)
        if (!isOther(other & KIND)) break
        stop += byteLength(other)
      }
      while (stop < end && (isBreak(bytes[stop]) || bytes[stop] === SLASH)) stop++
      return stop
    }
    let stop = after
    while (stop < end) {
      const space = caseAt(cases, bytes, stop)
      if ((space & IS_SPACE) === 0) break
      stop += byteLength(space)
    }
    return breaksOrSpacesEnd(bytes, at, stop, end)
  }

  /** Whether the last character before `stop` may be a small letter. */
  const endsInLower = (bytes: Uint8Array, from: number, stop: number): boolean => {
    let last = stop - 1
    while (last > from && (bytes[last]! & 0xc0) === 0x80) last--
    return (caseAt(cases, bytes, last) & IN_LOWER) !== 0
  }

  /** The end of up to two more numbers. */
  const numbersEnd = (bytes: Uint8Array, at: number, end: number): number => {
    for (let count = 1; count < 3 && at < end; count++) {
      const char = caseAt(cases, bytes, at)
      if ((char & IS_NUMBER) === 0) break
      at += byteLength(char)
    }
    return at
  }

  return {
    pattern: 'o200k',
    split(_text: string, bytes: Uint8Array, length: number, ends: IdList): void {
      let { ids, length: count } = ends
      for (let at = 0; at < length;) {
        // Most pieces are ASCII letters with or without a blank or sign before them; these are not worth a call.
        let stop = at
        let byte = bytes[at]!
        if (byte < 0x80 && (cases[byte]! & (IN_WORD | IS_NUMBER)) === 0 && !isBreak(byte) && ++stop < length) byte = bytes[stop]!
        if (byte < 0x80 && (cases[byte]! & IN_WORD) !== 0) {
          const isUpper = (cases[byte]! & IN_UPPER) !== 0
          if (isUpper) while (++stop < length && (byte = bytes[stop]!) < 0x80 && (cases[byte]! & IN_UPPER) !== 0);
          if (!isUpper || (stop < length && byte < 0x80 && (cases[byte]! & IN_LOWER) !== 0)) {
            while (++stop < length && (byte = bytes[stop]!) < 0x80 && (cases[byte]! & IN_LOWER) !== 0);
          }
          if (stop < length && (byte >= 0x80 || byte === APOSTROPHE)) stop = next(bytes, at, length)
          at = stop
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
