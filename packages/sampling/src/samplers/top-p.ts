import type { Candidates } from '../candidates.js'
import { checkRange } from '../check.js'
import { expOfNegative } from '../exp.js'
import { bucketOf, BUCKETS, idOfKey, keyOf, logitOfKey, SORT_LIMIT } from '../select.js'
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
      if (candidates.sorted) keepPrefix(candidates, mass)
      else keepByBuckets(candidates, mass, candidates.size > SORT_LIMIT ? (buckets ??= new Float64Array(BUCKETS)) : undefined)
    },
    // Copies must not share the buckets' memory with a sampler in another call.
    clone: () => topP(mass),
  }
}

/** In float32, the precision of the logits: 0.4 + 0.3 reaches 0.7. */
function reaches(sum: number, total: number, mass: number): boolean {
  return Math.fround(sum / total) >= Math.fround(mass)
}

function keepPrefix(candidates: Candidates, mass: number): void {
  const { total } = candidates
  let sum = 0
  for (let i = 0; i < candidates.size; i++) {
    sum += candidates.weights[i]!
    if (reaches(sum, total, mass)) {
      candidates.size = i + 1
      return
    }
  }
}

/**
 * Keeps candidates up to the one at which the mass is reached. Of a large vocabulary only the bucket of logits in which that happens is
 * sorted.
 */
function keepByBuckets(candidates: Candidates, mass: number, buckets: Float64Array | undefined): void {
  const { ids, logits, bits, weights, scratch, size, max, total } = candidates
  let sum = 0
  let border = 0
  if (buckets !== undefined) {
    buckets.fill(0)
    for (let i = 0; i < size; i++) buckets[bucketOf(bits[i]!)]! += weights[i]!
    // An empty bucket cannot be the border, not even for a mass of 0, which nothing reaches already.
    for (border = BUCKETS - 1; border >= 0 && (buckets[border] === 0 || !reaches(sum + buckets[border]!, total, mass)); border--)
      sum += buckets[border]!
    if (border < 0) return
  }

  scratch.reserve(size)
  let sorted = 0
  for (let i = 0; i < size; i++)
    if (buckets === undefined || bucketOf(bits[i]!) === border) scratch.keys[sorted++] = keyOf(bits[i]!, ids[i]!)
  const { keys } = scratch
  scratch.sort(sorted)
  let last = 0
  for (; last < sorted - 1; last++) {
    sum += expOfNegative(logitOfKey(keys[last]!) - max)
    if (reaches(sum, total, mass)) break
  }
  const [lastLogit, lastId] = [logitOfKey(keys[last]!), idOfKey(keys[last]!)]

  // All that is more likely than the last is kept, and what is as likely up to its id; the order stays.
  let kept = 0
  for (let i = 0; i < size; i++) if (logits[i]! > lastLogit || (logits[i] === lastLogit && ids[i]! <= lastId)) candidates.move(i, kept++)
  candidates.size = kept
}
