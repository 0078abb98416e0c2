import { union, type CodeSet } from './code-set.js'

/**
 * Whose regular expressions are read. `oniguruma`: those of a `tokenizer.json`, as Hugging Face tokenizers runs them. `fancy`: those of tiktoken
 * (fancy-regex and Rust's regex). `javascript`: those of a `RegExp` with the flag `u`.
 */
export type Dialect = 'oniguruma' | 'fancy' | 'javascript'

/** What the same characters mean in one dialect or another. */
export interface DialectRules {
  /** `^` and `$` stand at every line, whatever the flags. */
  readonly anchorsAtLines: boolean
  /** The flag that lets `.` match a line break. */
  readonly dotAllFlag: 'm' | 's'
  readonly flags: string
  /** `a{1,2}+` is possessive; otherwise it repeats the repetition. */
  readonly possessiveCounts: boolean
  readonly possessive: boolean
  /** `[a[bc]]`, `[a&&b]` and `[[:alpha:]]`. */
  readonly nestedClasses: boolean
  /** `\d`, `\w`, `\s`, `\b` and `[[:alpha:]]` know ASCII only. `\s` of JavaScript is a set of its own. */
  readonly asciiClasses: boolean
  readonly asciiPosix: boolean
  /** The zero-width joiners are part of words. */
  readonly joinersInWords: boolean
  /** What ends a line for `.`, `^` and `$`. */
  readonly lineBreaks: CodeSet
}

const lineFeed: CodeSet = [10, 11]

export const dialects: Readonly<Record<Dialect, DialectRules>> = {
  oniguruma: {
    anchorsAtLines: true,
    dotAllFlag: 'm',
    flags: 'imx',
    possessiveCounts: false,
    possessive: true,
    nestedClasses: true,
    asciiClasses: false,
    asciiPosix: false,
    joinersInWords: false,
    lineBreaks: lineFeed,
  },
  fancy: {
    anchorsAtLines: false,
    dotAllFlag: 's',
    flags: 'imsxu',
    possessiveCounts: true,
    possessive: true,
    nestedClasses: true,
    asciiClasses: false,
    asciiPosix: true,
    joinersInWords: true,
    lineBreaks: lineFeed,
  },
  javascript: {
    anchorsAtLines: false,
    dotAllFlag: 's',
    flags: 'ims',
    possessiveCounts: false,
    possessive: false,
    nestedClasses: false,
    asciiClasses: true,
    asciiPosix: true,
    joinersInWords: false,
    lineBreaks: union(lineFeed, [13, 14], [0x2028, 0x202a]),
  },
}
