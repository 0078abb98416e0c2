import type { PairCounts } from './pair-counts.js'

/**
 * A heap of pairs by count, highest first; equal counts go by the lower left id, then the lower right id. Counts that fell since a pair was
 * entered are corrected when it comes up; a pair whose count rose must be pushed again.
 */
export class PairQueue {
  private size = 0
  private pairs = new Int32Array(1024)
  private counts = new Float64Array(1024)

  constructor(private readonly source: PairCounts) {}

  push(pair: number): void {
    const count = this.source.counts[pair]!
    if (count <= 0) return
    if (this.size === this.pairs.length) {
      const pairs = new Int32Array(this.size * 2)
      pairs.set(this.pairs)
      this.pairs = pairs
      const counts = new Float64Array(this.size * 2)
      counts.set(this.counts)
      this.counts = counts
    }
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.before(count, pair, this.counts[parent]!, this.pairs[parent]!)) break
      this.pairs[at] = this.pairs[parent]!
      this.counts[at] = this.counts[parent]!
      at = parent
    }
    this.pairs[at] = pair
    this.counts[at] = count
  }

  /** Takes out the first pair by its present count; −1 when none is left. */
  pop(): number {
    while (this.size > 0) {
      const pair = this.pairs[0]!
      const entered = this.counts[0]!
      this.removeTop()
      if (this.source.counts[pair] === entered) return pair
      this.push(pair)
    }
    return -1
  }

  private removeTop(): void {
    const last = --this.size
    const pair = this.pairs[last]!
    const count = this.counts[last]!
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= last) break
      if (child + 1 < last && this.before(this.counts[child + 1]!, this.pairs[child + 1]!, this.counts[child]!, this.pairs[child]!)) child++
      if (!this.before(this.counts[child]!, this.pairs[child]!, count, pair)) break
      this.pairs[at] = this.pairs[child]!
      this.counts[at] = this.counts[child]!
      at = child
    }
    this.pairs[at] = pair
    this.counts[at] = count
  }

  private before(countA: number, pairA: number, countB: number, pairB: number): boolean {
    if (countA !== countB) return countA > countB
    const { left, right } = this.source
    return left[pairA] !== left[pairB] ? left[pairA]! < left[pairB]! : right[pairA]! < right[pairB]!
  }
}
