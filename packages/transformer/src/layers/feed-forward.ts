import type { Tensor } from '@tesserae/tensor'
import { linear, type LinearWeights } from './linear.js'
import type { Matrix } from './packed.js'

/** up and gate [hidden, width], down [width, hidden]; a gate only for gated activations. */
export interface FeedForwardWeights<Leaf = Tensor, Weight = Leaf> {
  readonly up: LinearWeights<Leaf, Weight>
  readonly gate?: LinearWeights<Leaf, Weight>
  readonly down: LinearWeights<Leaf, Weight>
}

export type Activation = 'gelu' | 'geluTanh' | 'swiglu' | 'geglu' | 'gegluTanh'

/** down(gelu(up(x))), or down(act(gate(x)) · up(x)) (Shazeer, arXiv:2002.05202): x [..., width] → the same shape. */
export function feedForward(weights: FeedForwardWeights<Tensor, Matrix>, x: Tensor, activation: Activation): Tensor {
  const { gate } = weights
  return linear(weights.down, activate(linear(weights.up, x), gate === undefined ? undefined : linear(gate, x), activation))
}

/** What stands between the products: `gate` belongs to gated activations alone. */
export function activate(up: Tensor, gate: Tensor | undefined, activation: Activation): Tensor {
  switch (activation) {
    case 'gelu':
      return up.gelu()
    case 'geluTanh':
      return up.gelu({ approximate: 'tanh' })
    case 'swiglu':
      return gate!.silu().mul(up)
    case 'geglu':
      return gate!.gelu().mul(up)
    case 'gegluTanh':
      return gate!.gelu({ approximate: 'tanh' }).mul(up)
    default:
      return activation satisfies never
  }
}
