import type { Candidates } from './candidates.js'
import { BUCKETS, MAX_VOCABULARY, SORT_LIMIT } from './select.js'

/** Scores of candidates, from 0 to +∞, and memory to find the lowest of them. */
export class Scores {
  values = new Float32Array(0)
  private bits = new Int32Array(0)
  private buckets: Float64Array | undefined

  reserve(size: number): Float32Array {
    if (this.values.length < size) {
      this.values = new Float32Array(size)
      this.bits = new Int32Array(this.values.buffer)
    }
    return this.values
  }

  /**
   * Keeps the candidates with the lowest scores, as few as it takes for the sum of their weights to be more than the share `mass` of all, and those with the same score as the last of them, in their
   * order. Weights and scores must have been written. Of a large vocabulary only the scores are sorted among which that happens.
   */
  keepLowest(candidates: Candidates, mass: number): void {
    // In float32, the precision of the logits.
    const most = Math.fround(mass)
    const { weights, scratch, size, total } = candidates
    const { bits } = this
    let sum = 0
    let border = 0
    const many = size > SORT_LIMIT
    if (many) {
      const buckets = (this.buckets ??= new Float64Array(BUCKETS)).fill(0)
      // Bits of floats that are not negative rise with the float; the lower half of them tells little.
      for (let i = 0; i < size; i++) buckets[bits[i]! >>> 15]! += weights[i]!
      while (border < BUCKETS && (buckets[border] === 0 || Math.fround((sum + buckets[border]!) / total) <= most)) sum += buckets[border++]!
      if (border === BUCKETS) return
    }
    scratch.reserve(size)
    let sorted = 0
    for (let i = 0; i < size; i++) if (!many || bits[i]! >>> 15 === border) scratch.keys[sorted++] = bits[i]! * MAX_VOCABULARY + i
    const { keys } = scratch
    scratch.sort(sorted)
    let last = 0
    for (; last < sorted - 1; last++) {
      sum += weights[keys[last]! % MAX_VOCABULARY]!
      if (Math.fround(sum / total) > most) break
    }
    const highest = Math.floor(keys[last]! / MAX_VOCABULARY)
    let kept = 0
    for (let i = 0; i < size; i++) if (bits[i]! <= highest) candidates.move(i, kept++)
    candidates.size = kept
  }
}
