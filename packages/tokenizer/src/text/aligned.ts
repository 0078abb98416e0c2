/**
 * Text on its way through normalizers and pre-tokenizers, which remembers where each part of it stood in the text that was given. Positions are
 * UTF-16 units throughout; other units are worked out at the very end. Alignment follows the NormalizedString of Hugging Face tokenizers.
 */
export class AlignedText {
  /**
   * @param text the text as it is now
   * @param starts for each unit of `text`, where the original text that it came from begins; absent when nobody asked for offsets
   * @param ends likewise, where that ends. Both rise along the text; what was inserted has the range of what it was put beside
   * @param begins whether the first unit comes from the very beginning of the text that was given, as far as is known without offsets
   */
  private constructor(
    readonly text: string,
    readonly starts: Int32Array | undefined,
    readonly ends: Int32Array | undefined,
    private readonly begins: boolean,
  ) {}

  /** A stretch of the original text that begins at `offset`. */
  static of(text: string, options: { readonly track: boolean; readonly offset?: number }): AlignedText {
    const { track, offset = 0 } = options
    if (!track) return new AlignedText(text, undefined, undefined, offset === 0)
    const starts = new Int32Array(text.length)
    const ends = new Int32Array(text.length)
    for (let i = 0; i < text.length; i++) {
      // Both halves of a surrogate pair are the one character.
      const pair = isPairAt(text, i)
      starts[i] = offset + i
      ends[i] = offset + i + (pair ? 2 : 1)
      if (!pair) continue
      i++
      starts[i] = offset + i - 1
      ends[i] = offset + i + 1
    }
    return new AlignedText(text, starts, ends, offset === 0)
  }

  get length(): number {
    return this.text.length
  }

  /** Whether positions are kept. */
  get tracked(): boolean {
    return this.starts !== undefined
  }

  /**
   * Whether the first unit comes from the very beginning of the text that was given. Without tracking, what a normalizer makes of the first character is
   * taken to begin there only in its first unit.
   */
  get atOrigin(): boolean {
    return this.starts === undefined || this.starts.length === 0 ? this.begins : this.starts[0] === 0
  }

  /** Units `start` to `end`. */
  slice(start: number, end: number): AlignedText {
    if (start === 0 && end === this.text.length) return this
    return new AlignedText(
      this.text.slice(start, end),
      this.starts?.subarray(start, end),
      this.ends?.subarray(start, end),
      this.begins && start === 0,
    )
  }

  /** The original range of units `start` to `end`; an empty one lies where it stands. Only where offsets are tracked. */
  range(start: number, end: number): { readonly start: number; readonly end: number } {
    const { starts, ends } = this
    if (starts === undefined || ends === undefined) throw new Error('range: offsets are not tracked')
    if (start < end) return { start: starts[start]!, end: ends[end - 1]! }
    const at = start < starts.length ? starts[start]! : start > 0 ? ends[start - 1]! : 0
    return { start: at, end: at }
  }

  /**
   * The same number of units with other characters in place of some, such as `▁` for a blank.
   *
   * @param text as long as the text at hand; no surrogate pair may begin or end elsewhere
   */
  respelled(text: string): AlignedText {
    return text === this.text ? this : new AlignedText(text, this.starts, this.ends, this.begins)
  }

  /** The text with `prefix` in front, which has the range of the first character. An empty text stays empty, as in Hugging Face's. */
  prepended(prefix: string): AlignedText {
    if (this.text === '' || prefix === '') return this
    const text = prefix + this.text
    if (this.starts === undefined) return new AlignedText(text, undefined, undefined, this.begins)
    const starts = new Int32Array(text.length)
    const ends = new Int32Array(text.length)
    starts.fill(this.starts[0]!, 0, prefix.length)
    ends.fill(this.ends![0]!, 0, prefix.length)
    starts.set(this.starts, prefix.length)
    ends.set(this.ends!, prefix.length)
    return new AlignedText(text, starts, ends, this.begins)
  }

  /**
   * The text rewritten character by character. `changes` says of each character (code point) of `text` where it comes from: 0, it stands for
   * the next character of the text at hand; −n, for the next one, and n behind it are gone; 1, it was inserted and belongs to the one before.
   *
   * @param changes called only where offsets are tracked
   * @param skipped how many characters at the beginning are gone
   */
  transformed(text: string, changes: () => ArrayLike<number>, skipped = 0): AlignedText {
    const begins = this.begins && skipped === 0
    if (this.starts === undefined) return new AlignedText(text, undefined, undefined, begins)
    const source = this.text
    const starts = new Int32Array(text.length)
    const ends = new Int32Array(text.length)
    const list = changes()
    let from = 0
    const skip = (count: number): void => {
      for (; count > 0 && from < source.length; count--) from += isPairAt(source, from) ? 2 : 1
    }
    skip(skipped)
    for (let at = 0, i = 0; at < text.length; i++) {
      const units = isPairAt(text, at) ? 2 : 1
      const change = list[i]!
      const beside = Math.min(change > 0 ? from - 1 : from, source.length - 1)
      // What is inserted before everything belongs to nothing.
      const start = beside < 0 ? (this.starts[0] ?? 0) : this.starts[beside]!
      const end = beside < 0 ? start : this.ends![beside]!
      for (let unit = 0; unit < units; unit++, at++) {
        starts[at] = start
        ends[at] = end
      }
      if (change <= 0) skip(1 - change)
    }
    return new AlignedText(text, starts, ends, begins)
  }

  /**
   * The text with some stretches replaced. `edits` are in order and do not overlap; every unit of a replacement has the range of the last
   * character that it replaces, and what is inserted (an empty stretch) that of the character before it.
   */
  replaced(edits: readonly TextEdit[]): AlignedText {
    if (edits.length === 0) return this
    let text = ''
    let done = 0
    for (const { start, end, replacement } of edits) {
      text += this.text.slice(done, start) + replacement
      done = end
    }
    text += this.text.slice(done)
    const first = edits[0]!
    // What stands for more than the first character, or follows it once it is gone, does not begin where the text began.
    const single = isPairAt(this.text, 0) ? 2 : 1
    const begins = this.begins && (first.start > 0 || first.end === 0 || (first.end <= single && first.replacement !== ''))
    if (this.starts === undefined) return new AlignedText(text, undefined, undefined, begins)
    const starts = new Int32Array(text.length)
    const ends = new Int32Array(text.length)
    let at = 0
    done = 0
    const keep = (until: number): void => {
      starts.set(this.starts!.subarray(done, until), at)
      ends.set(this.ends!.subarray(done, until), at)
      at += until - done
    }
    for (const { start, end, replacement } of edits) {
      keep(start)
      const from = end > 0 ? this.starts[end - 1]! : (this.starts[0] ?? 0)
      starts.fill(from, at, at + replacement.length)
      ends.fill(end > 0 ? this.ends![end - 1]! : from, at, at + replacement.length)
      at += replacement.length
      done = end
    }
    keep(this.length)
    return new AlignedText(text, starts, ends, begins)
  }
}

export interface TextEdit {
  readonly start: number
  readonly end: number
  readonly replacement: string
}

/** Whether the units at `at` and behind it are one character. */
export const isPairAt = (text: string, at: number): boolean =>
  (text.charCodeAt(at) & 0xfc00) === 0xd800 && at + 1 < text.length && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00
