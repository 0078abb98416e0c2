/**
 * The pairs of neighbouring symbols with their counts, and for each pair the list of places where it occurs.
 *
 * A place is the position of a pair's left symbol and lies in one list at a time, so the lists are threaded through two arrays of the
 * corpus's length and a place moves from list to list in constant time. Nothing is ever stale, and a merge costs time in
 * proportion to its occurrences, whatever the length of the pieces.
 */
export class PairCounts {
  size = 0
  left = new Int32Array(1024)
  right = new Int32Array(1024)
  counts = new Float64Array(1024)
  /** The first place of each pair, or −1. */
  heads = new Int32Array(1024)
  private readonly after: Int32Array
  private readonly before: Int32Array
  private slots = new Int32Array(4096)
  private mask = 4095

  /** @param places the length of the corpus in symbols */
  constructor(places: number) {
    this.after = new Int32Array(places)
    this.before = new Int32Array(places)
  }

  /** The index of a pair, −1 where it never occurred. */
  find(left: number, right: number): number {
    return this.slots[this.slotOf(left, right)]! - 1
  }

  /** Enters a place in a pair's list, adds its weight, and returns the pair. */
  add(left: number, right: number, place: number, weight: number): number {
    const slot = this.slotOf(left, right)
    let pair = this.slots[slot]! - 1
    if (pair < 0) {
      pair = this.size
      this.slots[slot] = pair + 1
      this.create(left, right)
    }
    const head = this.heads[pair]!
    this.after[place] = head
    this.before[place] = -1
    if (head >= 0) this.before[head] = place
    this.heads[pair] = place
    this.counts[pair]! += weight
    return pair
  }

  /** Takes a place out of the list of its pair. */
  remove(left: number, right: number, place: number, weight: number): void {
    const pair = this.find(left, right)
    const after = this.after[place]!
    const before = this.before[place]!
    if (after >= 0) this.before[after] = before
    if (before >= 0) this.after[before] = after
    else this.heads[pair] = after
    this.counts[pair]! -= weight
  }

  /** The places of a pair, from left to right. */
  places(pair: number): Int32Array {
    let count = 0
    for (let place = this.heads[pair]!; place >= 0; place = this.after[place]!) count++
    const result = new Int32Array(count)
    for (let place = this.heads[pair]!, i = 0; place >= 0; place = this.after[place]!) result[i++] = place
    return result.sort()
  }

  private create(left: number, right: number): void {
    const pair = this.size++
    if (pair === this.left.length) {
      this.left = doubled(this.left)
      this.right = doubled(this.right)
      this.heads = doubled(this.heads)
      const counts = new Float64Array(this.counts.length * 2)
      counts.set(this.counts)
      this.counts = counts
    }
    this.left[pair] = left
    this.right[pair] = right
    this.heads[pair] = -1
    if (this.size * 2 > this.mask) {
      this.slots = new Int32Array(this.slots.length * 2)
      this.mask = this.slots.length - 1
      for (let i = 0; i < this.size; i++) this.slots[this.slotOf(this.left[i]!, this.right[i]!)] = i + 1
    }
  }

  private slotOf(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
    hash ^= hash >>> 15
    for (let slot = hash & this.mask; ; slot = (slot + 1) & this.mask) {
      const pair = this.slots[slot]! - 1
      if (pair < 0 || (this.left[pair] === left && this.right[pair] === right)) return slot
    }
  }
}

function doubled(array: Int32Array): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length * 2)
  grown.set(array)
  return grown
}
