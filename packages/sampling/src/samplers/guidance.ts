import { checkRange } from '../check.js'
import { SamplingError } from '../errors.js'
import type { SamplerStep } from '../step.js'

/**
 * Classifier-free guidance: strengthens what the prompt makes likelier than no prompt, or a negative one, does: u + scale·(logit − u). Belongs at the beginning of a chain.
 *
 * Source: G. Sanchez et al., "Stay on topic with Classifier-Free Guidance", arXiv:2306.17806.
 *
 * @param scale from 0 to 1e3; 1 changes nothing
 * @param unconditional gives the logits u for the token that is being chosen, one for each token id; `LOGITS` is thrown where they are not as many, or not numbers below +∞
 */
export function guidance(scale: number, unconditional: () => ArrayLike<number>): SamplerStep {
  checkRange('scale', scale, 0, 1e3)
  return {
    name: 'guidance',
    apply(candidates) {
      if (scale === 1) return
      const other = unconditional()
      const { ids, logits, size } = candidates
      for (let i = 0; i < size; i++) {
        const base = other[ids[i]!]
        if (base === undefined || Number.isNaN(base) || base === Infinity)
          throw new SamplingError(
            'LOGITS',
            `guidance: the unconditional logit of token ${ids[i]} is ${String(base)}; it must be a number below +∞`,
          )
        const logit = logits[i]!
        // What one of both excludes cannot be compared: it stays what the prompt says.
        if (!(logit > -Infinity && base > -Infinity)) continue
        logits[i] = base + scale * (logit - base)
        candidates.settle(i)
      }
      candidates.reorder()
    },
  }
}
