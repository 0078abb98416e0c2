/**
 * Attention as it is trained: forward with the logarithms of its sums, from which the backward pass works out each weight again, so that no scores are in memory between them
 * (T. Dao et al., "FlashAttention", arXiv:2205.14135). Devices without such kernels differentiate attention's decomposition, whose values the two passes share.
 */
import { computeArray, type NumericArray } from '../dtype.js'
import { emit, emitAll } from '../graph/build.js'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, exp, like, log, mul, reduceMax, reduceSum, reshape, sub, where } from '../graph/primitives.js'
import type { Dim } from '../shape.js'
import { differentiate } from '../transform/backward.js'
import { attentionGradSamples } from './attention-grad-samples.js'
import { attentionSamples } from './attention-samples.js'
import { decomposeWithScores, HIDDEN_LIMIT, inferAttention, maskReader, referenceAttention, type AttentionAttrs } from './attention.js'
import { defineOp, type OpRow, type ReferenceContext, type RefTensor } from './row.js'
import { checkCount, checkDTypeIs, checkShapeIs, wideDType, widen, zerosLike } from './wide.js'

/** Σ e^score of each query, as its logarithm: [B, H, T] in the dtype that attention is computed in; 0 where a query sees no key. */
const sumType = (q: TensorType): TensorType => ({ shape: q.shape.slice(0, 3), dtype: wideDType(q.dtype) })

function decomposeForward(inputs: readonly Value[], attrs: AttentionAttrs): readonly Value[] {
  const { out, scores, seesSome } = decomposeWithScores(inputs, attrs)
  const peak = reduceMax(scores, [3], true)
  const sums = add(log(reduceSum(exp(sub(scores, peak)), [3], true)), peak)
  const [batch, heads, tokens] = shapeOf(scores) as readonly [Dim, Dim, Dim]
  return [out, reshape(seesSome === undefined ? sums : where(seesSome, sums, like(sums, 0)), [batch, heads, tokens])]
}

const attentionForward = defineOp<AttentionAttrs>({
  name: 'attentionForward',
  kind: 'composite',
  summary: 'Attention with what its backward pass needs: the result, and of each query log Σ e^score, 0 where it sees no key.',
  infer: (inputs, attrs) => [...inferAttention(inputs, attrs), sumType(inputs[0]!)],
  reference: referenceAttention,
  decompose: decomposeForward,
  vjp: ({ inputs, outputs, attrs, grads: [dout, dsums], needs }) => {
    const [q, k, v, mask] = inputs as readonly [Value, Value, Value, Value | undefined]
    // Only attention's own result leads anywhere; that of a learned bias has the size of the scores whatever one does.
    if (dout === undefined || dsums !== undefined || (mask !== undefined && needs[3] === true))
      return throughDecomposition(inputs, attrs, [dout, dsums])
    const [batch, heads, tokens] = shapeOf(q) as readonly [Dim, Dim, Dim]
    const delta = reshape(reduceSum(mul(widen(outputs[0]!), widen(dout)), [3]), [batch, heads, tokens])
    return emitAll('attentionGrad', [q, k, v, dout, outputs[1]!, delta, ...(mask === undefined ? [] : [mask])], attrs)
  },
  samples: attentionSamples.filter(({ name }) =>
    ['causal', 'grouped', 'soft cap and mask', 'bias', 'length below queries', 'f16'].includes(name),
  ),
})

/** The derivatives of the decomposition: its nodes are those of the forward pass wherever that is decomposed too. */
function throughDecomposition(inputs: readonly Value[], attrs: AttentionAttrs, grads: readonly (Value | undefined)[]): readonly Value[] {
  // Nodes of their own, so that what one input owes to another is not counted.
  const own = inputs.map((value) => emit('identity', [value]))
  const [out, sums] = decomposeForward(own, attrs)
  const floats = own.filter((value) => dtypeOf(value) !== 'bool')
  const found = differentiate([out!, sums!], floats, grads).grads
  return own.map((value) => found[floats.indexOf(value)] ?? zerosLike(value))
}

