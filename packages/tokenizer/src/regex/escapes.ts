import { CODE_POINTS, complement, difference, single, union, type CodeSet } from './code-set.js'
import type { Dialect, DialectRules } from './dialect.js'
import type { PatternReader } from './pattern-reader.js'
import { plainName, type PropertySource } from './properties.js'
import { posixSet, shorthand, wordsOf } from './shorthands.js'

/** What reading a pattern goes by. */
export interface Reading {
  readonly reader: PatternReader
  readonly dialect: Dialect
  readonly rules: DialectRules
  readonly properties: PropertySource
}

const controls: Readonly<Record<string, number>> = { a: 7, t: 9, n: 10, v: 11, f: 12, r: 13, e: 27 }

/** A code point or a set, for what follows a backslash and means the same in a class and outside; the backslash is taken already. */
export function readEscape(reading: Reading): number | CodeSet {
  const { reader, rules, dialect } = reading
  const start = reader.at - 1
  const point = reader.next()
  const letter = String.fromCodePoint(point)
  const set = shorthand(letter, rules)
  if (set !== undefined) return set
  // Without a brace Oniguruma takes the letter for itself.
  if ((letter === 'p' || letter === 'P') && dialect === 'oniguruma' && reader.peek() !== '{') return point
  if (letter === 'p' || letter === 'P') {
    const found = readProperty(reading)
    return letter === 'P' ? complement(found) : found
  }
  const control = controls[letter]
  if (control !== undefined && (dialect !== 'javascript' || (letter !== 'a' && letter !== 'e'))) return control
  if (letter === 'x') return readHex(reading, start)
  if (letter === 'u' || letter === 'U') {
    const digits = reader.take(letter === 'u' ? /\{([0-9a-fA-F]{1,8})\}|([0-9a-fA-F]{4})/y : /\{([0-9a-fA-F]{1,8})\}|([0-9a-fA-F]{8})/y)
    if (digits === undefined) throw reader.malformed('digits of a code point in base 16')
    const high = checked(reading, parseInt(digits[1] ?? digits[2]!, 16), start)
    // JavaScript writes characters beyond U+FFFF as two.
    if ((high & 0xfffffc00) !== 0xd800 || digits[1] !== undefined) return high
    const low = reader.take(/\\u([dD][c-fC-F][0-9a-fA-F]{2})/y)
    return low === undefined ? high : 0x10000 + ((high - 0xd800) << 10) + (parseInt(low[1]!, 16) - 0xdc00)
  }
  if (letter === '0') {
    const digits = reader.take(/[0-7]{1,2}/y)
    return digits === undefined ? 0 : parseInt(digits[0], 8)
  }
  if (letter === 'c') {
    const name = reader.take(/[A-Za-z]/y)
    if (name === undefined) throw reader.malformed('a letter after \\c')
    return name[0].charCodeAt(0) & 0x1f
  }
  if (/[A-Za-z0-9]/.test(letter)) throw reader.unsupported(`the escape \\${letter} is not known`, start)
  return point
}

function checked({ reader }: Reading, point: number, start: number): number {
  if (point >= CODE_POINTS) throw reader.malformed('a code point up to 10FFFF', start)
  return point
}

function readHex(reading: Reading, start: number): number {
  const { reader, dialect } = reading
  const braced = reader.take(/\{([0-9a-fA-F]{1,8})\}/y)
  if (braced !== undefined) return checked(reading, parseInt(braced[1]!, 16), start)
  const digits = reader.take(dialect === 'oniguruma' ? /[0-9a-fA-F]{1,2}/y : /[0-9a-fA-F]{2}/y)
  if (digits === undefined) throw reader.malformed('two digits in base 16')
  const value = parseInt(digits[0], 16)
  if (dialect === 'oniguruma' && value >= 0x80) {
    throw reader.unsupported(`\\x${digits[0]} is a byte that is no character; \\x{${digits[0]}} would be the character`, start)
  }
  return value
}

