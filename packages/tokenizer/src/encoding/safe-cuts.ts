import { classTable, LETTER, NUMBER, OTHER, SPACE } from '../unicode/classes.js'

/**
 * Whether a text can be cut before `at` and its parts be encoded on their own, whatever else it holds, by each of the splits known by name: no piece reaches
 * across, and what stands behind does not change how the piece before ends. So it is
 *
 * - between a letter and what is neither letter nor mark nor an apostrophe (which may begin a contraction), and behind a number;
 * - between an ASCII sign and a blank or number, and between two of them and a letter (one would be taken by the letter);
 * - behind a line break that follows no white space, before an ASCII letter, number or sign.
 *
 * The solidus is no such sign: some splits take it with line breaks before it.
 */
export function isSafeCut(text: string, at: number): boolean {
  if (at <= 0 || at >= text.length) return false
  const classes = classTable()
  const right = text.charCodeAt(at)
  const left = text.charCodeAt(at - 1)
  // Halves of characters, and marks, which are not told from signs here.
  if (isSurrogate(right) || isSurrogate(left)) return false
  const kind = classes[right]!
  switch (classes[left]) {
    case LETTER:
      return kind === NUMBER || kind === SPACE || isSign(right) || right === SOLIDUS || isIdeographicStop(right)
    case NUMBER:
      return kind !== NUMBER
    case SPACE:
      if (left !== LINE_FEED || at === 1 || classes[text.charCodeAt(at - 2)] === SPACE) return false
      return right < 0x80 && (kind === LETTER || kind === NUMBER || isSign(right))
    default:
      if (right === BLANK) return true
      if (!isSign(left)) return false
      return kind === NUMBER || (kind === LETTER && at > 1 && isSign(text.charCodeAt(at - 2)))
  }

  function isSign(code: number): boolean {
    return code < 0x80 && classes[code] === OTHER && code !== APOSTROPHE && code !== SOLIDUS
  }
}

/** Whether a unit is a letter or number of the basic plane. */
export function isWordUnit(code: number): boolean {
  const kind = classTable()[code]
  return !isSurrogate(code) && (kind === LETTER || kind === NUMBER)
}

/**
 * Whether no normalizer that is wordwise reaches across a place: before a blank behind a letter or number, and between two characters that never
 * join into others.
 */
export function isSteady(text: string, at: number): boolean {
  const [left, right] = [text.charCodeAt(at - 1), text.charCodeAt(at)]
  return (right === BLANK && isWordUnit(left)) || (isPlain(left) && isPlain(right))
}

/** ASCII but for white space and control characters, the letters of the basic Cyrillic alphabet, ideographs, Hangul syllables. */
const isPlain = (code: number): boolean =>
  (code > 0x20 && code < 0x7f) ||
  (code >= 0x410 && code <= 0x44f) ||
  (code >= 0x4e00 && code <= 0x9fff) ||
  (code >= 0xac00 && code <= 0xd7a3)

/** The next place from `from` on where the text may be cut, or its end. */
export function nextCut(text: string, from: number, isCut: (text: string, at: number) => boolean = isSafeCut): number {
  let at = from
  while (at < text.length && !isCut(text, at)) at++
  return Math.min(at, text.length)
}

const BLANK = 0x20
const LINE_FEED = 0x0a
const APOSTROPHE = 0x27
const SOLIDUS = 0x2f

const isSurrogate = (code: number): boolean => (code & 0xf800) === 0xd800

const isIdeographicStop = (code: number): boolean =>
  code === 0x3001 || code === 0x3002 || code === 0xff01 || code === 0xff0c || code === 0xff1a || code === 0xff1b || code === 0xff1f
