/** The composite operations of transformers as functions. Each is one op where the device has a kernel for it. */
import { TensorError } from './errors.js'
import { emitAll } from './graph/build.js'
import type { Attrs } from './graph/node.js'
import * as p from './graph/primitives.js'
import { checkIndices } from './indices.js'
import type { Index } from './shape.js'
import { Tensor, wrap } from './tensor.js'
import { activeTrace } from './transform/trace.js'

const composite = (op: string, inputs: readonly (Tensor | undefined)[], attrs: Attrs = {}): Tensor[] =>
  emitAll(
    op,
    inputs.filter((t): t is Tensor => t !== undefined).map((t) => t.value),
    attrs,
  ).map(wrap)

/** (x − mean) / sqrt(variance + eps) · weight + bias over the last axis. x [..., D], weight and bias [D]. */
export function layerNorm(x: Tensor, weight: Tensor, bias?: Tensor, options: { readonly eps?: number } = {}): Tensor {
  return composite('layerNorm', [x, weight, bias], { eps: options.eps ?? 1e-5 })[0]!
}

/** x / sqrt(mean(x²) + eps) · weight over the last axis (Zhang and Sennrich, arXiv:1910.07467). x [..., D], weight [D]. */
export function rmsNorm(x: Tensor, weight: Tensor, options: { readonly eps?: number } = {}): Tensor {
  return composite('rmsNorm', [x, weight], { eps: options.eps ?? 1e-5 })[0]!
}

/**
 * Rows of a table: table [V, D], i32 or u32 ids of any shape → [...ids, D]. Errors: VALUE for an id outside the table, where
 * the ids still wait on the host; on a device it counts as the nearest one inside.
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  const [rows] = composite('embedding', [table, ids])
  checkIndices('embedding', ids, table.shape[0]!)
  return rows!
}

/**
 * Rotary position embedding (Su et al., arXiv:2104.09864) of x [B, H, T, D] by rows `positions` (i32 [T] or [B, T]) of
 * cos and sin tables [M, R/2]; R ≤ D rotates the first R entries. Interleaved pairs neighbours (llama2.c, GPT-J), the
 * default pairs halves (Hugging Face's Llama).
 */
export function rope(
  x: Tensor,
  tables: { readonly cos: Tensor; readonly sin: Tensor },
  positions: Tensor,
  options: { readonly interleaved?: boolean } = {},
): Tensor {
  const [rotated] = composite('rope', [x, tables.cos, tables.sin, positions], { interleaved: options.interleaved ?? false })
  checkIndices('rope', positions, tables.cos.shape[0]!)
  return rotated!
}

export interface AttentionOptions {
  /** bool (true keeps) or a bias added to the scores; broadcasts to [B, H, T, S]. */
  readonly mask?: Tensor
  /** Query t sees keys up to t, ends aligned; default false. */
  readonly causal?: boolean
  /** Factor on q·k; default 1/sqrt(W). */
  readonly scale?: number
  /** Each query sees this many keys at most, itself included. */
  readonly window?: number
  /** Scores become c · tanh(scores / c) (Gemma 2). */
  readonly softcap?: number
  /** Keys from here on are ignored: the length of a cache that is filled up to it. */
  readonly length?: Index
}

const defined = (attrs: Attrs): Attrs => Object.fromEntries(Object.entries(attrs).filter(([, value]) => value !== undefined))

function headWidth(op: string, q: Tensor): number {
  const width = q.shape.at(-1)
  if (q.rank !== 4 || typeof width !== 'number')
    throw new TensorError('SHAPE', `${op}: expected q of shape [batch, heads, tokens, width], got ${q.describe()}`)
  return width
}

/** Grouped-query attention: q [B, H, T, W], k and v [B, K, S, W] with H a multiple of K → [B, H, T, W]. */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { mask, causal = false, scale = 1 / Math.sqrt(headWidth('attention', q)), ...rest } = options
  return composite('attention', [q, k, v, mask], defined({ causal, scale, ...rest }))[0]!
}

/** Keys and values of earlier tokens, [B, K, C, W] each; or in 8 bits, i8 of that shape, or in 4, u8 [B, K, C, W/2], with scales f32 [B, K, C, W/32] (W/16, W/8) beside them. */
export interface AttentionCache {
  readonly k: Tensor
  readonly v: Tensor
  readonly scalesK?: Tensor
  readonly scalesV?: Tensor
}

