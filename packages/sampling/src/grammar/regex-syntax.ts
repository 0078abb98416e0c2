/** Regular expressions as ECMAScript writes them with the flag `u`, read into a tree. */
import { SamplingError } from '../errors.js'
import { LAST_POINT, normalRanges, otherRanges, type Range } from './bytes.js'

export type Regex =
  | { readonly kind: 'characters'; readonly ranges: readonly Range[] }
  | { readonly kind: 'sequence'; readonly items: readonly Regex[] }
  | { readonly kind: 'choice'; readonly items: readonly Regex[] }
  | { readonly kind: 'repeat'; readonly item: Regex; readonly min: number; readonly max: number }
  | { readonly kind: 'anchor'; readonly at: 'start' | 'end' }
  | { readonly kind: 'look'; readonly item: Regex; readonly negative: boolean }

/** Line terminators, which a dot does not match. */
const TERMINATORS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
]
const DIGITS: readonly Range[] = [[0x30, 0x39]]
const WORDS: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
const SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
const CONTROLS: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, '0': 0 }
/** Larger counts are counted as the text goes on, and need no limit but that of numbers. */
const MOST_COUNT = 2 ** 30

/** @throws SamplingError `GRAMMAR` for what is no regular expression, and for what cannot be matched byte by byte: back references, word boundaries, looking behind */
export function parseRegex(source: string): Regex {
  return new Parser(source).parse()
}

class Parser {
  private readonly points: readonly string[]
  private at = 0
  private depth = 0

  constructor(private readonly source: string) {
    this.points = [...source]
  }

  parse(): Regex {
    const whole = this.choice()
    if (this.at < this.points.length) throw this.error(`unexpected ${this.points[this.at]}`)
    return whole
  }

  private error(problem: string): SamplingError {
    return new SamplingError('GRAMMAR', `The regular expression ${JSON.stringify(this.source)}: ${problem} at position ${this.at}`)
  }

  private peek(text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.points[this.at + i] !== text[i]) return false
    return true
  }

  private eat(text: string): boolean {
    if (!this.peek(text)) return false
    this.at += text.length
    return true
  }

  private choice(): Regex {
    if (++this.depth > 200) throw this.error('groups are nested more than 200 deep')
    const items = [this.sequence()]
    while (this.eat('|')) items.push(this.sequence())
    this.depth--
    return items.length === 1 ? items[0]! : { kind: 'choice', items }
  }

  private sequence(): Regex {
    const items: Regex[] = []
    while (this.at < this.points.length && !this.peek('|') && !this.peek(')')) items.push(this.quantified())
    return items.length === 1 ? items[0]! : { kind: 'sequence', items }
  }

  private quantified(): Regex {
    const item = this.atom()
    const counts = this.quantifier()
    if (counts === undefined) return item
    if (item.kind === 'anchor' || item.kind === 'look') throw this.error('nothing to repeat')
    // Whether as much or as little as possible is taken makes no difference to which texts match.
    this.eat('?')
    if (this.quantifier() !== undefined) throw this.error('a repetition of a repetition')
    return { kind: 'repeat', item, min: counts[0], max: counts[1] }
  }

  private quantifier(): readonly [number, number] | undefined {
    if (this.eat('*')) return [0, Infinity]
    if (this.eat('+')) return [1, Infinity]
    if (this.eat('?')) return [0, 1]
    const found = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.points.slice(this.at, this.at + 30).join(''))
    if (found === null) return undefined
    this.at += found[0].length
    const min = Number(found[1])
    const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3])
    if (max < min) throw this.error(`numbers out of order, ${min} and ${max},`)
    if (min > MOST_COUNT || (max !== Infinity && max > MOST_COUNT)) throw this.error(`a count above ${MOST_COUNT}`)
    return [min, max]
  }

  private atom(): Regex {
    const point = this.points[this.at]!
    if (this.eat('(')) return this.group()
    if (this.eat('[')) return { kind: 'characters', ranges: this.set() }
    if (this.eat('.')) return { kind: 'characters', ranges: otherRanges(TERMINATORS) }
    if (this.eat('^')) return { kind: 'anchor', at: 'start' }
    if (this.eat('$')) return { kind: 'anchor', at: 'end' }
    if (this.eat('\\')) return { kind: 'characters', ranges: this.escape(false) }
    if ('*+?'.includes(point)) throw this.error('nothing to repeat')
    this.at++
    return { kind: 'characters', ranges: [single(point.codePointAt(0)!)] }
  }

  private group(): Regex {
    if (this.peek('?<=') || this.peek('?<!')) throw this.error('looking behind is not supported')
    let look: 'ahead' | 'not ahead' | undefined
    if (this.eat('?=')) look = 'ahead'
    else if (this.eat('?!')) look = 'not ahead'
    else if (this.eat('?<')) {
      while (this.at < this.points.length && !this.peek('>')) this.at++
      if (!this.eat('>')) throw this.error('a name of a group without an end')
    } else if (this.eat('?') && !this.eat(':')) throw this.error('an unknown kind of group')
    const item = this.choice()
    if (!this.eat(')')) throw this.error('a group without an end')
    return look === undefined ? item : { kind: 'look', item, negative: look === 'not ahead' }
  }

  private set(): readonly Range[] {
    const negative = this.eat('^')
    const ranges: Range[] = []
    while (!this.eat(']')) {
      if (this.at >= this.points.length) throw this.error('a set of characters without an end')
      const first = this.member()
      if (this.peek('-') && this.points[this.at + 1] !== ']' && first.length === 1 && first[0]![0] === first[0]![1]) {
        this.at++
        if (this.at >= this.points.length) throw this.error('a set of characters without an end')
        const last = this.member()
        if (last.length !== 1 || last[0]![0] !== last[0]![1]) throw this.error('a range that does not end in a character')
        if (last[0]![0] < first[0]![0]) throw this.error('a range out of order')
        ranges.push([first[0]![0], last[0]![0]])
      } else ranges.push(...first)
    }
    return negative ? otherRanges(ranges) : normalRanges(ranges)
  }

  private member(): readonly Range[] {
    if (this.eat('\\')) return this.escape(true)
    return [single(this.points[this.at++]!.codePointAt(0)!)]
  }

  private escape(inSet: boolean): readonly Range[] {
    const point = this.points[this.at++]
    switch (point) {
      case undefined:
        throw this.error('a backslash with nothing behind it')
      case 'd':
        return DIGITS
      case 'D':
        return otherRanges(DIGITS)
      case 'w':
        return WORDS
      case 'W':
        return otherRanges(WORDS)
      case 's':
        return SPACES
      case 'S':
        return otherRanges(SPACES)
      case 'x':
        return [single(this.hex(2))]
      case 'u':
        return [single(this.unicode())]
      case 'c': {
        const letter = this.points[this.at++]
        if (letter === undefined || !/^[A-Za-z]$/.test(letter)) throw this.error('\\c without a letter')
        return [single(letter.charCodeAt(0) % 32)]
      }
      case 'p':
      case 'P':
        return this.property(point === 'P')
      case 'b':
        if (inSet) return [single(0x08)]
        throw this.error('word boundaries (\\b) are not supported')
      case 'B':
        throw this.error('word boundaries (\\B) are not supported')
      case 'k':
        throw this.error('back references are not supported')
      default:
        if (/[1-9]/.test(point)) throw this.error('back references are not supported')
        return [single(CONTROLS[point] ?? point.codePointAt(0)!)]
    }
  }

  private hex(digits: number): number {
    const text = this.points.slice(this.at, this.at + digits).join('')
    if (text.length < digits || !/^[0-9a-fA-F]+$/.test(text)) throw this.error(`${digits} hexadecimal digits are missing`)
    this.at += digits
    return Number.parseInt(text, 16)
  }

  private unicode(): number {
    if (this.eat('{')) {
      let text = ''
      while (this.at < this.points.length && !this.peek('}')) text += this.points[this.at++]
      const value = Number.parseInt(text, 16)
      if (!this.eat('}') || !/^[0-9a-fA-F]{1,8}$/.test(text) || value > LAST_POINT) throw this.error('\\u{…} is no code point')
      return value
    }
    const high = this.hex(4)
    if (high >= 0xd800 && high < 0xdc00 && this.peek('\\u')) {
      const before = this.at
      this.at += 2
      const low = this.hex(4)
      if (low >= 0xdc00 && low < 0xe000) return 0x10000 + (high - 0xd800) * 1024 + (low - 0xdc00)
      this.at = before
    }
    return high
  }

  private property(negative: boolean): readonly Range[] {
    const start = this.at
    while (this.at < this.points.length && this.points[this.at - 1] !== '}') this.at++
    const name = this.points.slice(start, this.at).join('')
    if (!/^\{[\w=]+\}$/.test(name)) throw this.error('\\p without the name of a property')
    try {
      const ranges = rangesOfProperty(name)
      return negative ? otherRanges(ranges) : ranges
    } catch (cause) {
      throw new SamplingError('GRAMMAR', `The regular expression ${JSON.stringify(this.source)}: there is no property \\p${name}`, {
        cause,
      })
    }
  }
}

