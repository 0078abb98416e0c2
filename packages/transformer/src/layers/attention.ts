import { attendCached, attendPaged, attention, concat, rmsNorm, rope, tril, triu, where, type Tensor } from '@tesserae/tensor'
import { positionsFrom, type Start } from './embedding.js'
import { drop, type Dropout } from './dropout.js'
import { linear, type LinearWeights } from './linear.js'
import type { NormWeights } from './norm.js'
import type { Matrix } from './packed.js'
import type { RotaryTable } from './rotary.js'

/** Projections of one attention layer: query [heads · headWidth, width], key and value [kvHeads · headWidth, width], output [width, heads · headWidth]. */
export interface AttentionWeights<Leaf = Tensor, Weight = Leaf> {
  readonly query: LinearWeights<Leaf, Weight>
  readonly key: LinearWeights<Leaf, Weight>
  readonly value: LinearWeights<Leaf, Weight>
  readonly output: LinearWeights<Leaf, Weight>
  /** Of queries and keys: head by head, each [headWidth] (Qwen 3, Gemma 3), or of all heads together (OLMo 2). */
  readonly queryNorm?: NormWeights<Leaf>
  readonly keyNorm?: NormWeights<Leaf>
}

/**
 * Keys and values of the tokens seen so far, each [B, kvHeads, capacity, headWidth], or in pages [blocks, kvHeads, blockSize, headWidth], f32 or f16; or of 8 or 4 bits, with scales beside them, as `attendCached` of `@tesserae/tensor` takes them. Or something of
 * each of these tensors.
 */
export interface LayerCache<Part = Tensor> {
  readonly k: Part
  readonly v: Part
  readonly scalesK?: Part
  readonly scalesV?: Part
}

/** What attention needs to know beside its weights. */
export interface AttentionShape {
  readonly heads: number
  readonly kvHeads: number
  readonly headWidth: number
  readonly ropeInterleaved: boolean
  /** Whether the norms of queries and keys, where there are any, are of each head or of all together. */
  readonly queryKeyNorm?: 'head' | 'projection'
  /** Added to the mean square in those norms. */
  readonly normEps?: number
  /** Factor on the product of a query and a key; default 1/√headWidth. */
  readonly attentionScale?: number
  /** Scores become c · tanh(scores / c). */
  readonly attentionSoftcap?: number
}

export interface AttentionContext {
  readonly shape: AttentionShape
  /** Present when positions are rotary. */
  readonly rotary?: RotaryTable
  /** Tokens that one sees, itself included; default all before it. */
  readonly window?: number
  /** Position of the first token of x, or of each row's; default 0. */
  readonly start?: Start
  /** Row of the cache that the first token of x, or each row's, is written to; default its position. */
  readonly row?: Start
  /** i32 [B, most]: the cache is in pages, of which each row of x has these, in order. Rows that are nobody's have none, −1. Sequences are not lists of caches then. */
  readonly table?: Tensor
  /** bool [B]: true for rows of x that are nobody's, whose caches stay as they are; their `row` is 0. */
  readonly idle?: Tensor
  readonly dropout?: Dropout
  /** Whether a token sees only itself and earlier ones; default true. Encoders say false. Without effect beside a cache. */
  readonly causal?: boolean
  /** bool, true where a key may be seen; broadcasts to [B, heads, T, T]. For padding; without effect beside a cache. */
  readonly mask?: Tensor
  /** What is done with queries, keys and values, each [B, heads, T, headWidth], instead of attention over all of them at once; without effect beside a cache and dropout. */
  readonly attend?: (q: Tensor, k: Tensor, v: Tensor) => Tensor
  /** Given the probabilities of each layer, [B, heads, T, T], in order. They are computed beside the result: a fused kernel never holds them. */
  readonly observe?: (probabilities: Tensor) => void
}

/**
 * Self-attention among the tokens of x alone: [B, T, width] → the same shape. Without dropout the result is that of `attention` whether or not
 * anybody observes: another order of the same sums would move the logits by its rounding, and looking must change nothing.
 */
