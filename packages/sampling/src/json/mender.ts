import type { JsonRepair } from './repair.js'
import { readWord, wordAsJson } from './words.js'

/** A list or object that is being written. */
interface Frame {
  readonly isList: boolean
  /** Values that were written into it. */
  count: number
  /** The key whose value is to come, as JSON, and where it was. */
  key: string | undefined
  keyAt: number
  /** Whether something came since the last value that a value may follow: a comma, or the beginning. */
  hasComma: boolean
  commaAt: number
}

/** Quotes, and what may close them. */
const QUOTES: Readonly<Record<string, string>> = { '"': '"', "'": "'", '`': '`', '“': '”“"', '‘': '’‘', '”': '”', '’': '’' }
const SPACE = /\s|\ufeff/
/** What comes behind a string that has ended. */
const BEHIND_STRING = /[,:}\]]/
const ESCAPES = '"\\/bfnrt'

/**
 * Reads what looks like JSON once, from left to right, and writes JSON. Keys and commas are written together with the value they belong to, so that what was cut off before its value leaves nothing behind.
 */
export class Mender {
  readonly repairs: JsonRepair[] = []
  private readonly out: string[] = []
  private readonly stack: Frame[] = []
  /** Lists, and objects, that are open. */
  private readonly open = [0, 0]
  private at: number
  private isDone = false
  isContainer = false

  constructor(
    private readonly text: string,
    from: number,
  ) {
    this.at = from
  }

  /** Where reading stopped. */
  get end(): number {
    return this.at
  }

  note(at: number, what: string): void {
    this.repairs.push({ at, what })
  }

  /** Reads one value and the spaces and comments around it. False where there is none. */
  mend(): boolean {
    this.skip()
    const { text } = this
    if (text.startsWith('```', this.at)) {
      this.note(this.at, 'code fence left out')
      this.at += 3
      while (this.at < text.length && /[\w+-]/.test(text[this.at]!)) this.at++
      this.skip()
    }
    while (!this.isDone && this.at < text.length) {
      if (this.stack.length > 0 && text.startsWith('```', this.at)) {
        this.note(this.at, 'code fence left out')
        this.at = text.length
        break
      }
      if (this.stack.length === 0 && !this.mayBegin()) return false
      this.step()
      if (!this.isDone) this.skip()
    }
    this.skip()
    return this.out.length > 0
  }

  /** What was written, closed. */
  finish(): string {
    const { text } = this
    if (this.at < text.length) {
      this.note(this.at, text.startsWith('```', this.at) ? 'code fence left out' : 'text behind the JSON left out')
      this.at = text.length
    }
    while (this.stack.length > 0) {
      const frame = this.stack.at(-1)!
      this.note(text.length, `${frame.isList ? ']' : '}'} added at the end`)
      this.close(true)
    }
    return this.out.join('')
  }

  /** Whether a value begins here that is not in a list or object: words other than literals are no JSON there. */
  private mayBegin(): boolean {
    const { text, at } = this
    const character = text[at]!
    if (character === '{' || character === '[' || Object.hasOwn(QUOTES, character)) return true
    const word = readWord(text, at, false)
    // The beginning of a name with a capital is more likely the text "No" than half of None.
    return wordAsJson(word.text, word.end === text.length && !/[A-Z]/.test(character)) !== undefined
  }

  private step(): void {
    const { text, at } = this
    const character = text[at]!
    const frame = this.stack.at(-1)
    switch (character) {
      case '{':
      case '[':
        if (frame !== undefined && !frame.isList && frame.key === undefined) return this.leaveOut(character)
        return this.begin(character === '[')
      case '}':
      case ']':
        return this.closeTo(character === ']')
      case ',':
        return this.comma(frame!)
      case ':':
      case '=':
        return this.colon(character)
      default:
        if (Object.hasOwn(QUOTES, character)) return this.string()
        return this.word()
    }
  }

