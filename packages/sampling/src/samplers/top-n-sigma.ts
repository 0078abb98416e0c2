import { checkRange } from '../check.js'
import type { SamplerStep } from '../step.js'

/**
 * Keeps tokens whose logit is at most `n` standard deviations below the highest. The deviation is that of all finite logits. 0 keeps all.
 *
 * Source: C. Tang et al., "Top-nσ: Not All Logits Are You Need", arXiv:2411.07641.
 *
 * @param n from 0 to 1e6, else `VALUE` is thrown
 */
export function topNSigma(n: number): SamplerStep {
  checkRange('topNSigma', n, 0, 1e6)
  return {
    name: 'topNSigma',
    apply(candidates) {
      const { logits, size } = candidates
      if (n === 0 || size <= 1) return
      let sum = 0
      let count = 0
      for (let i = 0; i < size; i++)
        if (logits[i]! > -Infinity) {
          sum += logits[i]!
          count++
        }
      if (count === 0) return
      const mean = sum / count
      let squares = 0
      for (let i = 0; i < size; i++) if (logits[i]! > -Infinity) squares += (logits[i]! - mean) ** 2
      candidates.findMax()
      candidates.keepFrom(Math.fround(candidates.max - n * Math.sqrt(squares / count)))
    },
  }
}
