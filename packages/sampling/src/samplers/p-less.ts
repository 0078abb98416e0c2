import type { SamplerStep } from '../step.js'

/**
 * Keeps tokens at least as likely as two draws from the distribution are to be the same, Σp². It has no parameter, and the flatter the distribution is the more it keeps.
 *
 * Source: R. Tan et al., "p-less Sampling: A Robust Hyperparameter-Free Approach for LLM Decoding", arXiv:2509.23234.
 */
export function pLess(): SamplerStep {
  return {
    name: 'pLess',
    apply(candidates) {
      if (!candidates.weigh()) return
      const { weights, size, total } = candidates
      let squares = 0
      for (let i = 0; i < size; i++) squares += weights[i]! * weights[i]!
      // In float32, the precision of the logits: of equally likely tokens all are kept. The likeliest always is: Σp² is at most its probability.
      const least = Math.fround(squares / total)
      let kept = 0
      for (let i = 0; i < size; i++) if (weights[i]! === 1 || Math.fround(weights[i]!) >= least) candidates.move(i, kept++)
      candidates.size = kept
    },
  }
}