  /** Spaces, which mean nothing, and comments. */
  private skip(): void {
    const { text } = this
    for (;;) {
      while (this.at < text.length && SPACE.test(text[this.at]!)) this.at++
      const two = text.slice(this.at, this.at + 2)
      const isLine = two === '//' || text[this.at] === '#'
      if (!isLine && two !== '/*') return
      this.note(this.at, 'comment left out')
      const end = isLine ? text.indexOf('\n', this.at) : text.indexOf('*/', this.at + 2)
      this.at = end < 0 ? text.length : end + (isLine ? 1 : 2)
    }
  }

  private leaveOut(character: string): void {
    this.note(this.at, `${character} that does not belong here left out`)
    this.at++
  }

  private comma(frame: Frame): void {
    if (frame.key !== undefined) {
      this.note(this.at, 'null put in for a value that is missing')
      this.value('null')
    }
    if (frame.hasComma) return this.leaveOut(',')
    frame.hasComma = true
    frame.commaAt = this.at
    this.at++
  }

  private colon(character: string): void {
    const frame = this.stack.at(-1)
    const isArrow = character === '=' && this.text[this.at + 1] === '>'
    if (frame === undefined || frame.isList || frame.key === undefined || frame.hasComma) return this.leaveOut(character)
    if (character !== ':') this.note(this.at, `colon put in for ${isArrow ? '=>' : '='}`)
    this.at += isArrow ? 2 : 1
    // A second colon does not belong there.
    frame.hasComma = true
  }

  private begin(isList: boolean): void {
    this.isContainer ||= this.stack.length === 0
    this.prepare(this.at)
    this.out.push(isList ? '[' : '{')
    this.stack.push({ isList, count: 0, key: undefined, keyAt: 0, hasComma: true, commaAt: -1 })
    this.open[isList ? 0 : 1]!++
    this.at++
  }

  /** A bracket closes what is open inside of what it closes. */
  private closeTo(isList: boolean): void {
    const bracket = this.text[this.at]!
    if (this.open[isList ? 0 : 1] === 0) return this.leaveOut(bracket)
    while (this.stack.at(-1)!.isList !== isList) {
      this.note(this.at, `${isList ? '}' : ']'} added before ${bracket}`)
      this.close(false)
    }
    this.close(false)
    this.at++
  }

  private close(isCut: boolean): void {
    const frame = this.stack.at(-1)!
    if (frame.key !== undefined) {
      if (isCut) this.note(frame.keyAt, 'key whose value was cut off left out')
      else {
        this.note(this.at, 'null put in for a value that is missing')
        this.value('null')
      }
    } else if (frame.hasComma && frame.commaAt >= 0) this.note(frame.commaAt, 'comma before the end left out')
    this.stack.pop()
    this.open[frame.isList ? 0 : 1]!--
    this.out.push(frame.isList ? ']' : '}')
    this.after()
  }

  /** Writes what belongs before a value: a comma, its key. */
  private prepare(at: number): void {
    const frame = this.stack.at(-1)
    if (frame === undefined) return
    if (frame.isList) {
      if (!frame.hasComma) this.note(at, 'comma added')
    } else if (!frame.hasComma) this.note(at, 'colon added')
    if (frame.count > 0) this.out.push(',')
    if (frame.key !== undefined) this.out.push(frame.key, ':')
    frame.count++
    frame.key = undefined
    frame.hasComma = false
  }

  private value(json: string): void {
    this.prepare(this.at)
    this.out.push(json)
    this.after()
  }

  private after(): void {
    this.isDone ||= this.stack.length === 0
  }

  /** A string or word is a key where one is to come, else a value. */
  private take(json: string, at: number): void {
    const frame = this.stack.at(-1)
    if (frame === undefined || frame.isList || frame.key !== undefined) {
      this.value(json)
      return
    }
    if (!frame.hasComma) this.note(at, 'comma added')
    frame.key = json
    frame.keyAt = at
    // From here on: whether the colon came.
    frame.hasComma = false
    frame.commaAt = -1
  }

  private isKeyNext(): boolean {
    const frame = this.stack.at(-1)
    return frame !== undefined && !frame.isList && frame.key === undefined
  }

