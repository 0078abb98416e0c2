import type { TokenMap } from '../token-map.js'
import type { MergeTable } from './merge-table.js'

/**
 * The pairs of units between which some merge joins two tokens. Where neighbours are no such pair, no merge can ever reach across, so a text
 * may be cut there without changing its tokens; Llama's vocabularies, which have no pre-tokenizer, fall into words so.
 */
export class Junctions {
  // Left unit in the upper half, right one in the lower, plus one; 0 marks a free slot.
  private slots: Float64Array
  private mask: number
  private size = 0
  // Most pairs of a text are of this size.
  private readonly ascii = new Uint8Array(128 * 128)

  private constructor() {
    this.slots = new Float64Array(1024)
    this.mask = 1023
  }

  static of(merges: MergeTable, vocab: TokenMap): Junctions {
    const junctions = new Junctions()
    for (const { left, right } of merges.entries()) {
      const [before, after] = [vocab.form(left)!, vocab.form(right)!]
      junctions.add(before.charCodeAt(before.length - 1), after.charCodeAt(0))
    }
    return junctions
  }

  has(left: number, right: number): boolean {
    if (left < 128 && right < 128) return this.ascii[left * 128 + right] !== 0
    return this.slots[this.slotOf(left * 0x10000 + right + 1)] !== 0
  }

  private add(left: number, right: number): void {
    if (left < 128 && right < 128) {
      this.ascii[left * 128 + right] = 1
      return
    }
    const key = left * 0x10000 + right + 1
    const slot = this.slotOf(key)
    if (this.slots[slot] === key) return
    this.slots[slot] = key
    if (++this.size * 2 > this.mask) this.grow()
  }

  private slotOf(key: number): number {
    let hash = Math.imul(key | 0, 0x9e3779b1)
    hash ^= hash >>> 15
    const { slots, mask } = this
    let slot = hash & mask
    while (slots[slot] !== 0 && slots[slot] !== key) slot = (slot + 1) & mask
    return slot
  }

  private grow(): void {
    const old = this.slots
    this.slots = new Float64Array(old.length * 2)
    this.mask = this.slots.length - 1
    for (const key of old) if (key !== 0) this.slots[this.slotOf(key)] = key
  }
}
