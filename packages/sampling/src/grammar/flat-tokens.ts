/** So few are put in order one by one. */
const FEW = 8

/** The bytes of a vocabulary's tokens in one array: each token by itself is somewhere else in memory, which takes longer to come to than to read. */
export class FlatTokens {
  readonly bytes: Uint8Array
  /** The bytes of token `id` are those from `starts[id]` to `starts[id + 1]`. */
  readonly starts: Int32Array

  constructor(tokens: readonly (Uint8Array | undefined)[], ids: readonly number[]) {
    this.starts = new Int32Array(tokens.length + 1)
    for (const id of ids) this.starts[id + 1] = tokens[id]!.length
    for (let id = 0; id < tokens.length; id++) this.starts[id + 1]! += this.starts[id]!
    const bytes = new Uint8Array(this.starts[tokens.length]!)
    for (const id of ids) {
      const token = tokens[id]!
      for (let i = 0, at = this.starts[id]!; i < token.length; i++, at++) bytes[at] = token[i]!
    }
    this.bytes = bytes
  }

  lengthOf(id: number): number {
    return this.starts[id + 1]! - this.starts[id]!
  }

  /** How many bytes two tokens begin with together, if they do with `from`. */
  common(a: number, b: number, from = 0): number {
    const { bytes, starts } = this
    const [first, second] = [starts[a]!, starts[b]!]
    const length = Math.min(starts[a + 1]! - first, starts[b + 1]! - second)
    let shared = from
    while (shared < length && bytes[first + shared] === bytes[second + shared]) shared++
    return shared
  }

  /**
   * Ids in the order of their tokens' bytes, those of equal tokens as they stood. A few bytes of each token and its place are one number, and numbers are sorted without a function that compares them; of
   * tokens that begin alike the bytes after these are looked at in turn.
   */
  sort(ids: readonly number[]): Int32Array {
    const { bytes, starts } = this
    const sorted = Int32Array.from(ids)
    const keys = new Float64Array(ids.length)
    const places = 2 ** Math.ceil(Math.log2(Math.max(2, ids.length)))
    // A byte is one of 257, as it may be missing; together they stay below the largest integer.
    const width = 257 ** 4 * places <= Number.MAX_SAFE_INTEGER ? 4 : 3
    const open = [{ from: 0, to: ids.length, at: 0 }]
    for (let part = open.pop(); part !== undefined; part = open.pop()) {
      const { from, to, at } = part
      if (to - from <= FEW) {
        this.insert(sorted, from, to, at)
        continue
      }
      const before = sorted.slice(from, to)
      const own = keys.subarray(0, to - from)
      for (let i = 0; i < own.length; i++) {
        const first = starts[before[i]!]! + at
        const end = starts[before[i]! + 1]!
        let key = 0
        for (let k = first; k < first + width; k++) key = key * 257 + (k < end ? bytes[k]! + 1 : 0)
        own[i] = key * places + i
      }
      own.sort()
      for (let i = 0, start = 0; i < own.length; i++) {
        sorted[from + i] = before[own[i]! % places]!
        const key = Math.floor(own[i]! / places)
        if (i + 1 < own.length && Math.floor(own[i + 1]! / places) === key) continue
        // Tokens that end within the bytes that were looked at are equal.
        if (i > start && key % 257 !== 0) open.push({ from: from + start, to: from + i + 1, at: at + width })
        start = i + 1
      }
    }
    return sorted
  }

  private insert(sorted: Int32Array, from: number, to: number, at: number): void {
    for (let i = from + 1; i < to; i++) {
      const id = sorted[i]!
      let place = i
      for (; place > from && this.isAbove(sorted[place - 1]!, id, at); place--) sorted[place] = sorted[place - 1]!
      sorted[place] = id
    }
  }

  /** Of two tokens that share their first `at` bytes, whether the first comes behind the second. */
  private isAbove(a: number, b: number, at: number): boolean {
    const shared = this.common(a, b, at)
    if (shared === this.lengthOf(a)) return false
    return shared === this.lengthOf(b) || this.bytes[this.starts[a]! + shared]! > this.bytes[this.starts[b]! + shared]!
  }
}
