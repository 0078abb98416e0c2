/**
 * Regular expressions as Python writes them, in ECMAScript's words. What has the same meaning in both is left; the rest is said otherwise, and what cannot be said is refused.
 *
 * Source: https://docs.python.org/3/library/re.html; white space and letters are those of Python's str.isspace and str.isalnum.
 */
import { otherRanges } from '../bytes.js'
import { parseRegex } from '../regex-syntax.js'
import { sameLetters } from './letters.js'

const SPACES = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const CLASSES: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  w: '\\p{L}\\p{N}_',
  s: SPACES,
}
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 }
const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

interface Flags {
  /** Upper and lower case are the same. */
  readonly i: boolean
  /** A dot is any character. */
  readonly s: boolean
  /** White space and comments mean nothing. */
  readonly x: boolean
}

/** @param fail makes an error of a problem */
export function fromPython(pattern: string, flags: string, fail: (problem: string) => Error): string {
  return new Translator(pattern, fail).translate(flags)
}

class Translator {
  private readonly points: readonly string[]
  private at = 0
  private flags: Flags = { i: false, s: false, x: false }

  constructor(
    pattern: string,
    private readonly fail: (problem: string) => Error,
  ) {
    this.points = [...pattern]
  }

  translate(flags: string): string {
    this.flags = this.changed(flags)
    const outer: Flags[] = []
    let result = ''
    while (this.at < this.points.length) {
      const point = this.points[this.at++]!
      if (this.flags.x && /\s/.test(point)) continue
      if (this.flags.x && point === '#') {
        while (this.at < this.points.length && this.points[this.at] !== '\n') this.at++
      } else if (point === '(') {
        const begin = this.group()
        if (begin === undefined) continue
        outer.push(this.flags)
        if (begin.flags !== undefined) this.flags = begin.flags
        result += begin.text
      } else if (point === ')') {
        const before = outer.pop()
        if (before === undefined) throw this.fail('a group that ends and does not begin')
        this.flags = before
        result += ')'
      } else if (point === '|') result += '|'
      else if (point === '[') result += this.set()
      else if (point === '.') result += this.flags.s ? '[^]' : '[^\\n]'
      else if (point === '\\') result += this.escape()
      else if (point === '^' || point === '$') throw this.fail(`${point} is not supported within a terminal`)
      else result += this.repetition(point) ?? this.character(point.codePointAt(0)!)
    }
    if (outer.length > 0) throw this.fail('a group without an end')
    return result
  }

  private changed(flags: string): Flags {
    const [on, off = ''] = flags.split('-') as [string, string?]
    const unknown = /[^imsux]/.exec(on + off)
    if (unknown !== null) throw this.fail(`the flag ${unknown[0]} is not supported`)
    const has = (flag: 'i' | 's' | 'x'): boolean => (this.flags[flag] || on.includes(flag)) && !off.includes(flag)
    return { i: has('i'), s: has('s'), x: has('x') }
  }

  private rest(length: number): string {
    return this.points.slice(this.at, this.at + length).join('')
  }

  private eat(text: string): boolean {
    if (this.rest(text.length) !== text) return false
    this.at += text.length
    return true
  }