export function attendFull(weights: AttentionWeights<Tensor, Matrix>, x: Tensor, context: AttentionContext): Tensor {
  const { q, k, v } = project(weights, x, context)
  const { causal = true, mask, dropout, observe } = context
  const probabilities = dropout === undefined && observe === undefined ? undefined : probabilitiesOf(q, k, context)
  if (probabilities !== undefined) observe?.(probabilities)
  const attend = context.attend ?? (() => attention(q, k, v, { causal, ...scoring(context), ...(mask === undefined ? {} : { mask }) }))
  const out =
    probabilities === undefined || dropout === undefined
      ? attend(q, k, v)
      : drop(probabilities, dropout, 'probabilities').matmul(repeatHeads(v, context.shape.heads))
  return linear(weights.output, joinHeads(out))
}

/**
 * Causal self-attention of x [B, T, width] to itself and to everything in the cache before `start`. The keys and values of x are
 * written at rows `row` … `row` + T − 1, which must lie inside the capacity.
 *
 * With a list of caches, each [1, kvHeads, capacity, headWidth], row b of x has the b-th for its own, and `row` is i32 [B]: sequences that come and go need not
 * lie side by side in memory, and what a row gives is computed as if it were alone.
 */
export function attendWithCache<Cache extends LayerCache | readonly LayerCache[]>(
  weights: AttentionWeights<Tensor, Matrix>,
  x: Tensor,
  cache: Cache,
  context: AttentionContext,
): { readonly out: Tensor; readonly cache: Cache } {
  const projected = project(weights, x, context)
  const { idle, table } = context
  const attend = ({ q, k, v }: Projected, layer: LayerCache, position: Start) => {
    const { k: cacheK, v: cacheV, scalesK, scalesV } = layer
    if (scalesK !== undefined && scalesV !== undefined && table !== undefined) {
      const { out, ...to } = attendPaged(q, k, v, { ...layer, table, position }, scoring(context))
      return { out, cache: { k: to.poolK, v: to.poolV, scalesK: to.scalesK!, scalesV: to.scalesV! } }
    }
    if (scalesK !== undefined && scalesV !== undefined) {
      // Rows before the first are dropped.
      const row = idle === undefined ? position : where(idle, -1, position as Tensor)
      const { out, ...to } = attendCached(q, k, v, { ...layer, position: row }, scoring(context))
      return { out, cache: { k: to.cacheK, v: to.cacheV, scalesK: to.scalesK!, scalesV: to.scalesV! } }
    }
    // Into the cache of an idle row goes what is there.
    const kept = (rows: Tensor, cached: Tensor): Tensor =>
      idle === undefined ? rows : where(idle.reshape(idle.size, 1, 1, 1), cached.slice(2, 0, 1), rows)
    const as = (rows: Tensor): Tensor => (rows.dtype === cacheK.dtype ? rows : rows.cast(cacheK.dtype))
    const caches = { k: cacheK, v: cacheV, position }
    const asked = (out: Tensor): Tensor => (out.dtype === q.dtype ? out : out.cast(q.dtype))
    if (table !== undefined) {
      const { out, poolK, poolV } = attendPaged(as(q), as(k), as(v), { ...caches, table }, scoring(context))
      return { out: asked(out), cache: { k: poolK, v: poolV } }
    }
    const written = attendCached(as(q), kept(as(k), cacheK), kept(as(v), cacheV), caches, scoring(context))
    return { out: asked(written.out), cache: { k: written.cacheK, v: written.cacheV } }
  }
  const { start = 0, row: first = start } = context
  if (!isList(cache)) {
    const { out, cache: written } = attend(projected, cache, first)
    return { out: linear(weights.output, joinHeads(out)), cache: written as Cache }
  }
  const rows = cache.map((own, b) => {
    const row = (all: Tensor): Tensor => all.slice(0, b, b + 1)
    return attend({ q: row(projected.q), k: row(projected.k), v: row(projected.v) }, own, row(first as Tensor))
  })
  const out = concat(
    rows.map((row) => joinHeads(row.out)),
    0,
  )
  return { out: linear(weights.output, out), cache: rows.map((row) => row.cache) as unknown as Cache }
}

