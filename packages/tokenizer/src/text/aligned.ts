/**
 * Text on its way through normalizers and pre-tokenizers, which remembers where each part of it stood in the text that was given. Positions are UTF-16
 * units throughout; other units are worked out at the very end.
 */
export class AlignedText {
  /**
   * @param text the text as it is now
   * @param starts for each unit of `text`, where the original text that it came from begins; absent when nobody asked for offsets
   * @param ends likewise, where that ends. Both rise along the text; what was inserted has the range of what it was put beside
   */
  private constructor(readonly text: string, readonly starts: Int32Array | undefined, readonly ends: Int32Array | undefined) {}

  /** A stretch of the original text that begins at `offset`. */
  static of(text: string, options: { readonly track: boolean; readonly offset?: number }): AlignedText {
    const { track, offset = 0 } = options;
    if (!track) return new AlignedText(text, undefined, undefined);
    const starts = new Int32Array(text.length);
    const ends = new Int32Array(text.length);
    for (let i = 0; i < text.length; i++) {
      // Both halves of a surrogate pair are the one character.
      const pair = isPairAt(text, i);
      starts[i] = offset + i;
      ends[i] = offset + i + (pair ? 2 : 1);
      if (!pair) continue;
      i++;
      starts[i] = offset + i - 1;
      ends[i] = offset + i + 1;
    }
    return new AlignedText(text, starts, ends);
  }

  get length(): number {
    return this.text.length;
  }

  /** Units `start` to `end`. */
  slice(start: number, end: number): AlignedText {
    if (start === 0 && end === this.text.length) return this;
    return new AlignedText(this.text.slice(start, end), this.starts?.subarray(start, end), this.ends?.subarray(start, end));
  }

  /** The original range of units `start` to `end`; an empty one lies where it stands. Only where offsets are tracked. */
  range(start: number, end: number): { readonly start: number; readonly end: number } {
    const { starts, ends } = this;
    if (starts === undefined || ends === undefined) throw new Error("range: offsets are not tracked");
    if (start < end) return { start: starts[start]!, end: ends[end - 1]! };
    const at = start < starts.length ? starts[start]! : start > 0 ? ends[start - 1]! : 0;
    return { start: at, end: at };
  }

  /**
   * The text with some stretches replaced. `edits` are in order and do not overlap; every unit of a replacement has the range of all that it replaces, and
   * what is inserted (an empty stretch) that of the unit before it, or behind it at the beginning, as in Hugging Face's NormalizedString.
   */
  replaced(edits: readonly TextEdit[]): AlignedText {
    if (edits.length === 0) return this;
    let text = "";
    let done = 0;
    for (const { start, end, replacement } of edits) {
      text += this.text.slice(done, start) + replacement;
      done = end;
    }
    text += this.text.slice(done);
    if (this.starts === undefined) return new AlignedText(text, undefined, undefined);
    const starts = new Int32Array(text.length);
    const ends = new Int32Array(text.length);
    let at = 0;
    done = 0;
    const keep = (until: number): void => {
      starts.set(this.starts!.subarray(done, until), at);
      ends.set(this.ends!.subarray(done, until), at);
      at += until - done;
    };
    for (const { start, end, replacement } of edits) {
      keep(start);
      const beside =
        start < end ? this.range(start, end) : start > 0 ? this.range(start - 1, start) : this.range(0, Math.min(1, this.length));
      starts.fill(beside.start, at, at + replacement.length);
      ends.fill(beside.end, at, at + replacement.length);
      at += replacement.length;
      done = end;
    }
    keep(this.length);
    return new AlignedText(text, starts, ends);
  }
}

export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

/** Whether the units at `at` and behind it are one character. */
export const isPairAt = (text: string, at: number): boolean =>
  (text.charCodeAt(at) & 0xfc00) === 0xd800 && at + 1 < text.length && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
