import { Category } from '../unicode/categories.js'
import { whiteSpaceRanges } from '../unicode/generated/categories.js'
import { ANYTHING, complement, difference, NOTHING, union, type CodeSet } from './code-set.js'
import type { DialectRules } from './dialect.js'
import { ofCategories, ofRanges, wordSet } from './properties.js'

const digits: CodeSet = [0x30, 0x3a]
const capitals: CodeSet = [0x41, 0x5b]
const smalls: CodeSet = [0x61, 0x7b]
const hexDigits: CodeSet = union(digits, [0x41, 0x47], [0x61, 0x67])

/** `\w` and what `\b` goes by. */
export const wordsOf = (rules: DialectRules): CodeSet =>
  union(rules.asciiClasses ? union(digits, capitals, [0x5f, 0x60], smalls) : wordSet(), rules.moreInWords)

/** The set of `\d`, `\w`, `\s`, `\h` or, in capitals, all else; undefined for another letter. */
export function shorthand(letter: string, rules: DialectRules): CodeSet | undefined {
  const lower = letter.toLowerCase()
  const set =
    lower === 'd'
      ? rules.asciiClasses
        ? digits
        : ofCategories(Category.Nd)
      : lower === 's'
        ? // JavaScript's white space has the byte order mark and lacks U+0085.
          rules.asciiClasses
          ? difference(union(ofRanges(whiteSpaceRanges), [0xfeff, 0xff00]), [0x85, 0x86])
          : ofRanges(whiteSpaceRanges)
        : lower === 'w'
          ? wordsOf(rules)
          : lower === 'h' && rules.nestedClasses
            ? hexDigits
            : undefined
  return set === undefined || letter === lower ? set : complement(set)
}

/** The set of a POSIX bracket such as `alpha`; undefined for an unknown name. */
export function posixSet(name: string, ascii: boolean, property: (name: string) => CodeSet | undefined): CodeSet | undefined {
  const graphic = (): CodeSet => complement(union(ofRanges(whiteSpaceRanges), ofCategories(Category.Cc, Category.Cn, Category.Cs)))
  const sets: Record<string, () => CodeSet> = ascii
    ? {
        alnum: () => union(digits, capitals, smalls),
        alpha: () => union(capitals, smalls),
        ascii: () => [0, 0x80],
        blank: () => union([9, 10], [0x20, 0x21]),
        cntrl: () => union([0, 0x20], [0x7f, 0x80]),
        digit: () => digits,
        graph: () => [0x21, 0x7f],
        lower: () => smalls,
        print: () => [0x20, 0x7f],
        punct: () => union([0x21, 0x30], [0x3a, 0x41], [0x5b, 0x61], [0x7b, 0x7f]),
        space: () => union([9, 14], [0x20, 0x21]),
        upper: () => capitals,
        word: () => union(digits, capitals, [0x5f, 0x60], smalls),
        xdigit: () => hexDigits,
      }
    : {
        alnum: () => union(property('alphabetic') ?? NOTHING, ofCategories(Category.Nd)),
        alpha: () => property('alphabetic') ?? NOTHING,
        ascii: () => [0, 0x80],
        blank: () => union([9, 10], ofCategories(Category.Zs)),
        cntrl: () => ofCategories(Category.Cc),
        digit: () => ofCategories(Category.Nd),
        graph: graphic,
        lower: () => property('lowercase') ?? NOTHING,
        print: () => union(graphic(), ofCategories(Category.Zs)),
        // Punctuation and symbols, as POSIX has it for ASCII.
        punct: () => ofCategories(12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22),
        space: () => ofRanges(whiteSpaceRanges),
        upper: () => property('uppercase') ?? NOTHING,
        word: wordSet,
        xdigit: () => hexDigits,
      }
  return Object.hasOwn(sets, name) ? sets[name]!() : undefined
}

/** `.` */
export const dotSet = (rules: DialectRules, dotAll: boolean): CodeSet => (dotAll ? ANYTHING : complement(rules.lineBreaks))