export interface CachedAttention {
  /** [B, H, T, W] */
  readonly out: Tensor
  /** The caches with the new rows, in the old ones' memory when those were donated. */
  readonly cacheK: Tensor
  readonly cacheV: Tensor
  readonly scalesK?: Tensor
  readonly scalesV?: Tensor
}

/**
 * Attention over a cache of fixed capacity: writes k and v [B, K, T, W] at rows `position`, …, `position` + T − 1 of
 * the caches; query t sees rows up to position + t. `position` is a symbol, a number, or an i32 tensor
 * ([] or [B]). Into caches of 8 and 4 bits rows are rounded block by block, as in GGUF's Q8_0 and Q4_0, and they are attended to as they are there.
 */
export function attendCached(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  cache: AttentionCache & { readonly position: Tensor | Index },
  options: Pick<AttentionOptions, 'scale' | 'window' | 'softcap'> = {},
): CachedAttention {
  const { scale = 1 / Math.sqrt(headWidth('attendCached', q)), ...rest } = options
  const inputs = [q, k, v, cache.k, cache.v, positionOf(cache.position), cache.scalesK, cache.scalesV]
  const [out, cacheK, cacheV, scalesK, scalesV] = composite('attendCached', inputs, defined({ scale, ...rest }))
  const scales = scalesK === undefined || scalesV === undefined ? {} : { scalesK, scalesV }
  return { out: out!, cacheK: cacheK!, cacheV: cacheV!, ...scales }
}

export interface PagedAttention {
  /** [B, H, T, W] */
  readonly out: Tensor
  /** The pools with the new rows, in the old ones' memory when those were donated. */
  readonly poolK: Tensor
  readonly poolV: Tensor
  readonly scalesK?: Tensor
  readonly scalesV?: Tensor
}

/**
 * Attention over caches in pages: pools [P, K, S, W] of blocks of S rows, and `table` i32 [B, M], which says what blocks a sequence has, in order. Writes k and v
 * [B, K, T, W] at positions `position`, …, `position` + T − 1 of their sequences: position p is row p mod S of block table[b, p div S]; query t sees its sequence's rows up
 * to position + t. `position` is a symbol, a number, or an i32 tensor ([] or [B]).
 *
 * Pools of 8 and 4 bits, [P, K, S, …], have scales beside them, as caches of {@link attendCached} do. Sequences may share blocks that are not written to. Rows whose block is none of the pool (−1, say) are dropped, and reads of such blocks give rows of others: nothing
 * outside the pool is touched, whatever the table says.
 */
export function attendPaged(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  pages: AttentionCache & { readonly table: Tensor; readonly position: Tensor | Index },
  options: Pick<AttentionOptions, 'scale' | 'window' | 'softcap'> = {},
): PagedAttention {
  const { scale = 1 / Math.sqrt(headWidth('attendPaged', q)), ...rest } = options
  const inputs = [q, k, v, pages.k, pages.v, pages.table, positionOf(pages.position), pages.scalesK, pages.scalesV]
  const [out, poolK, poolV, scalesK, scalesV] = composite('attendPaged', inputs, defined({ scale, ...rest }))
  const scales = scalesK === undefined || scalesV === undefined ? {} : { scalesK, scalesV }
  return { out: out!, poolK: poolK!, poolV: poolV!, ...scales }
}

/** A pool of blocks [P, K, S, W] with rows [B, K, T, W] of sequences written at `position`, in the blocks that `table` i32 [B, M] has for them, see {@link attendPaged}; in place when donated. */
export function pagedWrite(pool: Tensor, rows: Tensor, table: Tensor, position: Tensor | Index): Tensor {
  return composite('pagedWrite', [pool, rows, table, positionOf(position)])[0]!
}

const positionOf = (position: Tensor | Index): Tensor => (position instanceof Tensor ? position : wrap(p.symScalar(position)))

/** A cache [B, K, C, W] with rows [B, K, T, W] written at `position`; in place when donated. */
export function cacheWrite(cache: Tensor, rows: Tensor, position: Tensor | Index): Tensor {
  return composite('cacheWrite', [cache, rows, positionOf(position)])[0]!
}

