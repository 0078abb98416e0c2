/** The highest logits, found on the device. */
import type { Tensor } from '@tesserae/tensor'

/** Logits that are put in order together: one pass of a sort on every device. */
const chunk = 1024

/** The k highest of [..., size] and where they are, [..., k] each: the highest first, and of equal ones the first. */
export function highestOf(logits: Tensor, k: number): { readonly values: Tensor; readonly indices: Tensor } {
  if (k === 1) return { values: logits.max(-1, { keepDims: true }), indices: logits.argMax(-1, { keepDims: true }) }
  const [lead, size] = [logits.shape.slice(0, -1), logits.shape.at(-1) as number]
  const chunks = Math.ceil(size / chunk)
  // Where what chunks leave is no less than half, one order of all is as good.
  if (2 * k * chunks > size || k > chunk) return logits.topK(k)
  const padded = logits.pad([...lead.map(() => [0, 0] as const), [0, chunks * chunk - size]], -Infinity)
  const own = padded.reshape(...lead, chunks, chunk).topK(k)
  const best = own.values.reshape(...lead, chunks * k).topK(k)
  const inChunk = own.indices.reshape(...lead, chunks * k).gatherAlong(best.indices, -1)
  return { values: best.values, indices: best.indices.div(k).mul(chunk).add(inChunk) }
}
