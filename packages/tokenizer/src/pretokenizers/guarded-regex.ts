import type { IdList } from '../id-list.js'
import { Regex } from '../regex/regex.js'
import type { PreTokenizer } from './pretokenizer.js'
import { utf8Length } from './regex.js'

/**
 * Splits by a regular expression in the dialect of tiktoken: each match is a piece, and so is each stretch between matches. The expression runs on this
 * package's own engine, in time proportional to the text.
 *
 * @throws TokenizerError `VALUE` for a malformed expression, `UNSUPPORTED` for one that cannot be run with that guarantee
 */
export function guardedSplit(source: string): PreTokenizer {
  const regex = new Regex(source, { dialect: 'fancy', where: 'The pattern' })
  return {
    pattern: { source },
    split(text: string, _bytes: Uint8Array, length: number, ends: IdList): void {
      let offset = 0
      let done = 0
      regex.forEachMatch(text, (start, end) => {
        if (start === end) return
        if (start > done) ends.push((offset += utf8Length(text, done, start)))
        ends.push((offset += utf8Length(text, start, end)))
        done = end
      })
      if (offset < length) ends.push(length)
    },
  }
}