/**
 * −log softmax(logits)[label] for each row: logits [..., V], integer labels [...] → f32 [...]; 0 where the label is
 * `ignoreIndex`. Aggregate with sum or mean as the training recipe asks.
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: { readonly ignoreIndex?: number } = {}): Tensor {
  const [losses] = composite('crossEntropy', [logits, labels], defined({ ignoreIndex: options.ignoreIndex }))
  checkIndices('crossEntropy', labels, logits.shape.at(-1)!, { allowed: options.ignoreIndex })
  return losses!
}

/**
 * log softmax(hidden · headᵀ + bias)[label] without ever holding all logits: hidden [N, D], head [V, D], labels [N] →
 * [N]. The vocabulary is taken `chunk` rows at a time.
 */
export function tokenLogprob(
  hidden: Tensor,
  head: Tensor,
  labels: Tensor,
  options: { readonly bias?: Tensor; readonly chunk?: number } = {},
): Tensor {
  const [logprobs] = composite('tokenLogprob', [hidden, head, labels, options.bias], defined({ chunk: options.chunk }))
  checkIndices('tokenLogprob', labels, head.shape[0]!)
  return logprobs!
}

export interface QuantizedWeight {
  /** u8 [N, K/block, block · bits/8]: values plus 8, two in a byte with the first in the lower half, or plus 128. */
  readonly packed: Tensor
  /** f32 [N, K/block] */
  readonly scales: Tensor
  /** f32 [N, K/block], subtracted; only for types that have minimums. */
  readonly mins?: Tensor
  readonly bits: 4 | 8
  /** Values that share a scale; default 32. */
  readonly block?: 16 | 32
}

const layoutAttrs = ({ bits, block = 32 }: QuantizedWeight): Attrs => (block === 32 ? { bits } : { bits, block })

/** Attributes of a product: how it takes its inputs is said to `jit`. */
const productAttrs = (weight: QuantizedWeight): Attrs =>
  activeTrace()?.quantizedInputs === 'f32' ? { ...layoutAttrs(weight), inputs: 'f32' } : layoutAttrs(weight)

/** x · Wᵀ with block-quantised W [N, K]: x [..., K] → [..., N]. Differentiates by x. */
export const qmatmul = (x: Tensor, weight: QuantizedWeight): Tensor =>
  composite('qmatmul', [x, weight.packed, weight.scales, weight.mins], productAttrs(weight))[0]!

/**
 * x · W[chosen]ᵀ with some of E block-quantised W for each row, as mixtures of experts have them: `weights` are packed [E, N, K/block, …], x [M, 1, K] goes through all of its row of
 * `chosen` i32 [M, A], x [M, A, K] each through its own → [M, A, N]. Blocks of those that no row has are not read on the CPU, nor by few rows elsewhere. Differentiates by x.
 */
export const qmatmulChosen = (x: Tensor, weights: QuantizedWeight, chosen: Tensor): Tensor =>
  composite('qmatmulChosen', [x, chosen, weights.packed, weights.scales, weights.mins], productAttrs(weights))[0]!

/** The f32 matrix [N, K] behind a quantised weight. */
export const dequantize = (weight: QuantizedWeight): Tensor =>
  composite('dequantize', [weight.packed, weight.scales, weight.mins], layoutAttrs(weight))[0]!

export interface AdamWOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  /** Decoupled: the parameter shrinks by lr · weightDecay, whatever its gradient. */
  readonly weightDecay?: number
  /** torch adds ε to sqrt(v̂); TensorFlow's form m/(√v + ε̂) differs on small gradients. */
  readonly epsMode?: 'torch' | 'tensorflow'
}

/**
 * One AdamW step (Loshchilov and Hutter, arXiv:1711.05101) of a parameter with its moments m and v. `lr` and `step`
 * (from 1) are f32 scalars. In place when the parameter and moments were donated.
 */
export function adamwStep(
  state: { readonly parameter: Tensor; readonly m: Tensor; readonly v: Tensor },
  gradient: Tensor,
  lr: Tensor,
  step: Tensor,
  options: AdamWOptions = {},
): { parameter: Tensor; m: Tensor; v: Tensor } {
  const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01, epsMode = 'torch' } = options
  const [parameter, m, v] = composite('adamwStep', [state.parameter, gradient, state.m, state.v, lr, step], {
    beta1,
    beta2,
    eps,
    weightDecay,
    epsMode,
  })
  return { parameter: parameter!, m: m!, v: v! }
}
