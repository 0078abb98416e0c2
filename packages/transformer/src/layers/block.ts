import type { Tensor } from '@tesserae/tensor'
import type { MixtureConfig } from '../architectures/config.js'
import {
  attendFull,
  attendWithCache,
  type AttentionContext,
  type AttentionShape,
  type AttentionWeights,
  type LayerCache,
} from './attention.js'
import { drop } from './dropout.js'
import { feedForward, type Activation, type FeedForwardWeights } from './feed-forward.js'
import { isMixture, mixture, type MixtureWeights } from './mixture.js'
import { norm, type NormWeights } from './norm.js'
import type { Matrix } from './packed.js'

/** One block: attention and feed-forward, each with a norm before it, after it or both, added to the residual stream. */
export interface BlockWeights<Leaf = Tensor, Weight = Leaf> {
  readonly attentionNorm?: NormWeights<Leaf>
  readonly attention: AttentionWeights<Leaf, Weight>
  readonly attentionOutputNorm?: NormWeights<Leaf>
  readonly feedForwardNorm?: NormWeights<Leaf>
  readonly feedForward: FeedForwardWeights<Leaf, Weight> | MixtureWeights<Leaf, Weight>
  readonly feedForwardOutputNorm?: NormWeights<Leaf>
}

export interface BlockContext extends AttentionContext {
  readonly shape: AttentionShape & {
    readonly norm: 'rms' | 'layer'
    readonly normEps: number
    readonly activation: Activation
    /** Both parts see what came into the block. */
    readonly parallel?: boolean
    /** Present where weights are experts'. */
    readonly mixture?: MixtureConfig
  }
}

/** The block over whole sequences: x [B, T, width] → the same shape. */
export function block(weights: BlockWeights<Tensor, Matrix>, x: Tensor, context: BlockContext): Tensor {
  const attended = attendFull(weights.attention, normed(weights.attentionNorm, x, context), context)
  return withFeedForward(weights, x, drop(normed(weights.attentionOutputNorm, attended, context), context.dropout, 'attention'), context)
}

/** The block over new tokens, the earlier ones being in the cache, or in a cache for each row. */
export function blockWithCache<Cache extends LayerCache | readonly LayerCache[]>(
  weights: BlockWeights<Tensor, Matrix>,
  x: Tensor,
  cache: Cache,
  context: BlockContext,
): { readonly out: Tensor; readonly cache: Cache } {
  const attended = attendWithCache(weights.attention, normed(weights.attentionNorm, x, context), cache, context)
  return { out: withFeedForward(weights, x, normed(weights.attentionOutputNorm, attended.out, context), context), cache: attended.cache }
}

function withFeedForward(weights: BlockWeights<Tensor, Matrix>, x: Tensor, attended: Tensor, context: BlockContext): Tensor {
  const { shape, dropout } = context
  const added = x.add(attended)
  const input = normed(weights.feedForwardNorm, shape.parallel === true ? x : added, context)
  const fed = isMixture(weights.feedForward)
    ? mixture(weights.feedForward, input, { config: shape.mixture!, activation: shape.activation })
    : feedForward(weights.feedForward, input, shape.activation)
  return added.add(drop(normed(weights.feedForwardOutputNorm, fed, context), dropout, 'feedForward'))
}

/** x behind a norm, where there is one. */
const normed = (weights: NormWeights | undefined, x: Tensor, { shape }: BlockContext): Tensor =>
  weights === undefined ? x : norm(weights, x, shape)