  /** The beginning of a group; undefined for what looks like one and matches nothing. */
  private group(): { readonly text: string; readonly flags?: Flags } | undefined {
    if (!this.eat('?')) return { text: '(?:' }
    if (this.eat(':')) return { text: '(?:' }
    if (this.eat('=')) return { text: '(?=' }
    if (this.eat('!')) return { text: '(?!' }
    if (this.eat('#')) {
      while (this.at < this.points.length && this.points[this.at] !== ')') this.at++
      if (!this.eat(')')) throw this.fail('a comment without an end')
      return undefined
    }
    if (this.rest(2) === '<=' || this.rest(2) === '<!') throw this.fail('looking behind is not supported')
    if (this.eat('P=')) throw this.fail('back references are not supported')
    if (this.eat('P<') || this.eat('<')) {
      while (this.at < this.points.length && /\w/.test(this.points[this.at]!)) this.at++
      if (!this.eat('>')) throw this.fail('a name of a group without an end')
      return { text: '(?:' }
    }
    const flags = /^(-?[a-zA-Z]+(?:-[a-zA-Z]+)?)([:)])/.exec(this.rest(20))
    if (flags === null) throw this.fail(`groups that begin with (?${this.rest(1)} are not supported`)
    const isFirst = this.at === 2
    this.at += flags[0].length
    if (flags[2] === ':') return { text: '(?:', flags: this.changed(flags[1]!) }
    if (!isFirst) throw this.fail(`flags for all of the expression stand at its beginning, found (?${flags[0]}`)
    this.flags = this.changed(flags[1]!)
    return undefined
  }

  private repetition(point: string): string | undefined {
    let text: string | undefined
    if ('*+?'.includes(point)) text = point
    else if (point === '{') {
      const counts = /^(\d*)(,?)(\d*)\}/.exec(this.rest(24))
      if (counts === null || counts[0] === '}') return undefined
      this.at += counts[0].length
      text = `{${counts[1] || '0'}${counts[2]}${counts[3]}}`
    }
    if (text === undefined) return undefined
    if (this.eat('+')) throw this.fail('repetitions that give nothing back (*+, ++, ?+) are not supported')
    // Whether as much or as little as possible is taken makes no difference to which texts match.
    this.eat('?')
    return text
  }

  private character(point: number): string {
    return this.flags.i ? setOf(sameLetters(point)) : plain(point)
  }

  private escape(): string {
    const name = this.points[this.at]
    const known = name === undefined ? undefined : CLASSES[name]
    if (known !== undefined || name === 'W' || name === 'S' || name === 'p' || name === 'P') return `[${this.classEscape()}]`
    return this.character(this.point())
  }

  /** What stands within a set for a set of characters, behind a backslash. */
  private classEscape(): string {
    const name = this.points[this.at++]!
    const known = CLASSES[name]
    if (known !== undefined) return known
    if (name === 'W') return outside(CLASSES['w']!)
    if (name === 'S') return outside(SPACES)
    const property = /^\{[\w=]+\}|^[A-Z]/.exec(this.rest(40))?.[0]
    if (property === undefined) throw this.fail(`\\${name} without the name of a property`)
    if (this.flags.i) throw this.fail('properties (\\p) are not supported together with the flag i')
    this.at += property.length
    return `\\${name}${property.startsWith('{') ? property : `{${property}}`}`
  }

  /** The code point of an escape, behind its backslash. */
  private point(): number {
    const name = this.points[this.at++]
    if (name === undefined) throw this.fail('a backslash with nothing behind it')
    const control = CONTROLS[name]
    if (control !== undefined) return control
    const digits = DIGITS[name]
    if (digits !== undefined) {
      const text = this.rest(digits)
      if (!/^[0-9a-fA-F]+$/.test(text) || text.length < digits) throw this.fail(`\\${name} without ${digits} hexadecimal digits`)
      this.at += digits
      const point = Number.parseInt(text, 16)
      if (point > 0x10ffff) throw this.fail(`\\${name}${text} is no code point`)
      return point
    }
    if (/[0-9]/.test(name)) {
      const octal = /^(?:0[0-7]{0,2}|[0-3][0-7]{2})/.exec(name + this.rest(2))?.[0]
      if (octal === undefined) throw this.fail('back references are not supported')
      this.at += octal.length - 1
      return Number.parseInt(octal, 8)
    }
    if ('bBAZz'.includes(name)) throw this.fail(`\\${name} is not supported within a terminal`)
    if (/[A-Za-z]/.test(name)) throw this.fail(`there is no escape \\${name}`)
    return name.codePointAt(0)!
  }

  private set(): string {
    const negative = this.eat('^')
    const members: string[] = []
    const take = (low: number, high: number): void => {
      members.push(`${plain(low)}-${plain(high)}`)
      if (this.flags.i)
        for (let point = low; point <= Math.min(high, 0x1ffff); point++) {
          const same = sameLetters(point)
          if (same.length > 1) members.push(...same.map(plain))
        }
    }
    for (let isFirst = true; ; isFirst = false) {
      const name = this.points[this.at]
      if (name === undefined) throw this.fail('a set of characters without an end')
      if (name === ']' && !isFirst) break
      if (name === '\\' && /[dDwWsSpP]/.test(this.points[this.at + 1] ?? '')) {
        this.at++
        members.push(this.classEscape())
        continue
      }
      const low = this.member()
      if (this.points[this.at] !== '-' || this.points[this.at + 1] === ']' || this.points[this.at + 1] === undefined) take(low, low)
      else {
        this.at++
        if (this.points[this.at] === '\\' && /[dDwWsSpP]/.test(this.points[this.at + 1] ?? ''))
          throw this.fail('a range that does not end in a character')
        const high = this.member()
        if (high < low) throw this.fail('a range of characters out of order')
        take(low, high)
      }
    }
    this.at++
    return `[${negative ? '^' : ''}${members.join('')}]`
  }

  private member(): number {
    const name = this.points[this.at++]!
    if (name !== '\\') return name.codePointAt(0)!
    if (this.eat('b')) return 8
    return this.point()
  }
}

/** What a set does not have, as it stands in another set. */
function outside(members: string): string {
  const regex = parseRegex(`[${members}]`)
  const ranges = regex.kind === 'characters' ? otherRanges(regex.ranges) : []
  return ranges.map(([low, high]) => `${plain(low)}-${plain(high)}`).join('')
}

const plain = (point: number): string => `\\u{${point.toString(16)}}`
const setOf = (points: readonly number[]): string => (points.length === 1 ? plain(points[0]!) : `[${points.map(plain).join('')}]`)
