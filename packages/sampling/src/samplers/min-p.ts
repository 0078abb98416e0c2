import { checkRange } from '../check.js'
import type { SamplerStep } from '../step.js'

const MOST_KEPT = 256

/**
 * Keeps tokens at least `share` times as likely as the most likely one. 0 keeps all.
 *
 * Source: M. Nguyen et al., "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs", ICLR 2025.
 *
 * @param share from 0 to 1, else `VALUE` is thrown
 */
export function minP(share: number): SamplerStep {
  checkRange('minP', share, 0, 1)
  const offset = Math.log(share)
  return {
    name: 'minP',
    needsAll: false,
    // 1/share would have the same probability each; commonly there are few.
    ...(share > 0 ? { keeps: Math.min(MOST_KEPT, Math.ceil(4 / share)) } : {}),
    apply(candidates) {
      if (share === 0) return
      candidates.findMax()
      // Logits are float32: rounding the threshold alike keeps a token that lies on it.
      candidates.keepFrom(Math.fround(candidates.max + offset))
    },
  }
}
