import { Category } from '../unicode/categories.js'
import { propertyRanges } from '../unicode/generated/properties.js'
import { scriptCodes, scriptNames, scriptRuns } from '../unicode/generated/scripts.js'
import { complement, difference, fromRanges, union, type CodeSet } from './code-set.js'
import { basicProperties, ofCategories, ofRanges, plainName, type PropertySource } from './properties.js'

let ranges: Map<string, string> | undefined

const binary = (name: string): CodeSet | undefined => {
  ranges ??= new Map(Object.entries(propertyRanges).map(([key, table]) => [plainName(key), table]))
  const table = ranges.get(name)
  return table === undefined ? undefined : ofRanges(table)
}

const letters = [1, 2, 3, 4, 5] as const
const marks = [Category.Mn, Category.Mc] as const

/** Properties that follow from general categories and a list of exceptions (DerivedCoreProperties). */
function derived(name: string): CodeSet | undefined {
  switch (name) {
    case 'alphabetic':
    case 'alpha':
      return union(ofCategories(...letters, Category.Nl), binary('otheralphabetic')!)
    case 'lowercase':
    case 'lower':
      return union(ofCategories(Category.Ll), binary('otherlowercase')!)
    case 'uppercase':
    case 'upper':
      return union(ofCategories(Category.Lu), binary('otheruppercase')!)
    case 'cased':
      return union(derived('lowercase')!, derived('uppercase')!, ofCategories(Category.Lt))
    case 'idstart':
    case 'ids':
      return difference(
        union(ofCategories(...letters, Category.Nl), binary('otheridstart')!),
        union(binary('patternsyntax')!, binary('patternwhitespace')!),
      )
    case 'idcontinue':
    case 'idc':
      return difference(
        union(derived('idstart')!, ofCategories(...marks, Category.Nd, Category.Pc), binary('otheridcontinue')!),
        union(binary('patternsyntax')!, binary('patternwhitespace')!),
      )
    default:
      return undefined
  }
}

let scripts: Map<string, CodeSet> | undefined

function scriptByName(name: string): CodeSet | undefined {
  if (scripts === undefined) {
    const names = scriptNames.split(/\s+/)
    const found: [number, number][][] = names.map(() => [])
    const words = scriptRuns.split(/\s+/)
    let at = 0
    for (let i = 0; i < words.length; i += 2) {
      const end = at + parseInt(words[i + 1]!, 36)
      found[parseInt(words[i]!, 36)]!.push([at, end])
      at = end
    }
    scripts = new Map()
    const codes = scriptCodes.split(/\s+/)
    for (const [index, each] of names.entries()) {
      const set = fromRanges(found[index]!)
      scripts.set(plainName(each), set)
      scripts.set(codes[index]!.toLowerCase(), set)
    }
  }
  return scripts.get(name)
}

/** All that {@link basicProperties} knows, the scripts by their long and short names, and the binary properties. */
export const allProperties: PropertySource = (name) => {
  const negated = name.startsWith('^')
  if (negated) {
    const set = allProperties(name.slice(1))
    return set === undefined ? undefined : complement(set)
  }
  const known = basicProperties(name) ?? derived(name) ?? binary(name) ?? scriptByName(name)
  if (known !== undefined) return known
  const pair = /^(?:script|sc|generalcategory|gc)=(.+)$/.exec(name)
  if (pair === null) return undefined
  return name.startsWith('s') ? scriptByName(pair[1]!) : basicProperties(pair[1]!)
}
