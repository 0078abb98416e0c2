import type { IdList } from '../id-list.js'
import type { PreTokenizer } from './pretokenizer.js'

/** Calls `match` with start and end of every match in a text, in order, as UTF-16 units. */
export type ForEachMatch = (text: string, match: (start: number, end: number) => void) => void

/** The length in UTF-8 of `text[start, end)`; a lone surrogate counts as the U+FFFD that replaces it. */
function utf8Length(text: string, start: number, end: number): number {
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

/** Splits by matches: each is a piece, and so is each stretch between them. */
export function matchSplit(pattern: PreTokenizer['pattern'], forEachMatch: ForEachMatch): PreTokenizer {
  return {
    pattern,
    split(text: string, _bytes: Uint8Array, length: number, ends: IdList): void {
      let offset = 0
      let done = 0
      forEachMatch(text, (start, end) => {
        if (start === end) return
        if (start > done) ends.push((offset += utf8Length(text, done, start)))
        ends.push((offset += utf8Length(text, start, end)))
        done = end
      })
      if (offset < length) ends.push(length)
    },
  }
}
