import { layerNorm, rmsNorm, type Tensor } from '@tesserae/tensor'

/** A norm's weights, each [width]. */
export interface NormWeights<Leaf = Tensor> {
  readonly weight: Leaf
  /** Layer norm only. */
  readonly bias?: Leaf
}

/** Normalises over the last axis: x [..., width] → the same shape. */
export function norm(weights: NormWeights, x: Tensor, options: { readonly norm: 'rms' | 'layer'; readonly normEps: number }): Tensor {
  const eps = { eps: options.normEps }
  return options.norm === 'rms' ? rmsNorm(x, weights.weight, eps) : layerNorm(x, weights.weight, weights.bias, eps)
}
