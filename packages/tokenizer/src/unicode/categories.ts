import { categoryLetters, categoryNames, categoryRuns } from './generated/categories.js'

/** Ids of the general categories. Groups lie together: letters 1–5, marks 6–8, numbers 9–11, punctuation 12–18, symbols 19–22, separators 23–25. */
export const Category = {
  Cn: 0,
  Lu: 1,
  Ll: 2,
  Lt: 3,
  Lm: 4,
  Lo: 5,
  Mn: 6,
  Mc: 7,
  Me: 8,
  Nd: 9,
  Nl: 10,
  No: 11,
  Pc: 12,
  Pd: 13,
  Ps: 14,
  Pe: 15,
  Pi: 16,
  Pf: 17,
  Po: 18,
  Sm: 19,
  Sc: 20,
  Sk: 21,
  So: 22,
  Zs: 23,
  Zl: 24,
  Zp: 25,
  Cc: 26,
  Cf: 27,
  Cs: 28,
  Co: 29,
} as const

/** Two-letter names by id. */
export const categoryNameList: readonly string[] = categoryNames.split(' ')

/** Calls `run` for each stretch of code points `[start, end)` of one category, in order; together they are all of Unicode. */
export function forEachCategoryRun(run: (category: number, start: number, end: number) => void): void {
  let start = 0
  for (let at = 0; at < categoryRuns.length;) {
    const category = categoryLetters.indexOf(categoryRuns[at++]!)
    // Lines are broken for readers.
    if (category < 0) continue
    let count = 0
    for (; at < categoryRuns.length; at++) {
      const digit = base36(categoryRuns.charCodeAt(at))
      if (digit < 0) break
      count = count * 36 + digit
    }
    const end = start + Math.max(1, count)
    run(category, start, end)
    start = end
  }
}

/** For every code point below `size` what `valueOf` says of its general category: a table for scanners with classes of their own. */
export function categoryTable(size: number, valueOf: (category: number) => number): Uint8Array {
  const values = categoryNameList.map((_, category) => valueOf(category))
  const table = new Uint8Array(size)
  forEachCategoryRun((category, start, end) => {
    if (values[category] !== 0 && start < size) table.fill(values[category]!, start, end)
  })
  return table
}

/** The value of a digit of base 36, or −1. */
function base36(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  return code >= 0x61 && code <= 0x7a ? code - 0x57 : -1
}
