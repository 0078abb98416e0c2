import { ANYTHING, single, type CodeSet } from './code-set.js'
import { closeOverCase } from './case-folding.js'
import { dialects, type Dialect } from './dialect.js'
import { readClass, readEscape, type Reading } from './escapes.js'
import { PatternReader } from './pattern-reader.js'
import type { PropertySource } from './properties.js'
import { dotSet, wordsOf } from './shorthands.js'
import { choice, look, sequence, type RepeatMode, type Syntax } from './syntax.js'

interface Flags {
  readonly ignoreCase: boolean
  readonly dotAll: boolean
  /** `^` and `$` at every line; only where the dialect leaves it to a flag. */
  readonly lines: boolean
  readonly extended: boolean
}

const MAX_SOURCE = 100_000
const MAX_DEPTH = 200
const MAX_COUNT = 100_000

export interface ParseOptions {
  readonly dialect: Dialect
  /** Flags set from the beginning, of `i`, `m`, `s` and `x`. */
  readonly flags?: string
  readonly properties: PropertySource
  /** What error messages call the pattern. */
  readonly where: string
  /** The code of errors for a malformed pattern. Default `VALUE`. */
  readonly code?: 'VALUE' | 'FILE'
}

/**
 * Reads a regular expression.
 *
 * @throws TokenizerError `VALUE` (or the `code` given) when it is malformed, `UNSUPPORTED` for what cannot run with a guarantee (backreferences, recursion, conditions)
 * or is not known; `position` is an index of UTF-16 units into the pattern
 */
export function parseRegex(source: string, { dialect, flags = '', properties, where, code = 'VALUE' }: ParseOptions): Syntax {
  const reader = new PatternReader(source, where, code)
  if (source.length > MAX_SOURCE) throw reader.unsupported(`the pattern has ${source.length} characters, more than ${MAX_SOURCE}`)
  const reading: Reading = { reader, dialect, rules: dialects[dialect], properties }
  const initial = { ignoreCase: false, dotAll: false, lines: false, extended: false }
  const node = new Parser(reading).alternatives(setFlags(reading, initial, flags, '', 0), 0)
  if (!reader.done) throw reader.malformed('no ")" without its "("')
  return node
}

/** The flags after `(?on-off)`. */
function setFlags({ reader, rules, dialect }: Reading, flags: Flags, on: string, off: string, start: number): Flags {
  const changed = { ...flags }
  for (const [letters, value] of [
    [on, true],
    [off, false],
  ] as const) {
    for (const letter of letters) {
      if (!rules.flags.includes(letter)) throw reader.unsupported(`the flag ${letter} is not one of ${dialect} (${rules.flags})`, start)
      if (letter === 'i') changed.ignoreCase = value
      else if (letter === 'x') changed.extended = value
      else if (letter === rules.dotAllFlag) changed.dotAll = value
      else if (letter === 'm') changed.lines = value
      // What remains is u, which is always on.
      else if (!value) throw reader.unsupported('patterns of bytes (the flag u off) do not run here', start)
    }
  }
  return changed
}

class Parser {
  /** Without regard to case JavaScript's words have the two letters that fold to ASCII, which `\W` then lacks. */
  private readonly ignoringCase: Reading

  constructor(private readonly reading: Reading) {
    const { rules } = reading
    this.ignoringCase = rules.asciiClasses ? { ...reading, rules: { ...rules, moreInWords: [0x17f, 0x180, 0x212a, 0x212b] } } : reading
  }

  private readingOf(flags: Flags): Reading {
    return flags.ignoreCase ? this.ignoringCase : this.reading
  }

  /** `a|b|c`, up to the end or a closing parenthesis that is left alone. */
  alternatives(flags: Flags, depth: number): Syntax {
    const { reader } = this.reading
    if (depth > MAX_DEPTH) throw reader.unsupported(`groups nested more than ${MAX_DEPTH} deep`)
    const items: Syntax[] = []
    let inner = flags
    do {
      const parts: Syntax[] = []
      while (!reader.done && reader.peek() !== '|' && reader.peek() !== ')') {
        const changed = this.takeFlags(inner)
        if (changed !== undefined) {
          inner = changed
          // In Oniguruma the flags reach over alternatives to the end of the group: `a(?i)b|c` is `a(?i:b|c)`.
          if (this.reading.dialect === 'oniguruma') {
            parts.push(this.alternatives(inner, depth + 1))
            break
          }
          continue
        }
        const part = this.repeated(inner, depth)
        if (part !== undefined) parts.push(part)
      }
      items.push(sequence(parts))
    } while (reader.accept('|'))
    return choice(items)
  }

