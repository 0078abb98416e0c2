/**
 * Scaled dot-product attention with grouped queries (Ainslie et al., arXiv:2305.13245), causal and sliding windows, soft
 * caps (Gemma 2, arXiv:2408.00118) and a runtime length. Where it is differentiated `attentionForward` stands for it.
 */
import { computeArray, type DType, type NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit, emitAll } from '../graph/build.js'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/node.js'
import {
  add,
  and,
  constant,
  iota,
  like,
  lt,
  max,
  mul,
  reduceMax,
  reshape,
  sub,
  sumTo,
  symScalar,
  tanh,
  where,
} from '../graph/primitives.js'
import { broadcastShapes, dimMax, indexMax, isSym, isSymExpr, printIndex, printShape, type Dim, type Index, type Shape } from '../shape.js'
import { attentionSamples } from './attention-samples.js'
import { checkFloat } from './check.js'
import { matmul } from './matmul.js'
import { defineOp, type OpRow, type ReferenceContext, type RefTensor } from './row.js'
import { softmax } from './softmax.js'
import { broadcastStrides } from './strided.js'
import {
  checkCount,
  checkDTypeIs,
  checkFinite,
  checkRank,
  checkShapeIs,
  describe,
  given,
  lastAxis,
  narrow,
  sumLast,
  wideDType,
  widen,
} from './wide.js'

export interface AttentionOptions {
  /** bool (true keeps) or a float bias added to the scores; broadcasts to [B, H, T, S]. */
  readonly mask?: Value
  /** Query t sees keys up to t + S − T (ends aligned), or t + length − T. */
  readonly causal?: boolean
  /** Factor on q·k. */
  readonly scale: number
  /** Only the last `window` keys up to the query's own; needs `causal`. */
  readonly window?: number
  /** Scores become c · tanh(scores / c). */
  readonly softcap?: number
  /** Keys from here on are ignored. */
  readonly length?: Index
}

export type AttentionAttrs = Omit<AttentionOptions, 'mask'>

/** q [B, H, T, W], k and v [B, K, S, W], H a multiple of K → [B, H, T, W]. A query that sees no key gives 0. */
export function attention(q: Value, k: Value, v: Value, options: AttentionOptions): Value {
  const { mask, causal = false, ...rest } = options
  return emit('attention', mask === undefined ? [q, k, v] : [q, k, v, mask], { causal, ...given(rest) })
}

/** What a hidden key's score is lowered by: finite, so that a row of nothing but hidden keys makes no NaN on its way to 0. */
const HIDDEN = -1e30
/** A bias at or below this hides its key. */
export const HIDDEN_LIMIT = HIDDEN / 2

/** q, k and v fit together; shared with `attendCached`. */
export function checkHeads(op: string, q: TensorType, k: TensorType, v: TensorType): void {
  checkFloat(op, q)
  checkRank(op, 'q', q, 4, '[batch, heads, tokens, width]')
  checkRank(op, 'k', k, 4, '[batch, key heads, keys, width]')
  checkDTypeIs(op, 'k', k, [q.dtype], 'the dtype of q')
  checkDTypeIs(op, 'v', v, [q.dtype], 'the dtype of q')
  checkShapeIs(op, 'v', v, k.shape, 'the shape of k')
  const [batch, heads, , width] = q.shape
  const [keyBatch, keyHeads, , keyWidth] = k.shape
  if (batch !== keyBatch || width !== keyWidth)
    throw new TensorError('SHAPE', `${op}: q ${describe(q)} and k ${describe(k)} must agree on batch (axis 0) and width (axis 3)`)
  if (typeof heads !== 'number' || typeof keyHeads !== 'number' || (keyHeads === 0 ? heads !== 0 : heads % keyHeads !== 0))
    throw new TensorError(
      'SHAPE',
      `${op}: q ${describe(q)} has ${printIndex(heads!)} heads, which is not a multiple of the ${printIndex(keyHeads!)} key heads of k ${describe(k)}`,
    )
}

/** Attributes of attention that are plain numbers; shared with `attendCached`. */
export function checkScores(op: string, attrs: Pick<AttentionAttrs, 'scale' | 'window' | 'softcap'>): void {
  checkFinite(op, 'scale', attrs.scale, Number.isFinite, 'a finite number such as 1/sqrt(width)')
  if (attrs.window !== undefined)
    checkFinite(op, 'window', attrs.window, (value) => Number.isInteger(value) && value >= 1, 'a positive integer')
  if (attrs.softcap !== undefined)
    checkFinite(op, 'softcap', attrs.softcap, (value) => value > 0 && Number.isFinite(value), 'a positive number')
}

