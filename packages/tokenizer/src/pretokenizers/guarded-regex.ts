import { allProperties } from '../regex/more-properties.js'
import { Regex } from '../regex/regex.js'
import { matchSplit } from './match-split.js'
import type { PreTokenizer } from './pretokenizer.js'

/**
 * Splits by a regular expression in the dialect of tiktoken: each match is a piece, and so is each stretch between matches. The expression runs on this
 * package's own engine, in time proportional to the text.
 *
 * @throws TokenizerError `VALUE` for a malformed expression, `UNSUPPORTED` for one that cannot be run with that guarantee
 */
export function guardedSplit(source: string): PreTokenizer {
  const regex = new Regex(source, { dialect: 'fancy', properties: allProperties, where: 'The pattern' })
  return matchSplit({ source: regex.toOniguruma() }, (text, match) => regex.forEachMatch(text, match))
}