const single = (point: number): Range => [point, point]

const properties = new Map<string, readonly Range[]>()

/** Code points of one unit of UTF-16: all below 2^16 but halves of surrogate pairs, which are none. */
const SHORT = 0x10000 - 0x800
const SURROGATES = 0xd800

/** All code points in their order. Two million units, so it is kept only until memory is wanted for something else. */
let everything: WeakRef<{ readonly text: string }> | undefined

function allCharacters(): string {
  const kept = everything?.deref()
  if (kept !== undefined) return kept.text
  const units = new Uint16Array(SHORT + 2 * 2 ** 20)
  for (let i = 0; i < SHORT; i++) units[i] = i < SURROGATES ? i : i + 0x800
  const pairs = new Uint32Array(units.buffer, 2 * SHORT)
  for (let i = 0; i < pairs.length; i++) pairs[i] = (SURROGATES + (i >> 10)) | ((SURROGATES + 0x400 + (i & 0x3ff)) << 16)
  const made = { text: new TextDecoder('utf-16le', { ignoreBOM: true }).decode(units) }
  everything = new WeakRef(made)
  return made.text
}

const pointAt = (index: number): number => (index >= SHORT ? 0x10000 + (index - SHORT) / 2 : index < SURROGATES ? index : index + 0x800)

/** The code points of a property, as the JavaScript engine knows them. */
function rangesOfProperty(name: string): readonly Range[] {
  let ranges = properties.get(name)
  if (ranges === undefined) {
    const found: Range[] = []
    const text = allCharacters()
    // Runs of those that are in it and of those that are not, in parts, as a long one takes the engine memory for each character: to ask for each of them takes ten times as long.
    const [isIn, isOut] = ['p', 'P'].map((escape) => new RegExp(`\\${escape}${name}{1,128}`, 'yu')) as [RegExp, RegExp]
    const endOf = (run: RegExp, from: number): number => {
      let end = from
      for (run.lastIndex = from; run.test(text);) end = run.lastIndex
      return end
    }
    for (let at = 0; at < text.length;) {
      const end = endOf(isIn, at)
      if (end > at) found.push([pointAt(at), pointAt(end) - 1])
      at = endOf(isOut, end)
    }
    ranges = normalRanges(found)
    properties.set(name, ranges)
  }
  return ranges
}