const isList = (cache: LayerCache | readonly LayerCache[]): cache is readonly LayerCache[] => Array.isArray(cache)

interface Projected {
  readonly q: Tensor
  readonly k: Tensor
  readonly v: Tensor
}

function project(weights: AttentionWeights<Tensor, Matrix>, x: Tensor, { shape, rotary, start = 0 }: AttentionContext): Projected {
  const even = (rows: Tensor, norm: NormWeights | undefined, of: AttentionShape['queryKeyNorm']): Tensor =>
    norm === undefined || (shape.queryKeyNorm ?? 'head') !== of
      ? rows
      : rmsNorm(rows, norm.weight, shape.normEps === undefined ? {} : { eps: shape.normEps })
  const heads = (projection: LinearWeights<Tensor, Matrix>, count: number, norm?: NormWeights): Tensor => {
    const rows = even(linear(projection, x), norm, 'projection').reshape(x.shape[0]!, x.shape[1]!, count, shape.headWidth)
    return even(rows, norm, 'head').permute(0, 2, 1, 3)
  }
  const turn = (rows: Tensor): Tensor =>
    rotary === undefined ? rows : rope(rows, rotary, positionsFrom(start, rows, 2), { interleaved: shape.ropeInterleaved })
  return {
    q: turn(heads(weights.query, shape.heads, weights.queryNorm)),
    k: turn(heads(weights.key, shape.kvHeads, weights.keyNorm)),
    v: heads(weights.value, shape.kvHeads),
  }
}

/** What is done to the scores, as the options of attention. */
const scoring = ({ shape, window }: AttentionContext): { scale?: number; softcap?: number; window?: number } => ({
  ...(shape.attentionScale === undefined ? {} : { scale: shape.attentionScale }),
  ...(shape.attentionSoftcap === undefined ? {} : { softcap: shape.attentionSoftcap }),
  ...(window === undefined ? {} : { window }),
})

/** [B, H, T, W] → [B, T, H · W] */
function joinHeads(x: Tensor): Tensor {
  const [batch, heads, tokens, width] = x.shape as readonly [number, number, number, number]
  return x.permute(0, 2, 1, 3).reshape(batch, tokens, heads * width)
}

/** Key or value heads as often as query heads share them: [B, kvHeads, T, W] → [B, heads, T, W]. */
function repeatHeads(rows: Tensor, heads: number): Tensor {
  const [batch, kvHeads, tokens, width] = rows.shape as readonly [number, number, number, number]
  if (kvHeads === heads) return rows
  return rows
    .unsqueeze(2)
    .expand(batch, kvHeads, heads / kvHeads, tokens, width)
    .reshape(batch, heads, tokens, width)
}

/** How much each token looks at each, [B, heads, T, T], which no fused kernel hands out: to show them, or to drop some. */
function probabilitiesOf(q: Tensor, k: Tensor, context: AttentionContext): Tensor {
  const { causal = true, mask, window } = context
  const [, heads, tokens, width] = q.shape as readonly [number, number, number, number]
  const { scale = 1 / Math.sqrt(width), softcap } = scoring(context)
  let scores = q.matmul(repeatHeads(k, heads), { transB: true, alpha: scale })
  if (softcap !== undefined) scores = scores.div(softcap).tanh().mul(softcap)
  if (causal) scores = where(tril(tokens, tokens), scores, -Infinity)
  if (window !== undefined && window < tokens) scores = where(triu(tokens, tokens, 1 - window), scores, -Infinity)
  if (mask !== undefined) scores = where(mask, scores, -Infinity)
  return scores.softmax(-1)
}
