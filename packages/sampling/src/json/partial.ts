/** JSON as it arrives: the value so far after every piece of text, each character looked at once. */
import type { ModelJson } from '@tesserae/core'
import { checkInteger } from '../check.js'
import { JsonError } from './json-error.js'

/** `T` while it is being read: properties may be missing at every depth, and lists may go on. */
export type DeepPartial<T> = T extends readonly (infer Item)[]
  ? DeepPartial<Item>[]
  : T extends object
    ? { [Key in keyof T]?: DeepPartial<T[Key]> }
    : T

/** Where a value is: the keys and indices that lead to it from the outermost one. */
export type JsonPath = readonly (string | number)[]

export type JsonEvent =
  /** A string, not a key, has begun or become longer. */
  | { readonly type: 'text'; readonly path: JsonPath; readonly delta: string }
  /** A value is complete. */
  | { readonly type: 'value'; readonly path: JsonPath; readonly value: ModelJson }

export interface PartialJsonOptions {
  /** Called for each step, those of one piece of text in order. */
  readonly onEvent?: (event: JsonEvent) => void
  /** How many lists and objects may be inside of each other. Default 1,000. */
  readonly depth?: number
}

type Container = ModelJson[] | { [key: string]: ModelJson }

interface Frame {
  readonly container: Container
  /** Of the value that is being read: its index, or its key. */
  key: string | number
}

/** What may come next. */
type State = 'value' | 'first-item' | 'first-key' | 'key' | 'colon' | 'after' | 'string' | 'number' | 'literal' | 'done'

const LITERALS: Readonly<Record<string, ModelJson>> = { true: true, false: false, null: null }
const ESCAPED: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }
/** Where a number stands: by what has come of it, what each kind of character leads to. */
const NUMBERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  begin: { '-': 'minus', 0: 'zero', digit: 'whole' },
  minus: { 0: 'zero', digit: 'whole' },
  zero: { '.': 'point', e: 'exponent' },
  whole: { 0: 'whole', digit: 'whole', '.': 'point', e: 'exponent' },
  point: { 0: 'fraction', digit: 'fraction' },
  fraction: { 0: 'fraction', digit: 'fraction', e: 'exponent' },
  exponent: { '-': 'sign', '+': 'sign', 0: 'power', digit: 'power' },
  sign: { 0: 'power', digit: 'power' },
  power: { 0: 'power', digit: 'power' },
}
const NUMBERS_THAT_MAY_END = new Set(['zero', 'whole', 'fraction', 'power'])
const WANTED: Readonly<Record<State, string>> = {
  value: 'a value',
  'first-item': 'a value or ]',
  'first-key': 'a key or }',
  key: 'a key',
  colon: 'a colon',
  after: 'a comma or the end of the list or object',
  string: 'more of a string',
  number: 'more of a number',
  literal: 'more of true, false or null',
  done: 'nothing more',
}

/**
 * Reads one JSON value in pieces, cut anywhere. What is read is what `JSON.parse` reads; the last of equal keys counts.
 *
 * @example
 * const reader = new PartialJson<{ city: string; days: number }>()
 * reader.push('{"city": "Par')
 * reader.value // { city: 'Par' }
 * reader.push('is", "days": 1')
 * reader.value // { city: 'Paris' }, for 1 may become 12
 * reader.push('}')
 * reader.end() // { city: 'Paris', days: 1 }
 */
export class PartialJson<T = ModelJson> {
  private readonly stack: Frame[] = []
  private readonly depth: number
  private readonly onEvent: ((event: JsonEvent) => void) | undefined
  private state: State = 'value'
  private root: ModelJson | undefined
  /** Characters before the present piece. */
  private offset = 0
  /** What has come of the string, number or literal that is being read; of a string, what is in the value. */
  private text = ''
  /** What has come of the string since: looked at by itself, for a long string is not to be put together each time. */
  private more = ''
  private number = 'begin'
  private isKey = false
  private hasBegun = false
  /** An escape that is being read, from its backslash on. */
  private escape = ''
  private failure: JsonError | undefined

  constructor({ onEvent, depth = 1000 }: PartialJsonOptions = {}) {
    checkInteger('depth', depth, 1, 1_000_000)
    this.depth = depth
    this.onEvent = onEvent
  }

  /**
   * The value as far as it is known; undefined while nothing is. Strings grow; numbers, `true`, `false`, `null` and keys are there once they are complete. Lists and objects are the same ones each time and
   * are added to: copy what is to stay as it is.
   */
  get value(): DeepPartial<T> | undefined {
    return this.root as DeepPartial<T> | undefined
  }

