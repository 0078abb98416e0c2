import { charLength, UNKNOWN } from './segments.js'

/** The number of tokens of a text that grows at its end, kept for its beginnings, so that the end may be taken back. */
export interface Prefixes {
  /** Bytes so far. */
  readonly length: number
  /** The number of tokens of all so far. */
  readonly count: number
  /** No text that goes on from here has fewer tokens than this. */
  readonly least: number
  /** Adds `bytes[start, end)`, whole characters of UTF-8. */
  push(bytes: Uint8Array, start: number, end: number): void
  /** Takes back all but the first `length` bytes, as long as these were the last of a call of {@link Prefixes.push}, not long ago. */
  truncate(length: number): void
}

/** What is kept of beginnings that are no longer needed before it is dropped. */
const SLACK = 1 << 16

/** Columns over the beginnings of a text, of which only the latest are needed: entry `at` is of the first `at` bytes. A model fills in one by those before it. */
export abstract class PrefixColumns implements Prefixes {
  /** The bytes themselves; byte `at` of the text is `bytes[at - base]`. */
  protected bytes = new Uint8Array(1024)
  /** The last token, or a number below zero: {@link NO_END} where no character ends. */
  protected token = new Int32Array(1024)
  /** Where that token begins. */
  protected from = new Int32Array(1024)
  protected counts = new Int32Array(1024)
  /** The score of the tokens, where there are scores. */
  protected scores: Float64Array
  protected base = 0
  length = 0

  /**
   * @param window how far back from the end is looked
   * @param byBytes whether tokens may end at any byte; else they end with characters
   * @param scored whether there are scores
   */
  constructor(
    private readonly window: number,
    private readonly byBytes: boolean,
    scored: boolean,
  ) {
    this.scores = new Float64Array(scored ? 1024 : 0)
    this.token[0] = UNKNOWN
  }

  /** Fills in the entry of the first `at` bytes, the last `size` of which are one symbol. */
  protected abstract end(at: number, size: number): void

  get count(): number {
    return this.counts[this.length - this.base]!
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    let at = this.length
    this.append(bytes, start, end)
    while (at < this.length) {
      const size = this.byBytes ? 1 : charLength(this.bytes[at - this.base]!)
      for (let inside = 1; inside < size; inside++) this.token[at + inside - this.base] = NO_END
      at += size
      this.end(at, size)
    }
  }

  truncate(length: number): void {
    this.length = length
  }

  /** Takes bytes in and makes room; entries that may have moved are found by `base`. */
  private append(source: Uint8Array, start: number, end: number): void {
    const added = end - start
    if (this.length - this.base > 2 * (this.window + SLACK)) this.drop(this.length - 2 * this.window - SLACK)
    const needed = this.length - this.base + added + 1
    if (needed > this.bytes.length) this.resize(Math.max(needed, this.bytes.length * 2))
    this.bytes.set(source.subarray(start, end), this.length - this.base)
    this.length += added
  }

  /** The least number of tokens of the beginnings that a token of a longer text can go on from. */
  get least(): number {
    let least = this.counts[this.length - this.base]!
    for (let at = Math.max(this.base, this.length - this.window); at < this.length; at++) {
      if (this.token[at - this.base] !== NO_END) least = Math.min(least, this.counts[at - this.base]!)
    }
    return least
  }

  private drop(until: number): void {
    const gone = until - this.base
    for (const column of [this.bytes, this.token, this.from, this.counts, this.scores])
      column.copyWithin(0, gone, this.length - this.base + 1)
    this.base = until
  }

  private resize(size: number): void {
    const grown = <T extends Uint8Array | Int32Array | Float64Array>(column: T, into: T): T => {
      into.set(column)
      return into
    }
    this.bytes = grown(this.bytes, new Uint8Array(size))
    this.token = grown(this.token, new Int32Array(size))
    this.from = grown(this.from, new Int32Array(size))
    this.counts = grown(this.counts, new Int32Array(size))
    if (this.scores.length > 0) this.scores = grown(this.scores, new Float64Array(size))
  }
}

/** The mark of a beginning that ends inside a character. */
export const NO_END = -2