/** `{Name}`, `{^Name}` or one letter, after `\p`. */
function readProperty(reading: Reading): CodeSet {
  const { reader, properties, rules, dialect } = reading
  const start = reader.at
  let name = reader.accept('{') ? reader.until('}') : String.fromCodePoint(reader.next())
  if (name.length > 100) throw reader.malformed('the name of a property', start)
  const negated = name.startsWith('^') && rules.nestedClasses
  if (negated) name = name.slice(1)
  const plain = plainName(name)
  const set = (dialect === 'oniguruma' ? posixProperty(plain, reading) : undefined) ?? properties(plain)
  if (set === undefined) throw reader.unsupported(`the property ${JSON.stringify(name)} is not known`, start)
  return negated ? complement(set) : set
}

/** In Oniguruma the names of POSIX brackets are properties; `\p{Punct}` is Unicode's punctuation, though, and `\p{Word}` is `\w`. */
function posixProperty(name: string, { properties, rules }: Reading): CodeSet | undefined {
  if (name === 'punct') return properties('punctuation')
  return name === 'word' ? wordsOf(rules) : posixSet(name, false, properties)
}

/** `[…]`, whose bracket is taken already. `finish` sees the set before it is negated: it closes it over case where the flag is on. */
export function readClass(reading: Reading, finish: (set: CodeSet) => CodeSet, depth = 0): CodeSet {
  const { reader, rules } = reading
  const start = reader.at - 1
  if (depth > 50) throw reader.unsupported('classes nested more than 50 deep', start)
  const negated = reader.accept('^')
  // Operands of && (and, in fancy-regex, -- and ~~), which bind weaker than anything else.
  let result: CodeSet | undefined
  let operator = ''
  let parts: CodeSet[] = []
  const close = (): void => {
    const operand = union(...parts)
    parts = []
    if (result === undefined) result = operand
    else if (operator === '--') result = difference(result, operand)
    else if (operator === '~~') result = union(difference(result, operand), difference(operand, result))
    else result = difference(result, complement(operand))
  }
  let first = rules.nestedClasses
  for (;;) {
    if (reader.done) throw reader.malformed('"]"')
    if (!first && reader.accept(']')) break
    const next = rules.nestedClasses ? reader.peek(2) : ''
    if (next === '&&' || (reading.dialect === 'fancy' && (next === '--' || next === '~~'))) {
      close()
      operator = next
      reader.at += 2
      first = false
      continue
    }
    first = false
    const low = readClassItem(reading, finish, depth)
    if (typeof low !== 'number') {
      parts.push(low)
      continue
    }
    // A hyphen before the end of the class, or before an operator, stands for itself.
    if (reader.peek() !== '-' || reader.peek(2) === '-]' || (rules.nestedClasses && /^-(?:\[|&&|-)/.test(reader.peek(3)))) {
      parts.push(single(low))
      continue
    }
    const at = reader.at
    reader.at++
    const high = readClassItem(reading, finish, depth)
    if (typeof high !== 'number') throw reader.malformed('a range between two characters', at)
    if (high < low) throw reader.malformed('a range whose end is not before its beginning', at)
    parts.push([low, high + 1])
  }
  close()
  const set = finish(result!)
  return negated ? complement(set) : set
}

function readClassItem(reading: Reading, finish: (set: CodeSet) => CodeSet, depth: number): number | CodeSet {
  const { reader, rules, dialect } = reading
  if (rules.nestedClasses) {
    const posix = reader.take(/\[:(\^?)([a-z]+):\]/y)
    if (posix !== undefined) {
      const set = posixSet(posix[2]!, rules.asciiPosix, reading.properties)
      if (set === undefined) throw reader.unsupported(`[:${posix[2]}:] is not known`, reader.at - posix[0].length)
      return posix[1] === '' ? set : complement(set)
    }
    if (reader.accept('[')) return readClass(reading, finish, depth + 1)
  }
  if (!reader.accept('\\')) return reader.next()
  if (reader.accept('b')) return 8
  if (dialect === 'javascript' && reader.accept('-')) return 0x2d
  return readEscape(reading)
}
