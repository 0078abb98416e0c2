/** Merges are numbered below this, so that a rank and a position fit one exact double. */
export const MAX_MERGES = 2 ** 21

/** A hash table from a pair of adjacent token ids to the rank of their merge (lower merges first) and the id it makes. */
export class MergeTable {
  size = 0
  // Four words a slot: left plus one (0 marks a free slot), right, rank, result.
  private slots: Int32Array
  private mask: number

  constructor(expected = 256) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 2)))
    this.slots = new Int32Array(capacity * 4)
    this.mask = capacity - 1
  }

  /** Adds or replaces a merge. */
  set(left: number, right: number, rank: number, result: number): void {
    if ((this.size + 1) * 2 > this.mask + 1) this.rehash()
    const slot = this.slotOf(left, right)
    if (this.slots[slot] === 0) this.size++
    this.slots[slot] = left + 1
    this.slots[slot + 1] = right
    this.slots[slot + 2] = rank
    this.slots[slot + 3] = result
  }

  /** The slot of a pair for `rankAt` and `resultAt`, or −1. Slots stay valid until the next `set`. */
  find(left: number, right: number): number {
    const slot = this.slotOf(left, right)
    return this.slots[slot] === 0 ? -1 : slot
  }

  rankAt(slot: number): number {
    return this.slots[slot + 2]!
  }

  resultAt(slot: number): number {
    return this.slots[slot + 3]!
  }

  /** Every merge. */
  *entries(): Generator<{ left: number; right: number; rank: number; result: number }> {
    const { slots } = this
    for (let i = 0; i < slots.length; i += 4) {
      if (slots[i] !== 0) yield { left: slots[i]! - 1, right: slots[i + 1]!, rank: slots[i + 2]!, result: slots[i + 3]! }
    }
  }

  /** The slot that holds the pair, or the free one where it belongs. */
  private slotOf(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
    hash ^= hash >>> 15
    const { slots, mask } = this
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const at = slot * 4
      if (slots[at] === 0 || (slots[at] === left + 1 && slots[at + 1] === right)) return at
    }
  }

  private rehash(): void {
    const old = this.slots
    this.slots = new Int32Array(old.length * 2)
    this.mask = this.slots.length / 4 - 1
    for (let i = 0; i < old.length; i += 4) {
      if (old[i] === 0) continue
      const slot = this.slotOf(old[i]! - 1, old[i + 1]!)
      for (let word = 0; word < 4; word++) this.slots[slot + word] = old[i + word]!
    }
  }
}
