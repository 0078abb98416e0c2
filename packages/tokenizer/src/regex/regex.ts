import { compileSyntax } from './compile.js'
import type { Dialect } from './dialect.js'
import { forEachMatch } from './matcher.js'
import { parseRegex } from './parser.js'
import type { Program } from './program.js'
import { basicProperties, type PropertySource } from './properties.js'
import type { Syntax } from './syntax.js'
import { writeOniguruma } from './write.js'

export interface RegexOptions {
  readonly dialect: Dialect
  /** Flags set from the beginning, of `i`, `m`, `s` and `x`. */
  readonly flags?: string
  /** The properties that `\p{…}` knows. Default: general categories and White_Space; `allProperties` has scripts and the others too. */
  readonly properties?: PropertySource
  /** What error messages call the pattern. */
  readonly where?: string
  /** The code of errors for a malformed pattern. Default `VALUE`. */
  readonly code?: 'VALUE' | 'FILE'
}

/**
 * A regular expression that comes from a stranger: it matches what the engine of its dialect would, by Unicode 16, in time proportional to the
 * length of the text whatever the pattern and the text. Alternatives are tried in order, and the leftmost match is taken. Case is folded character by
 * character: unlike in Oniguruma `(?i:ss)` does not match `ß`.
 */
export class Regex {
  private readonly program: Program
  private readonly syntax: Syntax

  /**
   * @throws TokenizerError `VALUE` (or the `code` given) when the pattern is malformed, `UNSUPPORTED` for what cannot be run with that guarantee, each with the
   * position in the pattern
   */
  constructor(
    readonly source: string,
    { dialect, flags, properties = basicProperties, where = 'The regular expression', code = 'VALUE' }: RegexOptions,
  ) {
    this.syntax = parseRegex(source, { dialect, flags: flags ?? '', properties, where, code })
    this.program = compileSyntax(this.syntax, where)
  }

  /** The same expression as Oniguruma writes it, for a `tokenizer.json`. */
  toOniguruma(): string {
    return writeOniguruma(this.syntax)
  }

  /**
   * Start and end of every match in UTF-16 units, one after another. A match may be empty, though not where the last one ended. Lone surrogates
   * count as U+FFFD, and no match divides a surrogate pair.
   */
  matches(text: string): number[] {
    const found: number[] = []
    this.forEachMatch(text, (start, end) => found.push(start, end))
    return found
  }

  /** Calls `match` with start and end of every match, as {@link Regex.matches} has them. */
  forEachMatch(text: string, match: (start: number, end: number) => void): void {
    forEachMatch(this.program, text, match)
  }
}
