import { attendCached, attention, rope, tril, where, type Index, type Tensor } from '@tesserae/tensor'
import { positionsFrom } from './embedding.js'
import { drop, type Dropout } from './dropout.js'
import { linear, type LinearWeights } from './linear.js'
import type { RotaryTables } from './rotary.js'

/** Projections of one attention layer: query [heads · headWidth, width], key and value [kvHeads · headWidth, width], output [width, heads · headWidth]. */
export interface AttentionWeights<Leaf = Tensor> {
  readonly query: LinearWeights<Leaf>
  readonly key: LinearWeights<Leaf>
  readonly value: LinearWeights<Leaf>
  readonly output: LinearWeights<Leaf>
}

/** Keys and values of the tokens seen so far, each [B, kvHeads, capacity, headWidth]. */
export interface LayerCache {
  readonly k: Tensor
  readonly v: Tensor
}

/** What attention needs to know beside its weights. */
export interface AttentionShape {
  readonly heads: number
  readonly kvHeads: number
  readonly headWidth: number
  readonly ropeInterleaved: boolean
}

export interface AttentionContext {
  readonly shape: AttentionShape
  /** Present when positions are rotary. */
  readonly rotary?: RotaryTables
  /** Position of the first token of x; default 0. */
  readonly start?: Index
  readonly dropout?: Dropout
  /** Whether a token sees only itself and earlier ones; default true. Encoders say false. Without effect beside a cache. */
  readonly causal?: boolean
  /** bool, true where a key may be seen; broadcasts to [B, heads, T, T]. For padding; without effect beside a cache. */
  readonly mask?: Tensor
  /** Given the probabilities of each layer, [B, heads, T, T], in order. Attention is then spelled out: a fused kernel never holds them. */
  readonly observe?: (probabilities: Tensor) => void
}

/** Self-attention among the tokens of x alone: [B, T, width] → the same shape. */
export function attendFull(weights: AttentionWeights, x: Tensor, context: AttentionContext): Tensor {
  const { q, k, v } = project(weights, x, context)
  const { causal = true, mask, dropout, observe } = context
  const fused = dropout === undefined && observe === undefined
  const out = fused ? attention(q, k, v, { causal, ...(mask === undefined ? {} : { mask }) }) : attendSpelledOut(q, k, v, context)
  return linear(weights.output, joinHeads(out))
}

/**
 * Causal self-attention of x [B, T, width] to itself and to everything in the cache before `start`. The keys and values of x are
 * written at rows `start` … `start` + T − 1, which must lie inside the capacity.
 */
export function attendWithCache(
  weights: AttentionWeights,
  x: Tensor,
  cache: LayerCache,
  context: AttentionContext,
): { readonly out: Tensor; readonly cache: LayerCache } {
  const { q, k, v } = project(weights, x, context)
  const { out, cacheK, cacheV } = attendCached(q, k, v, { k: cache.k, v: cache.v, position: context.start ?? 0 })
  return { out: linear(weights.output, joinHeads(out)), cache: { k: cacheK, v: cacheV } }
}

function project(
  weights: AttentionWeights,
  x: Tensor,
  { shape, rotary, start = 0 }: AttentionContext,
): { q: Tensor; k: Tensor; v: Tensor } {
  const heads = (projection: LinearWeights, count: number): Tensor =>
    linear(projection, x).reshape(x.shape[0]!, x.shape[1]!, count, shape.headWidth).permute(0, 2, 1, 3)
  const turn = (rows: Tensor): Tensor =>
    rotary === undefined ? rows : rope(rows, rotary, positionsFrom(start, rows, 2), { interleaved: shape.ropeInterleaved })
  return { q: turn(heads(weights.query, shape.heads)), k: turn(heads(weights.key, shape.kvHeads)), v: heads(weights.value, shape.kvHeads) }
}

/** [B, H, T, W] → [B, T, H · W] */
function joinHeads(x: Tensor): Tensor {
  const [batch, heads, tokens, width] = x.shape as readonly [number, number, number, number]
  return x.permute(0, 2, 1, 3).reshape(batch, tokens, heads * width)
}

/** Attention with its probabilities in reach, to drop some of them or to show them, which no fused kernel allows. */
function attendSpelledOut(q: Tensor, k: Tensor, v: Tensor, { causal = true, mask, dropout, observe }: AttentionContext): Tensor {
  const [batch, heads, tokens, width] = q.shape as readonly [number, number, number, number]
  const kvHeads = k.shape[1] as number
  const repeat = (rows: Tensor): Tensor =>
    kvHeads === heads
      ? rows
      : rows
          .unsqueeze(2)
          .expand(batch, kvHeads, heads / kvHeads, tokens, width)
          .reshape(batch, heads, tokens, width)
  let scores = q.matmul(repeat(k), { transB: true, alpha: 1 / Math.sqrt(width) })
  if (causal) scores = where(tril(tokens, tokens), scores, -Infinity)
  if (mask !== undefined) scores = where(mask, scores, -Infinity)
  const probabilities = scores.softmax(-1)
  observe?.(probabilities)
  return drop(probabilities, dropout, 'probabilities').matmul(repeat(v))
}
