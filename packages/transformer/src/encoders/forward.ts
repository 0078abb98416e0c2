/** The forward pass of encoders of BERT's line: one function for all of them. */
import { arange, embedding, layerNorm, type Dim, type Tensor } from '@tesserae/tensor'
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

/** Vectors of every token: ids [B, T] → [B, T, width]. That ids and lengths are in range must be checked on the host. */
export function bertHidden(weights: BertWeights, { ids, lengths, types }: BertInput, config: BertConfig, rotary?: BertRotary): Tensor {
  const [rows, tokens] = ids.shape as readonly [Dim, Dim]
  const { heads, width, normEps, norms, windows } = config
  const shape = { heads, kvHeads: heads, headWidth: width / heads, ropeInterleaved: false }
  const normal = (norm: NormWeights | undefined, x: Tensor): Tensor =>
    norm === undefined ? x : layerNorm(x, norm.weight, norm.bias, { eps: normEps })

  const present = arange(tokens).reshape(1, tokens).lt(lengths.reshape(rows, 1)).reshape(rows, 1, 1, tokens)
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
      mask: window === 0 ? present : present.and(near(tokens, window)),
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

/** bool [1, 1, T, T]: whether two tokens are at most so far apart. */
function near(tokens: Dim, window: number): Tensor {
  const at = arange(tokens)
  const apart = at.reshape(tokens, 1).sub(at.reshape(1, tokens)).abs()
  return apart.le(window).reshape(1, 1, tokens, tokens)
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
