/** The forward pass of every decoder: one function for training and scoring, one with a cache for generation. */
import type { Index, Tensor } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'
import type { AttentionContext, LayerCache } from '../layers/attention.js'
import { block, blockWithCache, type BlockContext } from '../layers/block.js'
import { drop, dropoutFor, type Dropout } from '../layers/dropout.js'
import { addPositions, embed, type Start } from '../layers/embedding.js'
import { linear, type LinearWeights } from '../layers/linear.js'
import { norm } from '../layers/norm.js'
import type { Matrix } from '../layers/packed.js'
import type { RotaryTables } from '../layers/rotary.js'
import type { DecoderConfig } from './config.js'
import type { AnyDecoderWeights, DecoderWeights } from './weights.js'

export interface ModelOptions {
  readonly config: DecoderConfig
  /** `rotaryTables(config)`; required when positions are rotary. */
  readonly rotary?: RotaryTables
}

export interface ForwardOptions extends ModelOptions {
  /** Apply the configuration's dropout; default false. */
  readonly train?: boolean
  /** u32 [2], a fresh one for each step; required to train with dropout. */
  readonly key?: Tensor
}

export interface CachedOptions extends ModelOptions {
  /** Number of tokens already in the cache: the position of the first new one. With a cache for each row i32 [B], one for each. */
  readonly position: Start
  /** Row of the first new token in the caches of layers with a window, where those hold fewer rows than the others (`FixedCache.row`); default its position. */
  readonly row?: Start
  /** Caches are in pages: i32 [B, most], the blocks of each row in order, −1 behind the last and in rows that are nobody's. */
  readonly table?: Tensor
  /** Those of layers with a window, where these have pools of their own; default the same. */
  readonly windowTable?: Tensor
  /** bool [B]: rows that are nobody's, whose position is 0 and whose caches stay as they are. Not with a cache for each row. */
  readonly idle?: Tensor
  /** Compute logits of this new token alone (0 … T − 1); default all of them. */
  readonly only?: Index
}

/** What a forward pass can show beside its logits. */
export type Capturable = 'attention'

export interface CaptureOptions extends ForwardOptions {
  readonly capture: readonly Capturable[]
}

/** Logits with what was captured on the way. */
export interface Captured {
  /** [B, T, vocabSize] */
  readonly logits: Tensor
  /** With `'attention'`: for each layer the probabilities [B, heads, T, T], row t saying how much token t looks at each token; else empty. */
  readonly attention: readonly Tensor[]
}

/**
 * Logits of every position: integer ids [B, T] → [B, T, vocabSize]. Position t sees ids 0 … t. Errors: CAPACITY beyond the context, OPTION.
 *
 * With `capture: ['attention']` a record of logits and each layer's attention. The logits are those without it; the attention is computed beside
 * the fused kernel, which never holds it, at more time and T² memory for each head.
 */
export function forward(weights: AnyDecoderWeights, ids: Tensor, options: CaptureOptions): Captured
export function forward(weights: AnyDecoderWeights, ids: Tensor, options: ForwardOptions): Tensor
export function forward(weights: AnyDecoderWeights, ids: Tensor, options: ForwardOptions & Partial<CaptureOptions>): Tensor | Captured {
  const { capture } = options
  if (capture === undefined) return project(weights, forwardHidden(weights, ids, options), options.config)
  const unknown = capture.find((name) => name !== 'attention')
  if (unknown !== undefined)
    throw new TransformerError('OPTION', `forward: nothing called ${JSON.stringify(unknown)} can be captured; expected 'attention'`)
  const attention: Tensor[] = []
  const seen = capture.includes('attention') ? { observe: (probabilities: Tensor) => void attention.push(probabilities) } : {}
  return { logits: project(weights, runBlocks(weights, ids, options, seen), options.config), attention }
}

/** The same up to the last norm, without the head: ids [B, T] → [B, T, width]. */
export const forwardHidden = (weights: AnyDecoderWeights, ids: Tensor, options: ForwardOptions): Tensor => runBlocks(weights, ids, options)

/** Embedding, blocks and the last norm, with attention as `view` says: ids [B, T] → [B, T, width]. Encoders come in here. */
export function runBlocks(
  weights: AnyDecoderWeights,
  ids: Tensor,
  options: ForwardOptions,
  view: Pick<AttentionContext, 'causal' | 'mask' | 'observe'> = {},
): Tensor {
  const { config } = options
  checkIds(ids, config)
  const dropout = dropoutOf(options)
  const contextAt = contextsOf(options, 0)
  let x = drop(embedded(weights, ids, config, 0), dropout, 'embedding')
  weights.blocks.forEach((layer, i) => {
    const own = dropoutFor(dropout, `blocks.${i}`)
    x = block(layer, x, { ...contextAt(i), ...view, ...(own === undefined ? {} : { dropout: own }) })
  })
  return norm(weights.norm, x, config)
}

