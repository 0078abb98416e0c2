import { checkRange } from '../check.js'
import { Scores } from '../lowest.js'
import type { SamplerStep } from '../step.js'

/**
 * Keeps the tokens whose information, −ln p, is closest to what the distribution has on average, as few as it takes to have more than `mass` of the probability, and
 * those that are as close as the last of them. 1 keeps all.
 *
 * Source: C. Meister et al., "Locally Typical Sampling", TACL 2023.
 *
 * @param mass from 0 to 1, else `VALUE` is thrown
 */
export function typical(mass: number): SamplerStep {
  checkRange('typical', mass, 0, 1)
  const scores = new Scores()
  return {
    name: 'typical',
    apply(candidates) {
      if (mass === 1 || candidates.size <= 1) return
      if (!candidates.weigh()) return
      const { weights, logits, size, total } = candidates
      const offset = candidates.max + Math.log(total)
      let entropy = 0
      for (let i = 0; i < size; i++) if (weights[i]! > 0) entropy -= (weights[i]! / total) * (logits[i]! - offset)
      const values = scores.reserve(size)
      for (let i = 0; i < size; i++) values[i] = Math.abs(offset - logits[i]! - entropy)
      scores.keepLowest(candidates, mass)
    },
    clone: () => typical(mass),
  }
}
