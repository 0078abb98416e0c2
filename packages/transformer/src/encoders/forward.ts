/** The forward pass of encoders of BERT's line: one function for all of them. */
import { arange, attention, concat, embedding, layerNorm, type Dim, type Tensor } from '@tesserae/tensor'
import { attendFull } from '../layers/attention.js'
import type { FeedForwardWeights } from '../layers/feed-forward.js'
import { linear } from '../layers/linear.js'
import type { NormWeights } from '../layers/norm.js'
import { rotaryTables, type RotaryTables } from '../layers/rotary.js'
import type { BertActivation, BertConfig } from './config.js'
import { pool } from './pooling.js'
import type { BertWeights } from './weights.js'

/** Texts as ids, filled up to one length. */
export interface BertInput {
  /** i32 [B, T] */
  readonly ids: Tensor
  /** i32 [B]: tokens of each text, from 1 to T; what follows them is filling and changes nothing. */
  readonly lengths: Tensor
  /** i32 [B, T]: the segment of each token; default all 0. */
  readonly types?: Tensor
}

/** Tables of the two kinds of layers. */
export interface BertRotary {
  readonly global: RotaryTables
  readonly local: RotaryTables
}

/** The rotary tables that a configuration calls for; the caller owns them. */
export function bertRotary({ positions, width, heads, context, ropeBase, localRopeBase }: BertConfig): BertRotary | undefined {
  if (positions !== 'rotary') return undefined
  const tables = (base: number): RotaryTables => rotaryTables({ headWidth: width / heads, context, ropeBase: base })
  return { global: tables(ropeBase), local: tables(localRopeBase) }
}

/** Queries that long texts are attended in at a time, so that scores take memory for so many and not for all. */
const blockTokens = 512
/** Texts of at most so many tokens are attended to at once. */
export const mostAtOnce = 2 * blockTokens

/** Vectors of every token: ids [B, T] → [B, T, width]. Above 2 · `block` tokens attention goes block by block, if their number is fixed. That ids and lengths are in range must be checked on the host. */
export function bertHidden(
  weights: BertWeights,
  { ids, lengths, types }: BertInput,
  config: BertConfig,
  rotary?: BertRotary,
  options: { readonly block?: number } = {},
): Tensor {
  const { block = blockTokens } = options
  const [rows, tokens] = ids.shape as readonly [Dim, Dim]
  const { heads, width, normEps, norms, windows } = config
  const shape = { heads, kvHeads: heads, headWidth: width / heads, ropeInterleaved: false }
  const normal = (norm: NormWeights | undefined, x: Tensor): Tensor =>
    norm === undefined ? x : layerNorm(x, norm.weight, norm.bias, { eps: normEps })

  const present = arange(tokens).reshape(1, tokens).lt(lengths.reshape(rows, 1)).reshape(rows, 1, 1, tokens)
  const at = arange(tokens)
  let x = embedding(weights.embedding.weight, ids)
  if (weights.types !== undefined)
    x = x.add(types === undefined ? weights.types.weight.slice(0, 0, 1) : embedding(weights.types.weight, types))
  if (weights.positions !== undefined) x = x.add(weights.positions.weight.slice(0, 0, tokens))
  x = normal(weights.embeddingNorm, x)
  weights.blocks.forEach((layer, i) => {
    const window = windows?.[i] ?? 0
    const tables = window === 0 ? rotary?.global : rotary?.local
    const context = {
      shape,
      causal: false,
      ...(typeof tokens === 'number' && tokens > 2 * block
        ? { attend: (q: Tensor, k: Tensor, v: Tensor) => inBlocks(q, k, v, { present, window, block, tokens }) }
        : { mask: window === 0 ? present : present.and(near(at, at, window)) }),
      ...(tables === undefined ? {} : { rotary: tables }),
    }
    if (norms === 'post') {
      x = normal(layer.attentionNorm, x.add(attendFull(layer.attention, x, context)))
      x = normal(layer.feedForwardNorm, x.add(feedForward(layer.feedForward, x, config.activation)))
    } else {
      x = x.add(attendFull(layer.attention, normal(layer.attentionNorm, x), context))
      x = x.add(feedForward(layer.feedForward, normal(layer.feedForwardNorm, x), config.activation))
    }
  })
  return normal(weights.norm, x)
}

/** Scores of each text: [B, labels], as a classifier of Hugging Face gives them, without an activation behind. */
export function bertScores(weights: BertWeights, input: BertInput, config: BertConfig, rotary?: BertRotary): Tensor {
  const { pooling, activation } = config.head!
  const { dense, norm, output } = weights.head!
  const pooled = activate(linear(dense, pool(bertHidden(weights, input, config, rotary), input.lengths, pooling)), activation)
  return linear(output, norm === undefined ? pooled : layerNorm(pooled, norm.weight, norm.bias, { eps: config.normEps }))
}

/** bool [1, 1, T, S]: whether tokens at these positions, [T] and [S], are at most so far apart. */
function near(from: Tensor, to: Tensor, window: number): Tensor {
  const [rows, columns] = [from.shape[0]!, to.shape[0]!]
  const apart = from.reshape(rows, 1).sub(to.reshape(1, columns)).abs()
  return apart.le(window).reshape(1, 1, rows, columns)
}

interface BlocksOptions {
  /** bool [B, 1, 1, T] */
  readonly present: Tensor
  readonly window: number
  readonly block: number
  readonly tokens: number
}

/** Attention of some queries after the other, each to the keys that its window reaches: [B, H, T, W] → the same shape. */
function inBlocks(q: Tensor, k: Tensor, v: Tensor, { present, window, block, tokens }: BlocksOptions): Tensor {
  const parts: Tensor[] = []
  for (let start = 0; start < tokens; start += block) {
    const end = Math.min(tokens, start + block)
    const [from, to] = window === 0 ? [0, tokens] : [Math.max(0, start - window), Math.min(tokens, end + window)]
    const there = present.slice(3, from, to)
    const places = (first: number, behind: number): Tensor => arange(behind - first, { start: first })
    const mask = window === 0 ? there : there.and(near(places(start, end), places(from, to), window))
    parts.push(attention(q.slice(2, start, end), k.slice(2, from, to), v.slice(2, from, to), { mask }))
  }
  return concat(parts, 2)
}

function feedForward(weights: FeedForwardWeights, x: Tensor, activation: BertActivation): Tensor {
  const { up, gate, down } = weights
  const inner = gate === undefined ? activate(linear(up, x), activation) : activate(linear(gate, x), activation).mul(linear(up, x))
  return linear(down, inner)
}

export function activate(x: Tensor, activation: BertActivation | 'tanh' | 'identity'): Tensor {
  switch (activation) {
    case 'gelu':
      return x.gelu()
    case 'geluTanh':
      return x.gelu({ approximate: 'tanh' })
    case 'relu':
      return x.relu()
    case 'silu':
      return x.silu()
    case 'tanh':
      return x.tanh()
    case 'identity':
      return x
    default:
      return activation satisfies never
  }
}
