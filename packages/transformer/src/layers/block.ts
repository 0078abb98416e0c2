import type { Tensor } from '@tesserae/tensor'
import {
  attendFull,
  attendWithCache,
  type AttentionContext,
  type AttentionShape,
  type AttentionWeights,
  type LayerCache,
} from './attention.js'
import { drop } from './dropout.js'
import { feedForward, type FeedForwardWeights } from './feed-forward.js'
import { norm, type NormWeights } from './norm.js'
import type { Matrix } from './packed.js'

/** One block: attention and feed-forward, each behind a norm and added to the residual stream. */
export interface BlockWeights<Leaf = Tensor, Weight = Leaf> {
  readonly attentionNorm: NormWeights<Leaf>
  readonly attention: AttentionWeights<Leaf, Weight>
  readonly feedForwardNorm: NormWeights<Leaf>
  readonly feedForward: FeedForwardWeights<Leaf, Weight>
}

export interface BlockContext extends AttentionContext {
  readonly shape: AttentionShape & {
    readonly norm: 'rms' | 'layer'
    readonly normEps: number
    readonly activation: 'gelu' | 'geluTanh' | 'swiglu'
  }
}

/** The block over whole sequences: x [B, T, width] → the same shape. */
export function block(weights: BlockWeights<Tensor, Matrix>, x: Tensor, context: BlockContext): Tensor {
  const attended = attendFull(weights.attention, norm(weights.attentionNorm, x, context.shape), context)
  return withFeedForward(weights, x.add(drop(attended, context.dropout, 'attention')), context)
}

/** The block over new tokens, the earlier ones being in the cache, or in a cache for each row. */
export function blockWithCache<Cache extends LayerCache | readonly LayerCache[]>(
  weights: BlockWeights<Tensor, Matrix>,
  x: Tensor,
  cache: Cache,
  context: BlockContext,
): { readonly out: Tensor; readonly cache: Cache } {
  const attended = attendWithCache(weights.attention, norm(weights.attentionNorm, x, context.shape), cache, context)
  return { out: withFeedForward(weights, x.add(attended.out), context), cache: attended.cache }
}

function withFeedForward(weights: BlockWeights<Tensor, Matrix>, x: Tensor, { shape, dropout }: BlockContext): Tensor {
  const fed = feedForward(weights.feedForward, norm(weights.feedForwardNorm, x, shape), shape.activation)
  return x.add(drop(fed, dropout, 'feedForward'))
}
