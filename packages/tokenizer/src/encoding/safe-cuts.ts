/**
 * Whether a text can be cut before `at` and its parts be encoded on their own, whatever else it holds, by each of the splits known by name: no piece reaches
 * from a letter, digit or mark into a blank, from a letter or digit into a line break, or from an ideograph into a full stop, and what stands behind does not
 * change how the piece before ends.
 */
export function isSafeCut(text: string, at: number): boolean {
  if (at <= 0 || at >= text.length) return false
  const code = text.charCodeAt(at)
  if (code === 0x20) return isSolid(text.charCodeAt(at - 1))
  if (code === 0x0a) return isAsciiWord(text.charCodeAt(at - 1))
  return isIdeographicStop(code) && isIdeograph(text.charCodeAt(at - 1))
}

/** The next place from `from` on where the text may be cut, or its end. */
export function nextCut(text: string, from: number): number {
  let at = from
  while (at < text.length && !isSafeCut(text, at)) at++
  return Math.min(at, text.length)
}

/** Certainly no white space. */
const isSolid = (code: number): boolean =>
  (code > 0x20 && code < 0x7f) || (code >= 0xc0 && code < 0x1680) || (code > 0x3000 && code < 0xd800)

const isAsciiWord = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)

const isIdeograph = (code: number): boolean => code >= 0x4e00 && code <= 0x9fff

const isIdeographicStop = (code: number): boolean =>
  code === 0x3001 || code === 0x3002 || code === 0xff01 || code === 0xff0c || code === 0xff1a || code === 0xff1b || code === 0xff1f
