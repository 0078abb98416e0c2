/** How a text was cut: segment `i` is token `ids[i]` and ends before byte `ends[i]`; it begins where the one before it ends. */
export class Segments {
  ids = new Int32Array(256)
  ends = new Int32Array(256)
  length = 0

  push(id: number, end: number): void {
    if (this.length === this.ids.length) this.reserve(1)
    this.ids[this.length] = id
    this.ends[this.length++] = end
  }

  /** Makes room for `count` more segments. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.ids.length) return
    const size = Math.max(needed, this.ids.length * 2)
    const ids = new Int32Array(size)
    const ends = new Int32Array(size)
    ids.set(this.ids.subarray(0, this.length))
    ends.set(this.ends.subarray(0, this.length))
    this.ids = ids
    this.ends = ends
  }

  /** Empties the list and gives back the memory that an unusually long text took. */
  clear(): void {
    this.length = 0
    if (this.ids.length <= 1 << 20) return
    this.ids = new Int32Array(256)
    this.ends = new Int32Array(256)
  }
}

/** Cuts a whole text into the pieces of a vocabulary. What no piece covers becomes segments of {@link UNKNOWN}, a character each. */
export interface Segmenter {
  /** Whether parts of a text that no piece reaches across are cut as they are on their own. Sums of scores that are rounded depend on all before them. */
  readonly wordwise?: boolean
  /**
   * @param bytes valid UTF-8
   * @param length how many of `bytes` count
   */
  segment(bytes: Uint8Array, length: number, out: Segments): void
}

/** The id of a segment that is no token. */
export const UNKNOWN = -1

/** The length in bytes of the character that begins with this byte of valid UTF-8. */
export const charLength = (first: number): number => (first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4)
