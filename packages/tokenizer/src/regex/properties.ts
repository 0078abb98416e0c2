import { Category, categoryNameList, forEachCategoryRun } from '../unicode/categories.js'
import { whiteSpaceRanges } from '../unicode/generated/categories.js'
import { forEachRange } from '../unicode/ranges.js'
import { ANYTHING, complement, fromRanges, union, type CodeSet } from './code-set.js'

/** Finds the set of a property by its name without blanks, `_`, `-` and capitals; undefined when it knows none. */
export type PropertySource = (name: string) => CodeSet | undefined

/** Property names are compared without case, blanks, underscores and hyphens. */
export const plainName = (name: string): string => name.replace(/[ _-]/g, '').toLowerCase()

/** Long names of general categories, and of their groups. */
const longNames = new Map(
  (
    'letter=L casedletter=LC uppercaseletter=Lu lowercaseletter=Ll titlecaseletter=Lt modifierletter=Lm otherletter=Lo mark=M combiningmark=M ' +
    'nonspacingmark=Mn spacingmark=Mc enclosingmark=Me number=N decimalnumber=Nd letternumber=Nl othernumber=No punctuation=P ' +
    'connectorpunctuation=Pc dashpunctuation=Pd openpunctuation=Ps closepunctuation=Pe initialpunctuation=Pi finalpunctuation=Pf ' +
    'otherpunctuation=Po symbol=S mathsymbol=Sm currencysymbol=Sc modifiersymbol=Sk othersymbol=So separator=Z spaceseparator=Zs ' +
    'lineseparator=Zl paragraphseparator=Zp other=C control=Cc format=Cf unassigned=Cn surrogate=Cs privateuse=Co'
  )
    .split(' ')
    .map((pair) => pair.split('=') as [string, string]),
)

let categories: readonly CodeSet[] | undefined

function categorySets(): readonly CodeSet[] {
  if (categories !== undefined) return categories
  const borders: number[][] = categoryNameList.map(() => [])
  forEachCategoryRun((category, start, end) => borders[category]!.push(start, end))
  return (categories = borders)
}

/** Sets that were worked out before, by what they were made of: patterns name the same few again and again. */
const made = new Map<string, CodeSet>()

function once(key: string, make: () => CodeSet): CodeSet {
  let set = made.get(key)
  if (set === undefined) made.set(key, (set = make()))
  return set
}

/** The set of some general categories. */
export const ofCategories = (...ids: readonly number[]): CodeSet => once(ids.join(), () => union(...ids.map((id) => categorySets()[id]!)))

/** The set of a generated table of ranges. */
export const ofRanges = (table: string): CodeSet =>
  once(table, () => {
    const ranges: [number, number][] = []
    forEachRange(table, (start, end) => ranges.push([start, end]))
    return fromRanges(ranges)
  })

/** A general category or a group of them, by its short or long name. */
function categoryByName(name: string): CodeSet | undefined {
  const short = (longNames.get(name) ?? name).toLowerCase()
  if (short === 'lc' || short === 'l&') return ofCategories(Category.Lu, Category.Ll, Category.Lt)
  const ids = categoryNameList.flatMap((each, id) =>
    each.toLowerCase() === short || (short.length === 1 && each[0]!.toLowerCase() === short) ? [id] : [],
  )
  return ids.length === 0 ? undefined : ofCategories(...ids)
}

/**
 * Characters of words as Unicode's annex on regular expressions has them: Alphabetic, marks, decimal numbers, connectors. Beyond letters, letter
 * numbers and marks the alphabetic ones are the circled and squared letters (checked against the property's table).
 */
export const wordSet = (): CodeSet =>
  once('word', () =>
    union(
      ofCategories(1, 2, 3, 4, 5, 6, 7, 8, Category.Nl, Category.Nd, Category.Pc),
      [0x24b6, 0x24ea, 0x1f130, 0x1f14a, 0x1f150, 0x1f16a, 0x1f170, 0x1f18a],
    ),
  )

/** General categories and what hangs on them: the properties that patterns of tokenizers use. */
export const basicProperties: PropertySource = (name) => {
  if (name === 'any') return ANYTHING
  if (name === 'ascii') return [0, 0x80]
  if (name === 'assigned') return complement(ofCategories(Category.Cn))
  if (name === 'whitespace' || name === 'wspace') return ofRanges(whiteSpaceRanges)
  return categoryByName(name)
}