export function inferAttention(inputs: readonly TensorType[], attrs: AttentionAttrs): readonly TensorType[] {
  checkCount('attention', inputs, 3, 4, 'q, k, v, mask')
  const [q, k, v, mask] = inputs as readonly [TensorType, TensorType, TensorType, TensorType | undefined]
  checkHeads('attention', q, k, v)
  checkScores('attention', attrs)
  if (attrs.window !== undefined && attrs.causal !== true)
    throw new TensorError(
      'VALUE',
      `attention: window ${attrs.window} counts keys up to the query's own, so it needs causal: true; for a window to both sides give a mask`,
    )
  const keys = k.shape[2]!
  if (attrs.length !== undefined && (indexMax(attrs.length) > dimMax(keys) || indexMax(attrs.length) < 0))
    throw new TensorError(
      'VALUE',
      `attention: length ${printIndex(attrs.length)} may reach ${indexMax(attrs.length)}, but k ${describe(k)} has ${printIndex(keys)} keys`,
    )
  if (mask !== undefined) {
    checkDTypeIs('attention', 'mask', mask, ['bool', q.dtype], 'what is kept, or a bias in the dtype of q')
    const scores: Shape = [q.shape[0]!, q.shape[1]!, q.shape[2]!, keys]
    const fits =
      mask.shape.length <= 4 && broadcastShapes('attention (mask)', mask.shape, scores).every((dim, axis) => dim === scores[axis])
    if (!fits) throw new TensorError('SHAPE', `attention: mask ${describe(mask)} must broadcast to the scores ${printShape(scores)}`)
  }
  return [q]
}

/** A constant or runtime integer, plus a number, as an i32 scalar. */
function scalarOf(index: Index, plus: number): Value {
  if (typeof index === 'number') return constant(index + plus, 'i32')
  const total = isSymExpr(index) ? index.offset + plus : plus
  const symbol = isSymExpr(index) ? index.sym : index
  return symScalar(total === 0 ? symbol : symbol.plus(total))
}

/** For each query, the position after its own: [T, 1], where the last query stands at `length` − 1. */
function nextPositions(tokens: Dim, length: Index): Value {
  const counted = iota([tokens, 1], 0, 'i32')
  if (tokens === length) return add(counted, constant(1, 'i32'))
  return add(counted, isSym(tokens) ? sub(scalarOf(length, 1), symScalar(tokens)) : scalarOf(length, 1 - tokens))
}

/**
 * Which keys queries see: [T, S], or one row for all of them. Made of the same nodes for equal lengths, so that all
 * layers share one mask.
 */
function visibleKeys(tokens: Dim, keys: Dim, attrs: AttentionAttrs): Value | undefined {
  const length = attrs.length ?? keys
  const isShort = length !== keys
  const key = (): Value => iota([1, keys], 1, 'i32')
  if (attrs.causal !== true || (tokens === 1 && attrs.window === undefined)) return isShort ? lt(key(), scalarOf(length, 0)) : undefined
  const next = nextPositions(tokens, length)
  const seen = lt(key(), next)
  return attrs.window === undefined ? seen : and(seen, lt(sub(next, constant(attrs.window + 1, 'i32')), key()))
}

/** Whether some query may see no key at all, mask aside. */
function mayBeEmpty(tokens: Dim, keys: Dim, attrs: AttentionAttrs): boolean {
  const length = attrs.length ?? keys
  if (attrs.causal === true && tokens === length) return false
  return typeof length !== 'number' || length < (attrs.causal !== true ? 1 : dimMax(tokens))
}

/** What is added to the scores, in the dtype they are computed in. */
function scoreBias(visible: Value | undefined, mask: Value | undefined, dtype: DType): Value | undefined {
  const lowered = (kept: Value): Value => where(kept, constant(0, dtype), constant(HIDDEN, dtype))
  if (mask === undefined) return visible && lowered(visible)
  if (dtypeOf(mask) === 'bool') return lowered(visible === undefined ? mask : and(mask, visible))
  const wide = widen(mask)
  // −∞ minus −∞ would be NaN in a row that is hidden entirely.
  const bias = max(wide, like(wide, HIDDEN))
  return visible === undefined ? bias : add(bias, lowered(visible))
}

/** Rows of keys or values from `length` on replaced by 0: memory there may hold anything, and 0 · NaN is NaN. */
function cutTail(x: Value, length: Index): Value {
  return where(lt(iota([shapeOf(x)[2]!, 1], 0, 'i32'), scalarOf(length, 0)), x, like(x, 0))
}

const decomposeAttention = (inputs: readonly Value[], attrs: AttentionAttrs): readonly Value[] => [decomposeWithScores(inputs, attrs).out]

