import { TokenizerError } from '../errors.js'

/** How much a template may do. */
export interface TemplateLimits {
  /** Nodes of the template that are evaluated, entries of the lists and maps that come about, and eight for each round of a loop. Default 1,000,000. */
  readonly steps?: number
  /** Characters of the output, and of any value on the way. Default 4,000,000. */
  readonly output?: number
  /** Milliseconds. Default 500. */
  readonly time?: number
}

/** Templates are longer than this only to do harm. */
export const MAX_TEMPLATE = 1 << 18
/** Expressions and macros within one another. */
export const MAX_DEPTH = 400
/** More white space at one place than this takes the template's reader quadratic time. */
const MAX_BLANKS = 512

export function templateError(message: string, cause?: unknown): TokenizerError {
  return new TokenizerError('TEMPLATE', `Chat template: ${message}`, cause === undefined ? {} : { cause })
}

/** @throws TokenizerError `TEMPLATE` for a source that would keep its reader busy for long */
export function checkSource(source: string): void {
  if (source.length > MAX_TEMPLATE) throw templateError(`is longer than ${MAX_TEMPLATE} characters, got ${source.length}`)
  let blanks = 0
  for (let at = 0; at < source.length; at++) {
    const code = source.charCodeAt(at)
    blanks = code === 0x20 || (code >= 9 && code <= 13) || (code >= 0x80 && /\s/.test(source[at]!)) ? blanks + 1 : 0
    if (blanks > MAX_BLANKS) throw templateError(`has more than ${MAX_BLANKS} white-space characters in a row at position ${at}`)
  }
}
