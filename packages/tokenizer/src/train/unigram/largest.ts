import { inSlices, type Pause } from '../pauses.js'

const BUCKETS = 1 << 16

/**
 * Marks the `count` largest of some numbers; of equal ones the first. Linear but for those near the limit.
 *
 * @param values from −∞ to ∞, of which NaN is never marked
 */
export async function markLargest(values: Float64Array, size: number, count: number, pause: Pause): Promise<Uint8Array> {
  const marks = new Uint8Array(size)
  // Doubles rise with the upper bits of their form, once negative ones are turned over.
  const words = new Uint32Array(values.buffer, values.byteOffset, size * 2)
  const upper = LITTLE_ENDIAN ? 1 : 0
  const bucketOf = (i: number): number => {
    const high = words[i * 2 + upper]! >>> 16
    return high < 0x8000 ? high + 0x8000 : 0xffff - high
  }
  const sizes = new Uint32Array(BUCKETS)
  await inSlices(size, pause, (from, to) => {
    for (let i = from; i < to; i++) if (!Number.isNaN(values[i]!)) sizes[bucketOf(i)]!++
  })
  let left = count
  let bucket = BUCKETS - 1
  while (bucket > 0 && sizes[bucket]! <= left) left -= sizes[bucket--]!
  const near: number[] = []
  await inSlices(size, pause, (from, to) => {
    for (let i = from; i < to; i++) {
      if (Number.isNaN(values[i]!)) continue
      const found = bucketOf(i)
      if (found > bucket) marks[i] = 1
      else if (found === bucket) near.push(i)
    }
  })
  near.sort((a, b) => values[b]! - values[a]! || a - b)
  for (const i of near.slice(0, left)) marks[i] = 1
  return marks
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