/** The result, with the scores [B, H, T, S] as the softmax sees them, and where queries see some key at all if not everywhere. */
export function decomposeWithScores(
  inputs: readonly Value[],
  attrs: AttentionAttrs,
): { readonly out: Value; readonly scores: Value; readonly seesSome: Value | undefined } {
  const [q, mask] = [widen(inputs[0]!), inputs[3]]
  let [k, v] = [widen(inputs[1]!), widen(inputs[2]!)]
  const [batch, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, Dim]
  const [, keyHeads, keys] = shapeOf(k) as readonly [Dim, number, Dim]
  if (attrs.length !== undefined && attrs.length !== keys) [k, v] = [cutTail(k, attrs.length), cutTail(v, attrs.length)]

  // Queries that share a key head become more rows of one product; where their number is a symbol, a broadcast axis does it.
  const group = keyHeads === 0 ? 1 : heads / keyHeads
  const isFolded = group === 1 || typeof tokens === 'number'
  const lead: Shape =
    group === 1 ? [batch, heads, tokens] : isFolded ? [batch, keyHeads, group * (tokens as number)] : [batch, keyHeads, group, tokens]
  const shared = (x: Value): Value => (isFolded ? x : reshape(x, [batch, keyHeads, 1, keys, width]))
  const as = (x: Value, shape: Shape): Value => (group === 1 ? x : reshape(x, shape))

  const { scale, softcap } = attrs
  let scores = matmul(as(q, [...lead, width]), shared(k), { transB: true, alpha: softcap === undefined ? scale : scale / softcap })
  if (softcap !== undefined) scores = mul(tanh(scores), like(scores, softcap))
  const bias = scoreBias(visibleKeys(tokens, keys, attrs), mask, dtypeOf(q))
  if (bias !== undefined) scores = as(add(as(scores, [batch, heads, tokens, keys]), bias), [...lead, keys])
  const out = as(softmaxMatmul(scores, shared(v))[0]!, [batch, heads, tokens, width])
  const all = as(scores, [batch, heads, tokens, keys])
  if (bias === undefined || (mask === undefined && !mayBeEmpty(tokens, keys, attrs)))
    return { out: narrow(out, inputs[0]!), scores: all, seesSome: undefined }
  const seesSome = lt(like(bias, HIDDEN_LIMIT), reduceMax(bias, [lastAxis(bias)], true))
  return { out: narrow(where(seesSome, out, like(out, 0)), inputs[0]!), scores: all, seesSome }
}

/** A mask read at [b, h, t, s]. */
export function maskReader(
  mask: RefTensor | undefined,
  scores: readonly number[],
): (b: number, h: number, t: number) => (s: number) => number {
  if (mask === undefined) return () => () => 0
  const [sb, sh, st, ss] = broadcastStrides(mask.shape, scores) as [number, number, number, number]
  const { data } = mask
  return (b, h, t) => {
    const base = b * sb + h * sh + t * st
    return mask.dtype === 'bool' ? (s) => (data[base + s * ss] === 0 ? -Infinity : 0) : (s) => data[base + s * ss]!
  }
}

/** The result, and of each query log Σ e^score, 0 where it sees no key. */
export function referenceAttention({
  inputs,
  outputs,
  attrs,
}: ReferenceContext<AttentionAttrs>): readonly [out: NumericArray, lse: NumericArray] {
  const [q, k, v, mask] = inputs as readonly [RefTensor, RefTensor, RefTensor, RefTensor | undefined]
  const [batch, heads, tokens, width] = q.shape as readonly [number, number, number, number]
  const [, keyHeads, keys] = k.shape as readonly [number, number, number]
  const { scale, softcap, causal = false, window = Infinity } = attrs
  const length = (attrs.length as number | undefined) ?? keys
  const out = computeArray(outputs[0]!.dtype, q.data.length)
  const lse = computeArray(wideDType(q.dtype), batch * heads * tokens)
  const biasOf = maskReader(mask, [batch, heads, tokens, keys])
  const scores = new Float64Array(keys)
  const sums = new Float64Array(width)
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) {
      const keyBase = (b * keyHeads + Math.floor((h * keyHeads) / heads)) * keys * width
      for (let t = 0; t < tokens; t++) {
        const row = ((b * heads + h) * tokens + t) * width
        const position = length - tokens + t
        const end = causal ? Math.min(length, position + 1) : length
        const start = causal ? Math.max(0, position - window + 1) : 0
        const bias = biasOf(b, h, t)
        let peak = -Infinity
        for (let s = start; s < end; s++) {
          let dot = 0
          for (let w = 0; w < width; w++) dot += q.data[row + w]! * k.data[keyBase + s * width + w]!
          const scaled = softcap === undefined ? dot * scale : softcap * Math.tanh((dot * scale) / softcap)
          const extra = bias(s)
          scores[s] = extra <= HIDDEN_LIMIT ? -Infinity : scaled + extra
          peak = Math.max(peak, scores[s]!)
        }
        if (peak === -Infinity) continue
        let total = 0
        sums.fill(0)
        for (let s = start; s < end; s++) {
          if (scores[s] === -Infinity) continue
          const weight = Math.exp(scores[s]! - peak)
          total += weight
          for (let w = 0; w < width; w++) sums[w]! += weight * v.data[keyBase + s * width + w]!
        }
        for (let w = 0; w < width; w++) out[row + w] = sums[w]! / total
        lse[(b * heads + h) * tokens + t] = peak + Math.log(total)
      }
    }
  return [out, lse]
}