  /** `(?i)` and the like. */
  private takeFlags(flags: Flags): Flags | undefined {
    const { reader, dialect } = this.reading
    if (dialect === 'javascript') return undefined
    const start = reader.at
    const match = reader.take(/\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?\)/y)
    if (match === undefined) return undefined
    if (match[1] === '' && match[2] === undefined) throw reader.malformed('flags after "(?"', start)
    return setFlags(this.reading, flags, match[1]!, match[2] ?? '', start)
  }

  /** One element and how often it comes; undefined for a comment. */
  private repeated(flags: Flags, depth: number): Syntax | undefined {
    const { reader } = this.reading
    const start = reader.at
    let node = this.element(flags, depth)
    if (node === undefined) return undefined
    const assertion = node.type === 'look' || /^(?:[\^$]|\\[bBAzZ])/.test(reader.source.slice(start, start + 2))
    for (;;) {
      if (flags.extended) this.skipExtended()
      const at = reader.at
      const counts = this.takeCounts()
      if (counts === undefined) return node
      // Neither Oniguruma nor JavaScript repeats an assertion.
      if (assertion) throw reader.malformed(`something to repeat before it, not the assertion at ${start}`, at)
      node = { type: 'repeat', body: node, ...counts }
    }
  }

  private takeCounts(): { readonly min: number; readonly max: number; readonly mode: RepeatMode } | undefined {
    const { reader, rules, dialect } = this.reading
    const at = reader.at
    if (reader.accept('*')) return { min: 0, max: Infinity, mode: this.mode(rules.possessive) }
    if (reader.accept('+')) return { min: 1, max: Infinity, mode: this.mode(rules.possessive) }
    if (reader.accept('?')) return { min: 0, max: 1, mode: this.mode(rules.possessive) }
    const match = reader.take(/\{(\d*)(,?)(\d*)\}/y)
    if (match === undefined || (match[1] === '' && match[3] === '')) {
      reader.at = at
      return undefined
    }
    let min = match[1] === '' ? 0 : Number(match[1])
    let max = match[2] === '' ? min : match[3] === '' ? Infinity : Number(match[3])
    if (min > MAX_COUNT || (max !== Infinity && max > MAX_COUNT)) throw reader.unsupported(`counts above ${MAX_COUNT}`, at)
    // Oniguruma reads {3,1} as a possessive {1,3}, and {2}? as a choice between twice and never.
    if (max < min) {
      if (dialect !== 'oniguruma') throw reader.malformed('counts in order', at)
      ;[min, max] = [max, min]
      return { min, max, mode: 'possessive' }
    }
    if (dialect === 'oniguruma' && match[2] === '') return { min, max, mode: 'greedy' }
    return { min, max, mode: this.mode(rules.possessiveCounts) }
  }

  private mode(possessive: boolean): RepeatMode {
    const { reader } = this.reading
    if (reader.accept('?')) return 'lazy'
    return possessive && reader.accept('+') ? 'possessive' : 'greedy'
  }

  private skipExtended(): void {
    this.reading.reader.take(/(?:\s|#[^\n]*)+/y)
  }

  private element(flags: Flags, depth: number): Syntax | undefined {
    const { reader, rules, dialect } = this.reading
    if (flags.extended && reader.take(/(?:\s|#[^\n]*)+/y) !== undefined) return undefined
    const start = reader.at
    const point = reader.next()
    const char = String.fromCodePoint(point)
    switch (char) {
      case '(':
        return this.group(flags, depth, start)
      case '[':
        return { type: 'set', set: readClass(this.readingOf(flags), (set) => (flags.ignoreCase ? closeOverCase(set) : set)) }
      case '.':
        return { type: 'set', set: dotSet(rules, flags.dotAll) }
      case '^':
        return this.lineStart(flags)
      case '$':
        return this.lineEnd(flags)
      case '\\':
        return this.escape(flags, start)
      case '*':
      case '+':
      case '?':
        throw reader.malformed('something to repeat before it', start)
      default:
        // A brace that begins no count stands for itself, but in JavaScript with the flag u.
        if (dialect === 'javascript' && (char === '{' || char === '}' || char === ']'))
          throw reader.malformed(`a backslash before it`, start)
        return this.literal(point, flags)
    }
  }

  private literal(point: number, { ignoreCase }: Flags): Syntax {
    const set = single(point)
    return { type: 'set', set: ignoreCase ? closeOverCase(set) : set }
  }

  private lineStart(flags: Flags): Syntax {
    const { rules } = this.reading
    if (!rules.anchorsAtLines && !flags.lines) return notBehind(ANYTHING)
    const afterBreak = look({ type: 'set', set: rules.lineBreaks }, true, false)
    // In Oniguruma no line begins at the very end.
    return choice([notBehind(ANYTHING), rules.anchorsAtLines ? sequence([afterBreak, ahead(ANYTHING)]) : afterBreak])
  }

  private lineEnd(flags: Flags): Syntax {
    const { rules } = this.reading
    if (!rules.anchorsAtLines && !flags.lines) return notAhead(ANYTHING)
    return choice([ahead(rules.lineBreaks), notAhead(ANYTHING)])
  }

  private escape(flags: Flags, start: number): Syntax {
    const { reader, rules, dialect } = this.reading
    const letter = reader.peek()
    const known = dialect === 'javascript' ? /[bB]/ : /[bBAzZRNO]/
    if (known.test(letter)) {
      reader.at++
      switch (letter) {
        case 'A':
          return notBehind(ANYTHING)
        case 'z':
          return notAhead(ANYTHING)
        case 'Z':
          return choice([notAhead(ANYTHING), look(sequence([{ type: 'set', set: single(10) }, notAhead(ANYTHING)]), false, false)])
        case 'R': {
          const set: CodeSet = [10, 14, 0x85, 0x86, 0x2028, 0x202a]
          const pair = sequence([literalOf(13), literalOf(10)])
          return { type: 'atomic', body: choice([pair, { type: 'set', set }]) }
        }
        case 'N':
          return { type: 'set', set: dotSet(rules, false) }
        case 'O':
          return { type: 'set', set: ANYTHING }
        default: {
          const set = wordsOf(this.readingOf(flags).rules)
          const [before, after] = letter === 'b' ? [notBehind, behind] : [behind, notBehind]
          return choice([sequence([before(set), ahead(set)]), sequence([after(set), notAhead(set)])])
        }
      }
    }
    if (/[1-9]/.test(letter) || letter === 'k') throw reader.unsupported('backreferences do not run with a guarantee', start)
    if (letter === 'g') throw reader.unsupported('recursion does not run with a guarantee', start)
    if (/[GKXyY]/.test(letter) && dialect !== 'javascript') throw reader.unsupported(`\\${letter} is not supported`, start)
    const escaped = readEscape(this.readingOf(flags))
    if (typeof escaped === 'number') return this.literal(escaped, flags)
    return { type: 'set', set: flags.ignoreCase && rules.propertiesIgnoreCase ? closeOverCase(escaped) : escaped }
  }

  private group(flags: Flags, depth: number, start: number): Syntax | undefined {
    const { reader, dialect } = this.reading
    const inside = (inner = flags): Syntax => {
      const body = this.alternatives(inner, depth + 1)
      if (!reader.accept(')')) throw reader.malformed(`")" for the "(" at ${start}`)
      return body
    }
    if (!reader.accept('?')) return grouped(inside())
    if (reader.accept(':')) return grouped(inside())
    for (const [opening, isBehind, negative] of [
      ['=', false, false],
      ['!', false, true],
      ['<=', true, false],
      ['<!', true, true],
    ] as const) {
      if (reader.accept(opening)) return look(inside(), isBehind, negative)
    }
    if (dialect !== 'javascript') {
      if (reader.accept('>')) return { type: 'atomic', body: inside() }
      if (reader.accept('#')) {
        reader.until(')')
        return undefined
      }
      if (reader.peek() === '(') throw reader.unsupported('conditions do not run with a guarantee', start)
      if (reader.peek() === '~') throw reader.unsupported('absence operators are not supported', start)
      if (/[&R0-9]/.test(reader.peek()) || reader.peek(2) === 'P>')
        throw reader.unsupported('recursion does not run with a guarantee', start)
      if (reader.peek(2) === 'P=') throw reader.unsupported('backreferences do not run with a guarantee', start)
    }
    if (reader.take(dialect === 'fancy' ? /P?<[\p{L}_][\p{L}\p{N}_]*>/uy : /<[\p{L}_$][\p{L}\p{N}_$]*>/uy) !== undefined)
      return grouped(inside())
    const match = reader.take(/([a-zA-Z]*)(?:-([a-zA-Z]+))?:/y)
    if (match !== undefined) return grouped(inside(setFlags(this.reading, flags, match[1]!, match[2] ?? '', start)))
    throw reader.unsupported(`the group "(?${reader.peek()}" is not known`, start)
  }
}

/** A group around an assertion alone may be repeated, which the assertion may not. */
const grouped = (body: Syntax): Syntax => (body.type === 'look' ? { type: 'sequence', items: [body] } : body)

const literalOf = (point: number): Syntax => ({ type: 'set', set: single(point) })
const ahead = (set: CodeSet): Syntax => look({ type: 'set', set }, false, false)
const notAhead = (set: CodeSet): Syntax => look({ type: 'set', set }, false, true)
const behind = (set: CodeSet): Syntax => look({ type: 'set', set }, true, false)
const notBehind = (set: CodeSet): Syntax => look({ type: 'set', set }, true, true)
