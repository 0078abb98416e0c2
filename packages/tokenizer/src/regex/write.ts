import { ANYTHING, complement, difference, NOTHING, union, type CodeSet } from './code-set.js'
import { basicProperties } from './properties.js'
import type { Syntax } from './syntax.js'

/** Names that keep classes short; a set of Oniguruma is the same by Unicode 16. */
const names = ['L', 'M', 'N', 'P', 'S', 'Lu', 'Ll', 'Lt', 'Lm', 'Lo', 'Nd', 'WhiteSpace'] as const

/**
 * The expression as Oniguruma's source: for files that Hugging Face tokenizers reads, whatever the dialect it was given in. Flags and what a dialect
 * calls a word or a digit are spelt out.
 */
export function writeOniguruma(node: Syntax): string {
  switch (node.type) {
    case 'set':
      return writeSet(node.set)
    case 'sequence':
      return node.items.map((item) => (item.type === 'choice' ? `(?:${writeOniguruma(item)})` : writeOniguruma(item))).join('')
    case 'choice':
      return node.items.map(writeOniguruma).join('|')
    case 'repeat': {
      const body = node.body.type === 'set' ? writeSet(node.body.set) : `(?:${writeOniguruma(node.body)})`
      const { min, max } = node
      const counts =
        max === 1 && min === 0
          ? '?'
          : max === Infinity && min <= 1
            ? min === 0
              ? '*'
              : '+'
            : min === max
              ? `{${min}}`
              : `{${min},${max === Infinity ? '' : max}}`
      // After a single count a question mark would mean once or never.
      const repeated = body + counts + (node.mode === 'lazy' && min !== max ? '?' : '')
      return node.mode === 'possessive' ? `(?>${repeated})` : repeated
    }
    case 'atomic':
      return `(?>${writeOniguruma(node.body)})`
    case 'look': {
      if (node.negative && node.body.type === 'set' && isSame(node.body.set, ANYTHING)) return node.behind ? '\\A' : '\\z'
      return `(?${node.behind ? '<' : ''}${node.negative ? '!' : '='}${writeOniguruma(node.body)})`
    }
  }
}

function writeSet(set: CodeSet): string {
  if (isSame(set, ANYTHING)) return '\\O'
  // No class is empty in Oniguruma.
  if (isSame(set, NOTHING)) return '(?!)'
  const [positive, negative] = [members(set), members(complement(set))]
  if (negative.length < positive.length) return `[^${negative}]`
  return set.length === 2 && set[1]! - set[0]! === 1 ? writePoint(set[0]!) : `[${positive}]`
}

/** What stands in a class for a set: names of what it holds whole, then ranges. */
function members(set: CodeSet): string {
  let rest = set
  let written = ''
  for (const name of names) {
    const known = basicProperties(name.toLowerCase())!
    if (rest.length < 20 || difference(known, rest).length > 0) continue
    rest = difference(rest, known)
    written += name === 'WhiteSpace' ? '\\s' : `\\p{${name}}`
  }
  if (isSame(rest, union(basicProperties('whitespace')!))) return `${written}\\s`
  for (let i = 0; i < rest.length; i += 2) {
    const last = rest[i + 1]! - 1
    written += writePoint(rest[i]!) + (last === rest[i] ? '' : `-${writePoint(last)}`)
  }
  return written
}

const writePoint = (point: number): string =>
  /^[A-Za-z0-9 ]$/.test(String.fromCodePoint(point)) ? String.fromCodePoint(point) : `\\x{${point.toString(16)}}`

const isSame = (a: CodeSet, b: CodeSet): boolean => a.length === b.length && a.every((border, i) => border === b[i])