const attentionOp = defineOp<AttentionAttrs>({
  name: 'attention',
  kind: 'composite',
  summary: 'softmax(scale · q·kᵀ + mask) · v for each head; query heads in groups share key heads. A query that sees no key gives 0.',
  infer: inferAttention,
  reference: (context) => [referenceAttention(context)[0]],
  decompose: decomposeAttention,
  opened: (inputs, attrs) => [emitAll('attentionForward', inputs, attrs)[0]!],
  samples: attentionSamples,
})

/**
 * softmax(scores)·v with the probabilities: scores [..., T, S], v [..., S, W] → [out, probabilities]. One op, because the
 * gradient of the scores needs Σ p·dp over all keys, which is Σ out·dout over the much shorter width.
 */
export const softmaxMatmul = (scores: Value, v: Value): readonly Value[] => emitAll('softmaxMatmul', [scores, v])

const softmaxMatmulOp = defineOp({
  name: 'softmaxMatmul',
  kind: 'composite',
  summary: 'Softmax over the last axis of the scores, times v; also returns the probabilities. The inner part of attention.',
  infer: (inputs) => {
    checkCount('softmaxMatmul', inputs, 2, 2, 'scores, v')
    const [scores, v] = inputs as readonly [TensorType, TensorType]
    checkFloat('softmaxMatmul', scores)
    checkDTypeIs('softmaxMatmul', 'v', v, [scores.dtype], 'the dtype of the scores')
    if (scores.shape.length < 2 || v.shape.length !== scores.shape.length || scores.shape.at(-1) !== v.shape.at(-2))
      throw new TensorError(
        'SHAPE',
        `softmaxMatmul: expected scores [..., T, S] and v [..., S, W] of equal rank, got ${describe(scores)} and ${describe(v)}`,
      )
    const batch = scores.shape.slice(0, -2)
    checkShapeIs(
      'softmaxMatmul',
      'the batch of v broadcast to that of the scores',
      { ...v, shape: broadcastShapes('softmaxMatmul', batch, v.shape.slice(0, -2)) },
      batch,
      'v may broadcast, the scores may not',
    )
    return [{ ...scores, shape: [...scores.shape.slice(0, -1), v.shape.at(-1)!] }, scores]
  },
  decompose: ([scores, v]) => {
    const probabilities = softmax(scores!)
    return [matmul(probabilities, v!), probabilities]
  },
  vjp: ({ inputs: [scores, v], outputs: [out, probabilities], grads: [dout, extra], needs }) => {
    const p = probabilities!
    const total = (values: readonly (Value | undefined)[]): Value | undefined =>
      values.reduce((a, b) => (a === undefined ? b : b === undefined ? a : add(a, b)))
    const dp = total([dout && matmul(dout, v!, { transB: true }), extra])!
    const projection = total([dout && sumLast(mul(widen(out!), widen(dout))), extra && sumLast(mul(widen(p), widen(extra)))])!
    return [
      needs[0] ? narrow(mul(widen(p), sub(widen(dp), projection)), scores!) : undefined,
      needs[1] && dout !== undefined ? sumTo(matmul(p, dout, { transA: true }), shapeOf(v!)) : undefined,
    ]
  },
  samples: [
    { name: 'rows', inputs: [{ shape: [3, 5] }, { shape: [5, 2] }] },
    { name: 'heads', inputs: [{ shape: [2, 2, 3, 5] }, { shape: [2, 2, 5, 4] }] },
    { name: 'shared values', inputs: [{ shape: [2, 2, 3, 5] }, { shape: [2, 1, 5, 4] }] },
    { name: 'no keys', inputs: [{ shape: [2, 0] }, { shape: [0, 3] }] },
    {
      name: 'f16',
      inputs: [
        { shape: [3, 5], dtype: 'f16' },
        { shape: [5, 2], dtype: 'f16' },
      ],
    },
    {
      name: 'bf16',
      inputs: [
        { shape: [3, 5], dtype: 'bf16' },
        { shape: [5, 2], dtype: 'bf16' },
      ],
    },
  ],
})

export const attentionOps: readonly OpRow[] = [attentionOp, softmaxMatmulOp]
