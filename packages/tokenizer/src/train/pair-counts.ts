import { grownDoubles, grownInts } from './grow.js'

/** The pairs of neighbouring symbols that ever occurred, numbered in order of first occurrence, with what trainers know of each. */
export class PairCounts {
  size = 0
  left = new Int32Array(1024)
  right = new Int32Array(1024)
  counts = new Float64Array(1024)
  /** The latest entry of each pair in the queue, or −1. */
  entries = new Int32Array(1024)
  // Three words a slot: left plus one (0 marks a free slot), right, pair.
  private slots = new Int32Array(4096 * 3)
  private mask = 4095

  /** Adds to the count of a pair, which is 0 where it never occurred, and returns its number. */
  add(left: number, right: number, count: number): number {
    let slot = this.slotOf(left, right)
    if (this.slots[slot] !== 0) {
      const known = this.slots[slot + 2]!
      this.counts[known]! += count
      return known
    }
    const pair = this.size++
    if (pair === this.left.length) this.grow()
    if (this.size * 3 > this.mask * 2) {
      this.rehash()
      slot = this.slotOf(left, right)
    }
    this.slots[slot] = left + 1
    this.slots[slot + 1] = right
    this.slots[slot + 2] = pair
    this.left[pair] = left
    this.right[pair] = right
    this.counts[pair] = count
    this.entries[pair] = -1
    return pair
  }

  /** Bytes of memory. */
  get memory(): number {
    return this.left.length * 20 + this.slots.length * 4
  }

  private slotOf(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
    hash ^= hash >>> 15
    const { slots, mask } = this
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = at * 3
      if (slots[slot] === 0 || (slots[slot] === left + 1 && slots[slot + 1] === right)) return slot
    }
  }

  private grow(): void {
    this.left = grownInts(this.left)
    this.right = grownInts(this.right)
    this.counts = grownDoubles(this.counts)
    this.entries = grownInts(this.entries)
  }

  private rehash(): void {
    const old = this.slots
    this.slots = new Int32Array(old.length * 2)
    this.mask = this.mask * 2 + 1
    for (let from = 0; from < old.length; from += 3) {
      if (old[from] === 0) continue
      const slot = this.slotOf(old[from]! - 1, old[from + 1]!)
      for (let word = 0; word < 3; word++) this.slots[slot + word] = old[from + word]!
    }
  }
}
