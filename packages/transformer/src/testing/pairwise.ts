/** What a training of two ranks is compared with. */
import { namedWeights, type DecoderWeights } from '../architectures/weights.js'
import type { Batches, TokenBatch } from '../train/data.js'

/** Batches of twice the rows: batch i is batches 2i and 2i + 1 of `data`. */
export const pairwise = (data: Batches): Batches => ({
  async at(index) {
    const [a, b] = [await data.at(2 * index), await data.at(2 * index + 1)] as [TokenBatch, TokenBatch]
    const join = (one: Int32Array, other: Int32Array): Int32Array => Int32Array.of(...one, ...other)
    return { ids: join(a.ids, b.ids), targets: join(a.targets, b.targets), rows: a.rows + b.rows, length: a.length }
  },
})

/** The largest difference between two weights at the same place. */
export async function largestDifference(one: DecoderWeights, other: DecoderWeights): Promise<number> {
  let largest = 0
  const others = namedWeights(other)
  for (const [name, leaf] of namedWeights(one)) {
    const [a, b] = [await leaf.data(), await others.get(name)!.data()]
    a.forEach((value, i) => (largest = Math.max(largest, Math.abs(value - b[i]!))))
  }
  return largest
}