  /** Whether the value has ended. A number that is not in a list or object ends with the text only: see {@link end}. */
  get isComplete(): boolean {
    return this.state === 'done'
  }

  /** Whether the text so far ends inside of a string or key. */
  get isInString(): boolean {
    return this.state === 'string'
  }

  /** Characters that were read so far. */
  get length(): number {
    return this.offset
  }

  /** @throws JsonError where the text is no JSON, at this and at every later call; what came before is in {@link value} */
  push(piece: string): void {
    const start = this.offset
    const end = this.read(piece)
    for (let at = end; at < piece.length; at++)
      if (!isSpace(piece.charCodeAt(at))) {
        this.offset = start + at
        throw this.fail(piece[at]!)
      }
    this.offset = start + piece.length
  }

  /** No more text comes. @throws JsonError where the value is not complete */
  end(): T {
    if (this.failure !== undefined) throw this.failure
    if (this.state === 'number' && this.stack.length === 0) this.endNumber()
    if (this.state !== 'done')
      throw (this.failure = new JsonError(
        `The JSON text ends after ${this.offset} characters where ${WANTED[this.state]} is to come; for what has come of it read value, or see repairJson`,
        this.offset,
      ))
    return this.root as T
  }

  /**
   * Reads up to the end of the value and no further.
   *
   * @returns where the first character is that does not belong to it: the length of the piece where all do
   */
  read(piece: string, from = 0): number {
    if (this.failure !== undefined) throw this.failure
    const start = this.offset - from
    let at = from
    while (at < piece.length && this.state !== 'done') {
      this.offset = start + at
      at = this.step(piece, at)
    }
    if (this.state === 'string') this.show()
    this.offset = start + at
    return at
  }

  private step(piece: string, at: number): number {
    switch (this.state) {
      case 'string':
        return this.readString(piece, at)
      case 'number':
        return this.readNumber(piece, at)
      case 'literal':
        return this.readLiteral(piece, at)
      default: {
        const code = piece.charCodeAt(at)
        if (!isSpace(code)) this.structure(piece[at]!)
        // A number's first character is one of those that are looked at together.
        return (this.state as State) === 'number' ? at : at + 1
      }
    }
  }

  private structure(character: string): void {
    const { state } = this
    switch (character) {
      case '"':
        if (state === 'colon' || state === 'after') throw this.fail(character)
        this.isKey = state === 'key' || state === 'first-key'
        return this.begin('string')
      case '{':
      case '[':
        if (state !== 'value' && state !== 'first-item') throw this.fail(character)
        return this.open(character === '[' ? [] : {})
      case '}':
        if (state === 'first-key' || (state === 'after' && !this.inList())) return this.close()
        throw this.fail(character)
      case ']':
        if (state === 'first-item' || (state === 'after' && this.inList())) return this.close()
        throw this.fail(character)
      case ':':
        if (state !== 'colon') throw this.fail(character)
        this.state = 'value'
        return
      case ',': {
        if (state !== 'after') throw this.fail(character)
        const frame = this.stack.at(-1)!
        if (typeof frame.key === 'number') frame.key++
        this.state = typeof frame.key === 'number' ? 'value' : 'key'
        return
      }
      default:
        if (state !== 'value' && state !== 'first-item') throw this.fail(character)
        if (character === 't' || character === 'f' || character === 'n') {
          this.begin('literal')
          this.text = character
        } else if (character === '-' || (character >= '0' && character <= '9')) this.begin('number')
        else throw this.fail(character)
    }
  }

  private begin(state: State): void {
    this.state = state
    this.text = ''
    this.more = ''
    this.number = 'begin'
    this.hasBegun = false
  }

  private inList(): boolean {
    return typeof this.stack.at(-1)!.key === 'number'
  }

  private open(container: Container): void {
    if (this.stack.length >= this.depth)
      throw (this.failure = new JsonError(
        `The JSON text has more than ${this.depth} lists and objects inside of each other, from its character ${this.offset} on`,
        this.offset,
      ))
    this.place(container)
    this.stack.push({ container, key: Array.isArray(container) ? 0 : '' })
    this.state = Array.isArray(container) ? 'first-item' : 'first-key'
  }

  private close(): void {
    this.complete(this.stack.pop()!.container)
  }

  /** Puts what is known of a value where it belongs. */
  private place(value: ModelJson): void {
    const frame = this.stack.at(-1)
    if (frame === undefined) this.root = value
    else if (Array.isArray(frame.container)) frame.container[frame.key as number] = value
    else setOwn(frame.container, frame.key as string, value)
  }

