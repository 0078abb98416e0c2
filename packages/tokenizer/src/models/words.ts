import type { ByteTable } from '../byte-table.js'
import type { ByteTrie } from './byte-trie.js'
import { charLength, UNKNOWN, type Segmenter, type Segments } from './segments.js'

/** SentencePiece's WORD model: a word is the stretch from one blank symbol to the next, and a token or unknown as a whole. */
export class Words implements Segmenter {
  constructor(
    private readonly pieces: ByteTable,
    private readonly ids: Int32Array,
  ) {}

  segment(bytes: Uint8Array, length: number, out: Segments): void {
    let start = 0
    for (let at = 1; at <= length; at++) {
      // U+2581 in UTF-8.
      if (at < length && !(bytes[at] === 0xe2 && bytes[at + 1] === 0x96 && bytes[at + 2] === 0x81)) continue
      const found = this.pieces.find(bytes, start, at)
      out.push(found < 0 ? UNKNOWN : this.ids[found]!, at)
      start = at
    }
  }
}

/** SentencePiece's CHAR model: every character is a token or unknown, but for user-defined symbols. */
export class Characters implements Segmenter {
  readonly wordwise = true

  constructor(
    private readonly pieces: ByteTable,
    private readonly ids: Int32Array,
    private readonly userDefined: ByteTrie | undefined,
  ) {}

  segment(bytes: Uint8Array, length: number, out: Segments): void {
    for (let at = 0; at < length;) {
      const symbol = this.userDefined === undefined ? 0 : this.userDefined.longestPrefix(bytes, at, length)
      const end = at + (symbol > 0 ? symbol : charLength(bytes[at]!))
      const found = this.pieces.find(bytes, at, end)
      out.push(found < 0 ? UNKNOWN : this.ids[found]!, end)
      at = end
    }
  }
}

/** Whether a sign for a blank is a token and stands in none behind something else, so that words share no token. */
export function beginsWords(forms: Iterable<string>, blank: string): boolean {
  let known = false
  for (const form of forms) {
    if (form === blank) known = true
    let at = 0
    while (form.startsWith(blank, at)) at += blank.length
    if (form.includes(blank, at)) return false
  }
  return known
}