/**
 * Logits of new tokens that follow those in the cache: ids [B, T] → [B, T, vocabSize] ([B, 1, vocabSize] with `only`), what they were made of, [..., width], and the cache with the
 * new tokens in it. That `position` + T lies within the capacity must be checked on the host, see `FixedCache.reserve`.
 *
 * A layer's cache is one for all rows, or a list with one for each, [1, kvHeads, capacity, headWidth]; `position` is then a tensor.
 */
export function forwardCached<Cache extends LayerCache | readonly LayerCache[]>(
  weights: AnyDecoderWeights,
  ids: Tensor,
  cache: readonly Cache[],
  options: CachedOptions,
): { readonly logits: Tensor; readonly hidden: Tensor; readonly cache: Cache[] } {
  const { config, position, only } = options
  checkIds(ids, config)
  const contextAt = contextsOf(options, position, options)
  let x = embedded(weights, ids, config, position)
  const written = weights.blocks.map((layer, i) => {
    const result = blockWithCache(layer, x, cache[i]!, contextAt(i))
    x = result.out
    return result.cache
  })
  if (only !== undefined) x = x.slice(1, only, typeof only === 'number' ? only + 1 : next(only))
  const hidden = norm(weights.norm, x, config)
  return { logits: project(weights, hidden, config), hidden, cache: written }
}

/** The output head: hidden [..., width] → logits [..., vocabSize], under the configuration's soft cap. */
export function project(weights: AnyDecoderWeights, hidden: Tensor, { logitSoftcap }: Pick<DecoderConfig, 'logitSoftcap'>): Tensor {
  const logits = linear(headOf(weights), hidden)
  return logitSoftcap === undefined ? logits : logits.div(logitSoftcap).tanh().mul(logitSoftcap)
}

/** The matrix of the output head, [vocabSize, width]: the embedding table itself when tied. What it gives is not capped yet, see {@link project}. */
export const headOf = <Weight extends Matrix>(weights: DecoderWeights<Tensor, Weight>): LinearWeights<Tensor, Weight> =>
  weights.head ?? weights.embedding

const next = (index: Exclude<Index, number>): Index => (index.kind === 'sym' ? index.plus(1) : index.sym.plus(index.offset + 1))

function embedded(weights: AnyDecoderWeights, ids: Tensor, { embeddingScale, width }: DecoderConfig, start: Start): Tensor {
  // A table of halves gives what the norms are of.
  const rows = embed(weights.embedding, ids, width).cast(weights.norm.weight.dtype)
  const x = embeddingScale === undefined ? rows : rows.mul(embeddingScale)
  return weights.positions === undefined ? x : addPositions(weights.positions, x, start)
}

/** What each layer needs to know: layers may differ in their windows, and in the rotary base with them. */
function contextsOf(
  { config, rotary }: ModelOptions,
  start: Start,
  { row = start, idle, table, windowTable = table }: Pick<CachedOptions, 'row' | 'idle' | 'table' | 'windowTable'> = {},
): (layer: number) => BlockContext {
  if (config.positions === 'rotary' && rotary === undefined)
    throw new TransformerError('OPTION', 'this model has rotary positions; pass rotary: rotaryTables(config), made once, beside config')
  return (layer) => {
    const { [layer]: window = 0 } = config.windows ?? []
    const tables = window === 0 ? rotary : (rotary?.local ?? rotary)
    const pages = window === 0 ? table : windowTable
    return {
      shape: config,
      start,
      ...(window === 0 ? {} : { row }),
      ...(idle === undefined ? {} : { idle }),
      ...(pages === undefined ? {} : { table: pages }),
      ...(config.positions === 'learned' ? {} : { rotary: tables! }),
      ...(window === 0 || window >= config.context ? {} : { window }),
    }
  }
}

function dropoutOf({ config, train = false, key }: ForwardOptions): Dropout | undefined {
  if (!train || config.dropout === 0) return undefined
  if (key === undefined)
    throw new TransformerError(
      'OPTION',
      `training with dropout ${config.dropout} needs a key (u32 [2], different for each step); pass key, or set dropout to 0`,
    )
  return { probability: config.dropout, key }
}

function checkIds(ids: Tensor, config: DecoderConfig): void {
  const tokens = ids.shape[1]
  if (ids.rank !== 2 || tokens === undefined)
    throw new TransformerError('OPTION', `ids must be [batch, tokens], got ${String(ids)}; add a batch axis with unsqueeze(0)`)
  if (ids.dtype !== 'i32' && ids.dtype !== 'u32') throw new TransformerError('OPTION', `ids must be i32 or u32, got ${ids.dtype}`)
  const length = typeof tokens === 'number' ? tokens : tokens.max
  if (length > config.context)
    throw new TransformerError(
      'CAPACITY',
      `${length} tokens were given, the model's context is ${config.context}; give fewer, or windows of them`,
    )
}
