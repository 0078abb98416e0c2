/** Sets of bytes, and code points as the bytes of their UTF-8 forms. */

/** 256 bits. */
export class ByteSet {
  readonly words = new Uint32Array(8)

  static of(...bytes: readonly number[]): ByteSet {
    const set = new ByteSet()
    for (const byte of bytes) set.add(byte)
    return set
  }

  static range(low: number, high: number): ByteSet {
    const set = new ByteSet()
    for (let byte = low; byte <= high; byte++) set.add(byte)
    return set
  }

  add(byte: number): void {
    this.words[byte >> 5]! |= 1 << (byte & 31)
  }

  has(byte: number): boolean {
    return ((this.words[byte >> 5]! >>> (byte & 31)) & 1) === 1
  }

  get key(): string {
    return this.words.join()
  }

  get isEmpty(): boolean {
    return this.words.every((word) => word === 0)
  }

  union(other: ByteSet): ByteSet {
    const set = new ByteSet()
    set.addAll(this)
    set.addAll(other)
    return set
  }

  addAll(other: ByteSet): void {
    for (let i = 0; i < 8; i++) this.words[i]! |= other.words[i]!
  }

  without(other: ByteSet): ByteSet {
    const set = new ByteSet()
    for (let i = 0; i < 8; i++) set.words[i] = this.words[i]! & ~other.words[i]!
    return set
  }

  /** Whether all bytes of another set are in it. */
  holds(other: ByteSet): boolean {
    return other.words.every((word, i) => (word & ~this.words[i]!) === 0)
  }

  /** Whether some byte is in both. */
  meets(other: ByteSet): boolean {
    for (let i = 0; i < 8; i++) if ((this.words[i]! & other.words[i]!) !== 0) return true
    return false
  }

  /** The first two bytes; −1 where there are fewer. */
  firstTwo(): readonly [number, number] {
    let first = -1
    for (let i = 0; i < 8; i++)
      for (let word = this.words[i]!; word !== 0; word &= word - 1) {
        const byte = i * 32 + 31 - Math.clz32(word & -word)
        if (first >= 0) return [first, byte]
        first = byte
      }
    return [first, -1]
  }

  *[Symbol.iterator](): Iterator<number> {
    for (let byte = 0; byte < 256; byte++) if (this.has(byte)) yield byte
  }
}

/** Code points from `low` to `high`, both included. */
export type Range = readonly [low: number, high: number]

export const LAST_POINT = 0x10ffff
/** Halves of surrogate pairs are no code points, and have no UTF-8 form. */
const SURROGATES: Range = [0xd800, 0xdfff]

/** Sorted, apart from each other, without surrogates. */
export function normalRanges(ranges: Iterable<Range>): Range[] {
  const sorted = [...ranges].filter(([low, high]) => low <= high).sort((a, b) => a[0] - b[0])
  const joined: [number, number][] = []
  for (const [low, high] of sorted) {
    const last = joined.at(-1)
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high)
    else joined.push([low, high])
  }
  return joined.flatMap(([low, high]): Range[] => {
    const parts: Range[] = [
      [low, Math.min(high, SURROGATES[0] - 1)],
      [Math.max(low, SURROGATES[1] + 1), high],
    ]
    return low > SURROGATES[1] || high < SURROGATES[0] ? [[low, high]] : parts.filter(([from, to]) => from <= to)
  })
}

/** The code points that are in none of the ranges. */
export function otherRanges(ranges: Iterable<Range>): Range[] {
  const others: [number, number][] = []
  let next = 0
  for (const [low, high] of normalRanges(ranges)) {
    if (low > next) others.push([next, low - 1])
    next = high + 1
  }
  if (next <= LAST_POINT) others.push([next, LAST_POINT])
  return normalRanges(others)
}

/** Sequences of ranges of bytes that together are the UTF-8 forms of the code points of ranges as {@link normalRanges} gives them. */
export function utf8Ranges(ranges: readonly Range[]): Range[][] {
  return ranges.flatMap(([low, high]) => split(low, high))
}

/** The largest code point of a form of 1, 2, 3 and 4 bytes. */
const ENDS = [0x7f, 0x7ff, 0xffff, LAST_POINT]

function split(low: number, high: number): Range[][] {
  // First where forms get longer, then where what follows a byte is not everything that may follow it.
  for (const end of ENDS) if (low <= end && high > end) return [...split(low, end), ...split(end + 1, high)]
  if (high <= 0x7f) return [[[low, high]]]
  const length = ENDS.findIndex((end) => high <= end) + 1
  for (let followers = 1; followers < length; followers++) {
    const rest = (1 << (6 * followers)) - 1
    if (low >> (6 * followers) === high >> (6 * followers)) continue
    if ((low & rest) !== 0) return [...split(low, low | rest), ...split((low | rest) + 1, high)]
    if ((high & rest) !== rest) return [...split(low, (high & ~rest) - 1), ...split(high & ~rest, high)]
  }
  const [first, last] = [utf8(low), utf8(high)]
  return [first.map((byte, i): Range => [byte, last[i]!])]
}

/** The UTF-8 form of a code point. */
export function utf8(point: number): number[] {
  if (point < 0x80) return [point]
  if (point < 0x800) return [0xc0 | (point >> 6), 0x80 | (point & 63)]
  if (point < 0x10000) return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
}

const encoder = new TextEncoder()
export const bytesOf = (text: string): Uint8Array => encoder.encode(text)

/** Below 0 where `a` comes before `b`, byte by byte. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = commonLength(a, b)
  return length < a.length && length < b.length ? a[length]! - b[length]! : a.length - b.length
}

/** How many bytes two texts begin with together. */
export function commonLength(a: Uint8Array, b: Uint8Array): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}
