import type { Tensor } from '@tesserae/tensor'
import { linear, type LinearWeights } from './linear.js'
import type { Matrix } from './packed.js'

/** up and gate [hidden, width], down [width, hidden]; a gate only for SwiGLU. */
export interface FeedForwardWeights<Leaf = Tensor, Weight = Leaf> {
  readonly up: LinearWeights<Leaf, Weight>
  readonly gate?: LinearWeights<Leaf, Weight>
  readonly down: LinearWeights<Leaf, Weight>
}

/** down(gelu(up(x))), or down(silu(gate(x)) · up(x)) (Shazeer, arXiv:2002.05202): x [..., width] → the same shape. */
export function feedForward(weights: FeedForwardWeights<Tensor, Matrix>, x: Tensor, activation: 'gelu' | 'geluTanh' | 'swiglu'): Tensor {
  const up = linear(weights.up, x)
  switch (activation) {
    case 'gelu':
      return linear(weights.down, up.gelu())
    case 'geluTanh':
      return linear(weights.down, up.gelu({ approximate: 'tanh' }))
    case 'swiglu':
      return linear(weights.down, linear(weights.gate!, x).silu().mul(up))
    default:
      return activation satisfies never
  }
}
