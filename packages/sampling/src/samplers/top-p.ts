import type { Candidates } from '../candidates.js'
import { checkRange } from '../check.js'
import { bucketOf, BUCKETS, idOfKey, keysOfBuckets, SORT_LIMIT } from '../select.js'
import type { SamplerStep } from '../step.js'

/**
 * Keeps the most likely tokens whose probabilities together reach `mass`, as few as possible and at least one. 1 keeps all.
 *
 * Source: A. Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020.
 *
 * @param mass from 0 to 1, else `VALUE` is thrown
 */
export function topP(mass: number): SamplerStep {
  checkRange('topP', mass, 0, 1)
  // Probability by bucket of logits; made at first use, since after top-k and for small vocabularies nothing needs it.
  let buckets: Float64Array | undefined
  return {
    name: 'topP',
    apply(candidates) {
      if (mass === 1 || candidates.size <= 1) return
      if (!candidates.weigh()) return
      // In float32, the precision of the logits: 0.4 + 0.3 reaches 0.7.
      const least = Math.fround(mass)
      if (candidates.sorted) keepPrefix(candidates, least)
      else keepByBuckets(candidates, least, candidates.size > SORT_LIMIT ? (buckets ??= new Float64Array(BUCKETS)) : undefined)
    },
    // Copies must not share the buckets' memory with a sampler in another call.
    clone: () => topP(mass),
  }
}

function keepPrefix(candidates: Candidates, least: number): void {
  const { total } = candidates
  let sum = 0
  for (let i = 0; i < candidates.size; i++) {
    sum += candidates.weights[i]!
    if (Math.fround(sum / total) >= least) {
      candidates.size = i + 1
      return
    }
  }
}

/**
 * Keeps candidates up to the one at which the mass is reached. Of a large vocabulary only the bucket of logits in which that happens is
 * sorted.
 */
function keepByBuckets(candidates: Candidates, least: number, buckets: Float64Array | undefined): void {
  const { logits, bits, weights, scratch, size, total } = candidates
  let sum = 0
  let border = 0
  if (buckets !== undefined) {
    buckets.fill(0)
    for (let i = 0; i < size; i++) buckets[bucketOf(bits[i]!)]! += weights[i]!
    // An empty bucket cannot be the border, not even for a mass of 0, which nothing reaches already.
    for (border = BUCKETS - 1; border >= 0 && (buckets[border] === 0 || Math.fround((sum + buckets[border]!) / total) < least); border--)
      sum += buckets[border]!
    if (border < 0) return
  }

  // Candidates stand in the order of their ids, so their places tell equal logits apart as their ids do.
  scratch.reserve(size)
  const { keys } = scratch
  const sorted = keysOfBuckets(bits, undefined, size, border, buckets === undefined ? BUCKETS - 1 : border, keys)
  scratch.sort(sorted)
  let last = 0
  for (; last < sorted - 1; last++) {
    sum += weights[idOfKey(keys[last]!)]!
    if (Math.fround(sum / total) >= least) break
  }
  const place = idOfKey(keys[last]!)
  const lastLogit = logits[place]!

  // All that is more likely than the last is kept, and what is as likely up to its place; the order stays.
  let kept = 0
  for (let i = 0; i < size; i++) if (logits[i]! > lastLogit || (logits[i] === lastLogit && i <= place)) candidates.move(i, kept++)
  candidates.size = kept
}
