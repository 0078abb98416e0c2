import { grownDoubles, grownInts } from './grow.js'
import type { PairCounts } from './pair-counts.js'
import { PlaceLists } from './place-lists.js'

/**
 * What may be merged next: entries of a pair and a list of places, by count, highest first; equal counts go by the lower left id, then the lower
 * right id, then age. An entry has the count that its pair had when it was made, so that a pair whose count has changed comes up in its
 * old place and is then entered anew with its present count.
 *
 * Most pairs have one entry. A pair that occurs anew after it was counted, since two ways lead to one token, has several, as in Hugging Face's
 * trainer, where the older ones keep the order of their old counts.
 */
export class PairQueue {
  /** Entries ever made. */
  private entries = 0
  private pairs = new Int32Array(1024)
  /** Where the entry's places are. */
  private chunks = new Int32Array(1024)
  private offsets = new Int32Array(1024)
  private lengths = new Int32Array(1024)
  /** The next older entry of the pair, or −1. */
  private older = new Int32Array(1024)
  // The heap.
  private size = 0
  private heap = new Int32Array(1024)
  private counts = new Float64Array(1024)

  constructor(
    private readonly source: PairCounts,
    private readonly lists = new PlaceLists(),
  ) {}

  /** Bytes of memory. */
  get memory(): number {
    return this.pairs.length * 20 + this.heap.length * 12 + this.lists.memory
  }

  /** Enters a pair with room for `length` places, which the caller writes, in rising order, to `placesOf` the entry. */
  add(pair: number, length: number): number {
    const entry = this.entries++
    if (entry === this.pairs.length) {
      this.pairs = grownInts(this.pairs)
      this.chunks = grownInts(this.chunks)
      this.offsets = grownInts(this.offsets)
      this.lengths = grownInts(this.lengths)
      this.older = grownInts(this.older)
    }
    this.lists.reserve(length)
    this.pairs[entry] = pair
    this.chunks[entry] = this.lists.chunk
    this.offsets[entry] = this.lists.offset
    this.lengths[entry] = length
    this.older[entry] = this.source.entries[pair]!
    this.source.entries[pair] = entry
    this.push(entry, this.source.counts[pair]!)
    return entry
  }

  /** The memory that an entry's places lie in, from {@link PairQueue.offsetOf} on. */
  chunkOf(entry: number): Int32Array {
    return this.lists.at(this.chunks[entry]!)
  }

  offsetOf(entry: number): number {
    return this.offsets[entry]!
  }

  pairOf(entry: number): number {
    return this.pairs[entry]!
  }

  /** Takes out the first entry by the present counts; −1 when no pair occurs any more. */
  pop(): number {
    while (this.size > 0) {
      const entry = this.heap[0]!
      const entered = this.counts[0]!
      const count = this.source.counts[this.pairs[entry]!]!
      this.removeTop()
      if (count === entered) return entry
      if (count > 0) this.push(entry, count)
    }
    return -1
  }

  /**
   * The places of an entry that was taken out, which is over then. Where its pair has other entries, they give those of their places that lie in the
   * same pieces: a piece is merged as a whole.
   *
   * @param pieceOf the piece that each place lies in
   * @returns rising, possibly with repetitions and with places where the pair is no more
   */
  take(entry: number, pieceOf: Int32Array): Int32Array {
    const pair = this.pairs[entry]!
    const own = this.placesOf(entry)
    let result = own
    if (this.source.entries[pair] === entry && this.older[entry] === -1) {
      this.source.entries[pair] = -1
    } else {
      const pieces = new Set<number>()
      for (const place of own) pieces.add(pieceOf[place]!)
      const all = [...own]
      for (let other = this.source.entries[pair]!; other >= 0; other = this.older[other]!) {
        if (other !== entry) for (const place of this.placesOf(other)) if (pieces.has(pieceOf[place]!)) all.push(place)
      }
      result = Int32Array.from(all).sort()
      this.unlink(entry, pair)
    }
    // The view keeps the memory until the caller is done with it.
    this.lists.release(this.chunks[entry]!)
    return result
  }

  private placesOf(entry: number): Int32Array {
    const offset = this.offsets[entry]!
    return this.chunkOf(entry).subarray(offset, offset + this.lengths[entry]!)
  }

  private unlink(entry: number, pair: number): void {
    const { older } = this
    if (this.source.entries[pair] === entry) {
      this.source.entries[pair] = older[entry]!
      return
    }
    let at = this.source.entries[pair]!
    while (older[at] !== entry) at = older[at]!
    older[at] = older[entry]!
  }

  private push(entry: number, count: number): void {
    if (this.size === this.heap.length) {
      this.heap = grownInts(this.heap)
      this.counts = grownDoubles(this.counts)
    }
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.before(count, entry, this.counts[parent]!, this.heap[parent]!)) break
      this.heap[at] = this.heap[parent]!
      this.counts[at] = this.counts[parent]!
      at = parent
    }
    this.heap[at] = entry
    this.counts[at] = count
  }

  private removeTop(): void {
    const last = --this.size
    const entry = this.heap[last]!
    const count = this.counts[last]!
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= last) break
      if (child + 1 < last && this.before(this.counts[child + 1]!, this.heap[child + 1]!, this.counts[child]!, this.heap[child]!)) child++
      if (!this.before(this.counts[child]!, this.heap[child]!, count, entry)) break
      this.heap[at] = this.heap[child]!
      this.counts[at] = this.counts[child]!
      at = child
    }
    this.heap[at] = entry
    this.counts[at] = count
  }

  private before(countA: number, a: number, countB: number, b: number): boolean {
    if (countA !== countB) return countA > countB
    const { left, right } = this.source
    const [pairA, pairB] = [this.pairs[a]!, this.pairs[b]!]
    if (pairA === pairB) return a < b
    return left[pairA] !== left[pairB] ? left[pairA]! < left[pairB]! : right[pairA]! < right[pairB]!
  }
}
