import { TokenizerError } from '../errors.js'

/** Walks a pattern, code point by code point, and says where it went wrong. */
export class PatternReader {
  at = 0

  constructor(
    readonly source: string,
    private readonly where: string,
    private readonly code: 'VALUE' | 'FILE',
  ) {}

  get done(): boolean {
    return this.at >= this.source.length
  }

  /** The next `count` units without taking them. */
  peek(count = 1): string {
    return this.source.slice(this.at, this.at + count)
  }

  /** Takes `text` if it comes next. */
  accept(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false
    this.at += text.length
    return true
  }

  /** Takes the next character. */
  next(): number {
    const point = this.source.codePointAt(this.at)
    if (point === undefined) throw this.malformed('something more')
    this.at += point > 0xffff ? 2 : 1
    return point
  }

  /** Takes what matches `pattern` (sticky) and returns it; undefined when nothing does. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.source)
    if (match === null) return undefined
    this.at += match[0].length
    return match
  }

  /** Takes everything up to `end` and that. */
  until(end: string): string {
    const stop = this.source.indexOf(end, this.at)
    if (stop < 0) throw this.malformed(JSON.stringify(end))
    const text = this.source.slice(this.at, stop)
    this.at = stop + end.length
    return text
  }

  malformed(expected: string, at = this.at): TokenizerError {
    const given = at < this.source.length ? JSON.stringify(String.fromCodePoint(this.source.codePointAt(at)!)) : 'the end'
    return new TokenizerError(this.code, `${this.where}: at ${at}, expected ${expected}, got ${given}, in ${this.quoted}`, { position: at })
  }

  /** For what is a regular expression but does not run here. */
  unsupported(what: string, at = this.at): TokenizerError {
    return new TokenizerError('UNSUPPORTED', `${this.where}: at ${at}, ${what}, in ${this.quoted}`, { position: at })
  }

  private get quoted(): string {
    return JSON.stringify(this.source.length > 200 ? `${this.source.slice(0, 200)}…` : this.source)
  }
}