function referenceGrad({ inputs, outputs, attrs }: ReferenceContext<AttentionAttrs>): readonly NumericArray[] {
  const [q, k, v, dout, sums, delta, mask] = inputs as readonly [
    RefTensor,
    RefTensor,
    RefTensor,
    RefTensor,
    RefTensor,
    RefTensor,
    RefTensor?,
  ]
  const [batch, heads, tokens, width] = q.shape as readonly [number, number, number, number]
  const [, keyHeads, keys] = k.shape as readonly [number, number, number]
  const { scale, softcap, causal = false, window = Infinity } = attrs
  const length = (attrs.length as number | undefined) ?? keys
  const [dq, dk, dv] = outputs.map(({ shape }) => new Float64Array(shape.reduce((a, b) => a * b, 1))) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const biasOf = maskReader(mask, [batch, heads, tokens, keys])
  for (let row = 0; row < batch * heads * tokens; row++) {
    const [t, h, b] = [row % tokens, Math.floor(row / tokens) % heads, Math.floor(row / tokens / heads)]
    const keyBase = (b * keyHeads + Math.floor((h * keyHeads) / heads)) * keys * width
    const position = length - tokens + t
    const bias = biasOf(b, h, t)
    const end = causal ? Math.min(length, position + 1) : length
    for (let s = causal ? Math.max(0, position - window + 1) : 0; s < end; s++) {
      const extra = bias(s)
      if (extra <= HIDDEN_LIMIT) continue
      const at = keyBase + s * width
      let [dot, dweight] = [0, 0]
      for (let w = 0; w < width; w++) {
        dot += q.data[row * width + w]! * k.data[at + w]!
        dweight += dout.data[row * width + w]! * v.data[at + w]!
      }
      const capped = softcap === undefined ? 0 : Math.tanh((dot * scale) / softcap)
      const weight = Math.exp((softcap === undefined ? dot * scale : softcap * capped) + extra - sums.data[row]!)
      const dscore = weight * (dweight - delta.data[row]!) * (1 - capped * capped) * scale
      for (let w = 0; w < width; w++) {
        dq[row * width + w]! += dscore * k.data[at + w]!
        dk[at + w]! += dscore * q.data[row * width + w]!
        dv[at + w]! += weight * dout.data[row * width + w]!
      }
    }
  }
  return [dq, dk, dv].map((values, i) => {
    const out = computeArray(outputs[i]!.dtype, values.length)
    values.forEach((value, at) => (out[at] = value))
    return out
  })
}

const attentionGrad = defineOp<AttentionAttrs>({
  name: 'attentionGrad',
  kind: 'composite',
  summary:
    "Gradients of attention's q, k and v, given that of its result, log Σ e^score of each query, and Σ result · gradient of each query.",
  infer: (inputs, attrs) => {
    checkCount('attentionGrad', inputs, 6, 7, 'q, k, v, gradient, sums, delta, mask')
    const [q, k, v, dout, sums, delta, mask] = inputs as readonly [
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType,
      TensorType?,
    ]
    inferAttention(mask === undefined ? [q, k, v] : [q, k, v, mask], attrs)
    checkShapeIs('attentionGrad', 'gradient', dout, q.shape, 'the shape of q')
    checkDTypeIs('attentionGrad', 'gradient', dout, [q.dtype], 'the dtype of q')
    const wanted = sumType(q)
    for (const [name, type] of [
      ['sums', sums],
      ['delta', delta],
    ] as const) {
      checkShapeIs('attentionGrad', name, type, wanted.shape, 'a number for each query')
      checkDTypeIs('attentionGrad', name, type, [wanted.dtype], 'what attention is computed in')
    }
    return [q, k, v]
  },
  reference: referenceGrad,
  // What the sums and delta say is worked out again, or rather shared with the forward pass.
  decompose: ([q, k, v, dout, , , mask], attrs) =>
    throughDecomposition(mask === undefined ? [q!, k!, v!] : [q!, k!, v!, mask], attrs, [dout, undefined]).slice(0, 3),
  get samples() {
    return attentionGradSamples()
  },
})

export const attentionGradOps: readonly OpRow[] = [attentionForward, attentionGrad]
