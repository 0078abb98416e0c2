import { NOTHING, union, type CodeSet } from './code-set.js'

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
  /** What `\w` has beyond Unicode's words: the joiners in Rust, six numbers of Latin-1 in Oniguruma. */
  readonly moreInWords: CodeSet
  /** Without regard to case `\p{Lu}` has small letters too, outside a class as well as in one. */
  readonly propertiesIgnoreCase: boolean
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
    moreInWords: union([0xb2, 0xb4], [0xb9, 0xba], [0xbc, 0xbf]),
    propertiesIgnoreCase: false,
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
    moreInWords: [0x200c, 0x200e],
    propertiesIgnoreCase: true,
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
    moreInWords: NOTHING,
    propertiesIgnoreCase: true,
    lineBreaks: union(lineFeed, [13, 14], [0x2028, 0x202a]),
  },
}
