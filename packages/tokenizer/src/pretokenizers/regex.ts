import type { IdList } from '../id-list.js'
import type { PreTokenizer } from './pretokenizer.js'

/** The length in UTF-8 of `text[start, end)`; a lone surrogate counts as the U+FFFD that replaces it. */
export function utf8Length(text: string, start: number, end: number): number {
  let length = 0
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) length += 1
    else if (unit < 0x800) length += 2
    else if (unit >= 0xd800 && unit < 0xdc00 && i + 1 < end && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      length += 4
      i++
    } else length += 3
  }
  return length
}

/**
 * Splits by a regular expression: each match is a piece, and so is each stretch between matches. The expression runs on JavaScript's
 * engine with the flags `g` and `u`, and nothing bounds its time: one that backtracks exponentially hangs on hostile text. Note that
 * `\s` holds U+FEFF and not U+0085 here, and that `\p{…}` follows the engine's version of Unicode.
 */
export function regexSplit(pattern: RegExp): PreTokenizer {
  const flags = new Set(`${pattern.flags}gu`)
  // `u` and `v` exclude each other, and `y` would stop at the first gap.
  if (flags.has('v')) flags.delete('u')
  flags.delete('y')
  const global = new RegExp(pattern.source, [...flags].join(''))
  return {
    pattern,
    split(text: string, _bytes: Uint8Array, length: number, ends: IdList): void {
      // With `u` this class matches lone surrogates only.
      const clean = text.replace(/[\ud800-\udfff]/gu, '\ufffd')
      let offset = 0
      let done = 0
      for (const match of clean.matchAll(global)) {
        if (match[0].length === 0) continue
        if (match.index > done) ends.push((offset += utf8Length(clean, done, match.index)))
        done = match.index + match[0].length
        ends.push((offset += utf8Length(clean, match.index, done)))
      }
      if (offset < length) ends.push(length)
    },
  }
}
