/** The text of a grammar as it is read, and errors that say where in it something is wrong. */
import { SamplingError } from '../errors.js'
import { utf8 } from './bytes.js'
import type { Node, Nodes } from './nodes.js'

/** Characters that the text of a grammar may have. */
const MOST_CHARACTERS = 1_000_000
/** Groups within groups. */
const MOST_DEPTH = 200
/** Larger counts are counted as the text goes on, and need no limit but that of numbers. */
const MOST_COUNT = 2 ** 30

export class Source {
  at = 0
  private depth = 0

  /** @throws SamplingError `GRAMMAR` for what is no text, and for one of more than 1,000,000 characters */
  constructor(
    private readonly language: string,
    readonly text: string,
  ) {
    if (typeof text !== 'string') throw new SamplingError('GRAMMAR', `A grammar in ${language} is a text, got ${typeof text}`)
    if (text.length > MOST_CHARACTERS)
      throw new SamplingError('GRAMMAR', `A grammar in ${language} has at most ${MOST_CHARACTERS} characters, got ${text.length}`)
  }

  get isAtEnd(): boolean {
    return this.at >= this.text.length
  }

  /** The present character; empty at the end. */
  get char(): string {
    const point = this.text.codePointAt(this.at)
    return point === undefined ? '' : String.fromCodePoint(point)
  }

  /** Whether the text goes on with another. */
  sees(text: string): boolean {
    return this.text.startsWith(text, this.at)
  }

  eat(text: string): boolean {
    if (!this.sees(text)) return false
    this.at += text.length
    return true
  }

  /** @throws SamplingError `GRAMMAR` where another text comes */
  expect(text: string, what = JSON.stringify(text)): void {
    if (!this.eat(text)) throw this.expected(what)
  }

  /** What a sticky expression matches here; undefined for nothing. */
  match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at
    const found = expression.exec(this.text)
    if (found === null) return undefined
    this.at += found[0].length
    return found
  }

  looksLike(expression: RegExp): boolean {
    expression.lastIndex = this.at
    return expression.test(this.text)
  }

  /** One character as it is, as a code point. */
  takeCharacter(): number {
    const point = this.text.codePointAt(this.at)
    if (point === undefined) throw this.expected('a character')
    this.at += point > 0xffff ? 2 : 1
    return this.checkPoint(point, this.at - 1)
  }

  /** @returns the code point of so many hexadecimal digits */
  takeHex(digits: number): number {
    const text = this.text.slice(this.at, this.at + digits)
    if (text.length < digits || !/^[0-9a-fA-F]+$/.test(text)) throw this.expected(`${digits} hexadecimal digits`)
    const point = Number.parseInt(text, 16)
    this.checkPoint(point, this.at)
    this.at += digits
    return point
  }

  takeCount(): number {
    const start = this.at
    const digits = this.match(/\d+/y)?.[0]
    if (digits === undefined) throw this.expected('a number')
    const count = Number(digits)
    if (count > MOST_COUNT) throw this.error(`a count of at most ${MOST_COUNT} is possible, found ${digits}`, start)
    return count
  }

  /** Goes into a group, calls `inside`, and leaves it. */
  nested<T>(inside: () => T): T {
    if (++this.depth > MOST_DEPTH) throw this.error(`groups are nested more than ${MOST_DEPTH} deep`)
    const result = inside()
    this.depth--
    return result
  }

  /** An error that says what was found where something else was expected. */
  expected(what: string, at = this.at): SamplingError {
    const point = this.text.codePointAt(at)
    const found =
      point === undefined
        ? 'the end of the text'
        : point === 10 || point === 13
          ? 'the end of the line'
          : JSON.stringify(String.fromCodePoint(point))
    return this.error(`expected ${what}, found ${found}`, at)
  }

  error(problem: string, at = this.at): SamplingError {
    const before = this.text.slice(0, at).split(/\r\n|\r|\n/)
    return new SamplingError('GRAMMAR', `${this.language}, line ${before.length}, column ${[...before.at(-1)!].length + 1}: ${problem}`)
  }

  private checkPoint(point: number, at: number): number {
    if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
      throw this.error(`U+${point.toString(16).toUpperCase().padStart(4, '0')} is no character of Unicode`, at)
    return point
  }
}

/** A part of a rule: bytes as they are, or an expression. Bytes are put together and shared as long as they can be. */
export type Piece = Uint8Array | Node

export const pieceOf = (points: readonly number[]): Piece => Uint8Array.from(points.flatMap(utf8))

export const nodeOf = (nodes: Nodes, piece: Piece): Node => (typeof piece === 'number' ? piece : nodes.literal(piece))

export function sequenceOf(nodes: Nodes, pieces: readonly Piece[]): Piece {
  if (pieces.length === 1) return pieces[0]!
  if (pieces.every((piece) => typeof piece !== 'number')) return Uint8Array.from(pieces.flatMap((piece) => [...piece]))
  return nodes.sequence(...pieces.map((piece) => nodeOf(nodes, piece)))
}

export function choiceOf(nodes: Nodes, pieces: readonly Piece[]): Piece {
  if (pieces.length === 1) return pieces[0]!
  const texts = pieces.filter((piece) => typeof piece !== 'number')
  return nodes.choice(nodes.literals(texts), ...pieces.filter((piece) => typeof piece === 'number'))
}
