import type { Tensor } from '@tesserae/tensor'
import { checkSameShape } from './loss.js'

/** Estimators of KL(policy ‖ reference) from sampled tokens; {@link klEstimate} says what each computes. */
export type KlEstimator = 'k1' | 'k2' | 'k3'

/**
 * One estimate for each sampled token, with x = log p − log p_ref (Schulman 2020, "Approximating KL divergence"): `k1` x, unbiased and of high variance;
 * `k2` x²/2, biased and of low variance; `k3` e^(−x) − 1 + x, unbiased and never negative. Default `k1`.
 *
 * Where it stands matters as much: in the reward take `k1`; in a loss `k3` gives the gradient of the divergence only together with the importance ratio.
 */
export function klEstimate(logprobs: Tensor, reference: Tensor, options: { readonly estimator?: KlEstimator } = {}): Tensor {
  checkSameShape('klEstimate', { logprobs, reference })
  const x = logprobs.sub(reference)
  switch (options.estimator ?? 'k1') {
    case 'k1':
      return x
    case 'k2':
      return x.square().mul(0.5)
    case 'k3':
      return x.neg().exp().sub(1).add(x)
  }
}
