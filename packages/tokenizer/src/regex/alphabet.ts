import { CODE_POINTS, type CodeSet } from './code-set.js'

/** What a lone surrogate counts as. */
const REPLACEMENT = 0xfffd

/**
 * The characters that a program tells apart: all those that lie in the same of its sets are one class. Text is turned into classes once, after
 * which sets are looked up by class.
 */
export class Alphabet {
  /** Classes of characters; two more stand for the end of a text and for the second half of a surrogate pair. */
  readonly size: number
  /** The class behind the last character of a text. */
  readonly end: number
  /** The class of the second half of a surrogate pair. */
  readonly half: number
  /** Columns of {@link members}. */
  readonly stride: number
  /**
   * For each set and class whether it is a member. The end is in none; the second half of a pair is in all, so that runs of a set can be followed
   * unit by unit.
   */
  readonly members: Uint8Array
  private readonly plane0: Uint16Array
  private readonly starts: Uint32Array
  private readonly classes: Uint16Array

  constructor(sets: readonly CodeSet[]) {
    const borders = [...new Set([0, 0x10000, ...sets.flat()])].filter((point) => point < CODE_POINTS).sort((a, b) => a - b)
    this.starts = Uint32Array.from(borders)
    this.classes = new Uint16Array(borders.length)
    const cursors = new Int32Array(sets.length)
    const byMembership = new Map<string, number>()
    const memberships: string[] = []
    for (const [index, start] of borders.entries()) {
      let membership = ''
      for (const [i, set] of sets.entries()) {
        while (cursors[i]! < set.length && set[cursors[i]!]! <= start) cursors[i]!++
        membership += cursors[i]! & 1
      }
      let id = byMembership.get(membership)
      if (id === undefined) {
        id = memberships.length
        byMembership.set(membership, id)
        memberships.push(membership)
      }
      this.classes[index] = id
    }
    this.size = memberships.length
    this.end = this.size
    this.half = this.size + 1
    this.stride = this.size + 2
    this.members = new Uint8Array(sets.length * this.stride)
    for (const [id, membership] of memberships.entries()) {
      for (let i = 0; i < sets.length; i++) this.members[i * this.stride + id] = Number(membership[i])
    }
    for (let i = 0; i < sets.length; i++) this.members[i * this.stride + this.half] = 1
    this.plane0 = new Uint16Array(0x10000)
    for (const [index, start] of borders.entries()) {
      if (start < 0x10000) this.plane0.fill(this.classes[index]!, start, Math.min(borders[index + 1] ?? 0x10000, 0x10000))
    }
    this.plane0.fill(this.plane0[REPLACEMENT]!, 0xd800, 0xe000)
  }

  /** The class of each unit of a text, then that of the end. */
  classify(text: string): Uint8Array | Uint16Array {
    const { plane0, half } = this
    const { length } = text
    const classes = this.stride <= 256 ? new Uint8Array(length + 1) : new Uint16Array(length + 1)
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      classes[i] = plane0[unit]!
      if ((unit & 0xfc00) !== 0xd800 || i + 1 === length) continue
      const low = text.charCodeAt(i + 1)
      if ((low & 0xfc00) !== 0xdc00) continue
      classes[i] = this.classOf(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
      classes[++i] = half
    }
    classes[length] = this.end
    return classes
  }

  private classOf(point: number): number {
    const { starts } = this
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= point) low = middle
      else high = middle - 1
    }
    return this.classes[low]!
  }
}