  /** A value has ended, and is where it belongs. */
  private complete(value: ModelJson): void {
    this.onEvent?.({ type: 'value', path: this.path(), value })
    this.state = this.stack.length === 0 ? 'done' : 'after'
  }

  private path(): JsonPath {
    return this.stack.map(({ key }) => key)
  }

  private readString(piece: string, from: number): number {
    let at = from
    if (this.escape !== '') {
      this.continueEscape(piece[at]!)
      return at + 1
    }
    for (; at < piece.length; at++) {
      const code = piece.charCodeAt(at)
      if (code === 0x22 || code === 0x5c || code < 0x20) break
    }
    this.more += piece.slice(from, at)
    if (at === piece.length) return at
    const character = piece[at]!
    this.offset += at - from
    if (character === '\\') this.escape = character
    else if (character === '"') this.endString()
    else throw this.fail(character)
    return at + 1
  }

  private continueEscape(character: string): void {
    if (this.escape === '\\') {
      if (character === 'u') {
        this.escape = '\\u'
        return
      }
      const meant = Object.hasOwn(ESCAPED, character) ? ESCAPED[character] : undefined
      if (meant === undefined) throw this.fail(character)
      this.more += meant
      this.escape = ''
      return
    }
    if (!/[0-9a-fA-F]/.test(character)) throw this.fail(character)
    this.escape += character
    if (this.escape.length < 6) return
    this.more += String.fromCharCode(Number.parseInt(this.escape.slice(2), 16))
    this.escape = ''
  }

  private endString(): void {
    if (this.isKey) {
      this.stack.at(-1)!.key = this.more
      this.state = 'colon'
      return
    }
    this.show(true)
    this.complete(this.text)
  }

  /** Lets what has come of a string be seen, without half of a pair of surrogates. */
  private show(isWhole = false): void {
    if (this.isKey) return
    const { more } = this
    const isHalf = !isWhole && (more.charCodeAt(more.length - 1) & 0xfc00) === 0xd800
    const delta = isHalf ? more.slice(0, -1) : more
    if (this.hasBegun && delta === '') return
    this.text += delta
    this.more = isHalf ? more.slice(-1) : ''
    this.place(this.text)
    this.onEvent?.({ type: 'text', path: this.path(), delta })
    this.hasBegun = true
  }

  private readNumber(piece: string, from: number): number {
    let at = from
    for (; at < piece.length; at++) {
      const character = piece[at]!
      const kind = character === 'E' ? 'e' : character >= '1' && character <= '9' ? 'digit' : character
      const next = Object.hasOwn(NUMBERS[this.number]!, kind) ? NUMBERS[this.number]![kind] : undefined
      if (next === undefined) break
      this.number = next
    }
    this.text += piece.slice(from, at)
    this.offset += at - from
    if (at < piece.length) this.endNumber(piece[at])
    return at
  }

  private endNumber(before?: string): void {
    if (!NUMBERS_THAT_MAY_END.has(this.number)) throw this.fail(before)
    const value = Number(this.text)
    this.place(value)
    this.complete(value)
  }

  private readLiteral(piece: string, at: number): number {
    const name = this.text[0] === 't' ? 'true' : this.text[0] === 'f' ? 'false' : 'null'
    if (piece[at] !== name[this.text.length]) throw this.fail(piece[at]!)
    this.text += piece[at]!
    if (this.text === name) {
      this.place(LITERALS[name]!)
      this.complete(LITERALS[name]!)
    }
    return at + 1
  }

  private fail(character: string | undefined): JsonError {
    if (this.state === 'string') this.show()
    const found = character === undefined ? 'its end' : JSON.stringify(character)
    return (this.failure = new JsonError(
      `The text is no JSON: after ${this.offset} characters there is ${found} where ${WANTED[this.state]} is to come`,
      this.offset,
    ))
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

/** As `JSON.parse` does it: a property of its own, whatever its name. */
function setOwn(object: { [key: string]: ModelJson }, key: string, value: ModelJson): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
  else object[key] = value
}

export interface PartialJsonResult<T> {
  /** What is known of it; undefined where nothing is. */
  readonly value: DeepPartial<T> | undefined
  readonly isComplete: boolean
}

/**
 * What is known of a JSON value whose text may be cut off. A number at the end of the text is not known, for it may go on.
 *
 * @throws JsonError where the text is no JSON and does not become it, whatever comes
 */
export function parsePartialJson<T = ModelJson>(text: string, options: PartialJsonOptions = {}): PartialJsonResult<T> {
  const reader = new PartialJson<T>(options)
  reader.push(text)
  return { value: reader.value, isComplete: reader.isComplete }
}
