import { LAST_POINT, type Range } from './bytes.js'

/** Characters that stand for themselves, such as a pattern's `.` or `[^/]`: what is said of one is true of any text of them. */
export class CharacterSet {
  private readonly ascii = new Uint8Array(128)
  /** Where those beyond begin and where they end, in turns. */
  private readonly bounds: Int32Array
  readonly key: string

  /** @param ranges sorted, apart from each other */
  constructor(ranges: readonly Range[]) {
    const bounds: number[] = []
    for (const [low, high] of ranges) {
      for (let point = low; point <= Math.min(high, 127); point++) this.ascii[point] = 1
      if (high > 127) bounds.push(Math.max(low, 128), high + 1)
    }
    this.bounds = Int32Array.from(bounds)
    // Other than the key of any set of bytes.
    this.key = `c${ranges.join()}`
  }

  has(point: number): boolean {
    if (point < 128) return this.ascii[point] === 1
    const { bounds } = this
    let [low, high] = [0, bounds.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (bounds[middle]! <= point) low = middle + 1
      else high = middle
    }
    return low % 2 === 1
  }
}

/** Characters of JSON strings that stand for themselves: no quote, no backslash, no control character. */
export const PLAIN_RANGES: readonly Range[] = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, LAST_POINT],
]
