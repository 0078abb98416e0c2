import { TokenizerError } from '../errors.js'
import { allProperties } from '../regex/more-properties.js'
import { Regex } from '../regex/regex.js'
import { matchSplit, type ForEachMatch } from './match-split.js'
import type { PreTokenizer } from './pretokenizer.js'

/**
 * Splits by a regular expression of JavaScript: each match is a piece, and so is each stretch between matches. It is read with the flag `u` and runs
 * on this package's own engine, by Unicode 16 and in time proportional to the text. What that engine refuses (backreferences, the flag `v`) runs on
 * JavaScript's, where nothing bounds its time: a pattern that backtracks exponentially hangs on hostile text.
 */
export function regexSplit(pattern: RegExp): PreTokenizer {
  const regex = guarded(pattern)
  return regex === undefined
    ? matchSplit(pattern, unguarded(pattern))
    : matchSplit({ source: regex.toOniguruma() }, (text, match) => regex.forEachMatch(text, match))
}

function guarded({ source, flags }: RegExp): Regex | undefined {
  if (flags.includes('v')) return undefined
  try {
    return new Regex(source, { dialect: 'javascript', flags: flags.replace(/[^ims]/g, ''), properties: allProperties })
  } catch (error) {
    if (error instanceof TokenizerError) return undefined
    throw error
  }
}

function unguarded(pattern: RegExp): ForEachMatch {
  const flags = new Set(`${pattern.flags}gu`)
  // `u` and `v` exclude each other, and `y` would stop at the first gap.
  if (flags.has('v')) flags.delete('u')
  flags.delete('y')
  const global = new RegExp(pattern.source, [...flags].join(''))
  return (text, match) => {
    // With `u` this class matches lone surrogates only.
    const clean = text.replace(/[\ud800-\udfff]/gu, '\ufffd')
    for (const found of clean.matchAll(global)) match(found.index, found.index + found[0].length)
  }
}