  private string(): void {
    const { text } = this
    const start = this.at
    const quote = text[start]!
    const closing = QUOTES[quote]!
    if (quote !== '"') this.note(start, 'quotes replaced')
    const isKey = this.isKeyNext()
    const parts: string[] = ['"']
    let from = ++this.at
    const flush = (): void => void parts.push(text.slice(from, this.at))
    for (;;) {
      const character = text[this.at]
      if (character === undefined) break
      if (character === '\\') {
        flush()
        parts.push(this.escape())
        from = this.at
      } else if (closing.includes(character) && this.isEnd(isKey)) break
      else if (character === '"' || character < ' ') {
        flush()
        this.note(this.at, character === '"' ? 'quote inside of a string escaped' : 'control character in a string escaped')
        parts.push(JSON.stringify(character).slice(1, -1))
        from = ++this.at
      } else this.at++
    }
    flush()
    const isCut = this.at >= text.length
    if (isCut) {
      this.note(text.length, 'string closed at the end')
      dropHalfPair(parts)
    } else this.at++
    parts.push('"')
    this.take(parts.join(''), start)
  }

  /** Whether a quote ends its string: where it is followed by what may follow one, or by a new line. */
  private isEnd(isKey: boolean): boolean {
    const { text } = this
    if (isKey) return true
    let at = this.at + 1
    while (at < text.length && SPACE.test(text[at]!)) if (text[at++] === '\n') return true
    const next = text[at]
    return (
      next === undefined ||
      BEHIND_STRING.test(next) ||
      Object.hasOwn(QUOTES, next) ||
      next === '#' ||
      /^\/[/*]/.test(text.slice(at, at + 2))
    )
  }

  /** From a backslash on: an escape of JSON, or what comes close to it. Nothing for one that is cut off. */
  private escape(): string {
    const { text, at } = this
    const character = text[at + 1]
    if (character === undefined) {
      this.at++
      return ''
    }
    if (character === 'u' || character === 'x') {
      const digits = character === 'u' ? 4 : 2
      const hex = text.slice(at + 2, at + 2 + digits)
      if (hex.length === digits && /^[0-9a-fA-F]+$/.test(hex)) {
        this.at += 2 + digits
        if (character === 'x') this.note(at, 'escape replaced')
        return `\\u${hex.padStart(4, '0')}`
      }
      if (at + 2 + hex.length === text.length && /^[0-9a-fA-F]*$/.test(hex)) {
        this.at = text.length
        return ''
      }
    }
    this.at += 2
    if (ESCAPES.includes(character)) return `\\${character}`
    this.note(at, 'escape replaced')
    if (character === '\n') return '\\n'
    if (Object.hasOwn(QUOTES, character)) return character
    // What JSON has no escape for was a backslash.
    this.at = at + 1
    return '\\\\'
  }

  private word(): void {
    const { text, at } = this
    const isKey = this.isKeyNext()
    const word = readWord(text, at, isKey)
    this.at = word.end
    const isCut = this.at === text.length
    if (word.text === '') return this.leaveOut(text[at]!)
    if (isKey) {
      this.note(at, 'quotes added')
      return this.take(JSON.stringify(word.text), at)
    }
    if (/^(\.{3}|…)$/.test(word.text)) return this.note(at, 'dots left out')
    const json = wordAsJson(word.text, isCut)
    if (json === undefined) this.note(at, 'quotes added')
    else if (json === '') return this.cutNumber(at)
    else if (json !== word.text) this.note(at, `${json} put in for ${word.text}`)
    this.take(json ?? JSON.stringify(word.text), at)
  }

  /** A number of which nothing is known, with which the text ends. */
  private cutNumber(at: number): void {
    this.note(at, 'number that was cut off left out')
    if (this.stack.length === 0) this.value('null')
  }
}

/** Half of a pair of surrogates at the end of a string that was cut off, by itself or as an escape. */
function dropHalfPair(parts: string[]): void {
  while (parts.length > 1 && parts.at(-1) === '') parts.pop()
  const last = parts.at(-1)!
  if (/^\\u[dD][89abAB]/.test(last)) parts.pop()
  else if ((last.charCodeAt(last.length - 1) & 0xfc00) === 0xd800) parts[parts.length - 1] = last.slice(0, -1)
}
