import { checkRange } from '../check.js'
import type { SamplerStep } from '../step.js'

/** As many of the most likely tokens are looked at. */
const LOOKED_AT = 100

/**
 * Keeps the most likely tokens while what they have of the entropy, Σ −p·ln p, is at most `share` of it; of the 100 most likely, and at least one.
 *
 * Source: E. Baghaei Potraghloo et al., "Top-H Decoding: Adapting the Creativity and Coherence with Bounded Entropy in Text Generation", NeurIPS 2025.
 *
 * @param share from 0 to 1, else `VALUE` is thrown
 */
export function topH(share: number): SamplerStep {
  checkRange('topH', share, 0, 1)
  return {
    name: 'topH',
    apply(candidates) {
      if (candidates.size <= LOOKED_AT) candidates.sort()
      candidates.keepTop(LOOKED_AT)
      if (!candidates.weigh()) return
      const { weights, size, total } = candidates
      // What each has of the entropy takes the place of its weight.
      let entropy = 0
      for (let i = 0; i < size; i++) {
        const p = weights[i]! / total
        weights[i] = p > 0 ? -p * Math.log(p) : 0
        entropy += weights[i]!
      }
      let sum = weights[0]!
      let kept = 1
      while (kept < size && Math.fround(sum + weights[kept]!) <= Math.fround(entropy * share)) sum += weights[kept++]!
      candidates.keepTop(kept)
    },
  }
}
