import { checkRange } from '../check.js'
import type { SamplerStep } from '../step.js'

/**
 * Takes away tokens less likely than `probability`, all but the most likely. 0 keeps all.
 *
 * Source: J. Hewitt, C. Manning, P. Liang, "Truncation Sampling as Language Model Desmoothing", Findings of EMNLP 2022.
 *
 * @param probability from 0 to 1, else `VALUE` is thrown
 */
export function epsilonCutoff(probability: number): SamplerStep {
  checkRange('epsilonCutoff', probability, 0, 1)
  return {
    name: 'epsilonCutoff',
    apply(candidates) {
      if (probability > 0 && candidates.weigh()) keepFromProbability(candidates, probability)
    },
  }
}

/**
 * Takes away tokens less likely than the smaller of `probability` and √probability·e^−H, for the entropy H of the distribution, all but the most likely. 0 keeps all.
 *
 * Source: as for {@link epsilonCutoff}.
 *
 * @param probability from 0 to 1, else `VALUE` is thrown
 */
export function etaCutoff(probability: number): SamplerStep {
  checkRange('etaCutoff', probability, 0, 1)
  return {
    name: 'etaCutoff',
    apply(candidates) {
      if (probability === 0 || !candidates.weigh()) return
      const { weights, size, total } = candidates
      let entropy = 0
      for (let i = 0; i < size; i++) {
        const p = weights[i]! / total
        if (p > 0) entropy -= p * Math.log(p)
      }
      keepFromProbability(candidates, Math.min(probability, Math.sqrt(probability) * Math.exp(-entropy)))
    },
  }
}

function keepFromProbability(candidates: Parameters<SamplerStep['apply']>[0], least: number): void {
  const { weights, size, total } = candidates
  let kept = 0
  // The most likely token has a weight of 1.
  for (let i = 0; i < size; i++) if (weights[i] === 1 || Math.fround(weights[i]! / total) >= Math.fround(least)) candidates.move(i, kept++)
  candidates.size = kept
}
