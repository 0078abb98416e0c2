/**
 * Log-probabilities of tokens straight from hidden states, a slice of the vocabulary at a time: 4,096 tokens by 128,000
 * words of f32 logits would be 2 GB, and neither the forward nor the backward pass needs more than one slice.
 */
import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emitAll } from '../graph/build.js'
import { shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, concat, exp, gather, mul, neg, reshape, scatterAdd, slice, sub } from '../graph/primitives.js'
import { checkFloat, checkIndices } from './check.js'
import { matmul, sumRows } from './matmul.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { logSumExp } from './softmax.js'
import { checkCount, checkDTypeIs, checkRank, checkShapeIs, describe, given, narrow, sumLast, wideDType, widen } from './wide.js'

type TokenLogprobAttrs = { readonly chunk?: number }

/** Rows of the head that are multiplied at a time unless told. */
export const DEFAULT_CHUNK = 8192

/**
 * log softmax(hidden · headᵀ + bias)[label]: hidden [N, D], head [V, D], labels [N], bias [V] → [logprobs, logSumExp], both
 * [N] in f32 (f64 for f64).
 */
export const tokenLogprob = (
  hidden: Value,
  head: Value,
  labels: Value,
  options: { readonly bias?: Value; readonly chunk?: number } = {},
): readonly Value[] =>
  emitAll(
    'tokenLogprob',
    options.bias === undefined ? [hidden, head, labels] : [hidden, head, labels, options.bias],
    given({ chunk: options.chunk }),
  )

interface Chunk {
  readonly head: Value
  readonly bias: Value | undefined
}

/** The head in slices of the vocabulary, in the computing dtype one slice at a time. */
function* chunksOf(head: Value, bias: Value | undefined, size: number): Generator<Chunk> {
  const [words, width] = shapeOf(head) as readonly [number, number]
  for (let from = 0; from < words; from += size) {
    const to = Math.min(words, from + size)
    const isWhole = from === 0 && to === words
    yield {
      head: widen(isWhole ? head : slice(head, [from, 0], [to, width])),
      bias: bias && widen(isWhole ? bias : slice(bias, [from], [to])),
    }
  }
}

const logitsOf = (hidden: Value, { head, bias }: Chunk): Value => matmul(hidden, head, { transB: true, ...given({ bias }) })
const asColumn = (rows: Value): Value => reshape(rows, [shapeOf(rows)[0]!, 1])

function inferTokenLogprob(inputs: readonly TensorType[], attrs: TokenLogprobAttrs): readonly TensorType[] {
  checkCount('tokenLogprob', inputs, 3, 4, 'hidden, head, labels, bias')
  const [hidden, head, labels, bias] = inputs as readonly [TensorType, TensorType, TensorType, TensorType | undefined]
  checkFloat('tokenLogprob', hidden)
  checkRank('tokenLogprob', 'hidden', hidden, 2, '[tokens, width]')
  checkRank('tokenLogprob', 'head', head, 2, '[vocabulary, width]')
  checkDTypeIs('tokenLogprob', 'head', head, [hidden.dtype], 'the dtype of hidden')
  const [words, width] = head.shape
  if (typeof words !== 'number' || words < 1 || typeof width !== 'number' || hidden.shape[1] !== width)
    throw new TensorError(
      'SHAPE',
      `tokenLogprob: head ${describe(head)} must be [vocabulary, width] with the width of hidden ${describe(hidden)} and at least one word`,
    )
  checkIndices('tokenLogprob', labels)
  checkShapeIs('tokenLogprob', 'labels', labels, [hidden.shape[0]!], 'one for each row of hidden')
  if (bias !== undefined) {
    checkShapeIs('tokenLogprob', 'bias', bias, [words], 'one for each row of head')
    checkDTypeIs('tokenLogprob', 'bias', bias, [head.dtype], 'the dtype of head')
  }
  if (attrs.chunk !== undefined && (!Number.isInteger(attrs.chunk) || attrs.chunk < 1))
    throw new TensorError('VALUE', `tokenLogprob: chunk must be a positive integer, got ${attrs.chunk}`)
  const rows = { shape: labels.shape, dtype: wideDType(hidden.dtype) }
  return [rows, rows]
}

const tokenLogprobOp = defineOp<TokenLogprobAttrs>({
  name: 'tokenLogprob',
  kind: 'composite',
  summary:
    'log softmax(hidden · headᵀ + bias)[label] for each row, the vocabulary taken in chunks; also returns the log of the normaliser.',
  infer: inferTokenLogprob,
  decompose: ([hidden, head, labels, bias], { chunk = DEFAULT_CHUNK }) => {
    const wide = widen(hidden!)
    const parts = [...chunksOf(head!, bias, chunk)].map((part) => logSumExp(logitsOf(wide, part)))
    const normaliser = reshape(parts.length === 1 ? parts[0]! : logSumExp(concat(parts, 1)), shapeOf(labels!))
    // The label's logit is one row of the head times one of hidden, whichever chunk it is in.
    const logit = reshape(sumLast(mul(wide, widen(gather(head!, labels!, 0)))), shapeOf(labels!))
    const picked = bias === undefined ? logit : add(logit, widen(gather(bias, labels!, 0)))
    return [sub(picked, normaliser), normaliser]
  },
  vjp: ({ inputs: [hidden, head, labels, bias], outputs, grads: [dlogp, dlse], needs, attrs: { chunk = DEFAULT_CHUNK } }) => {
    const wide = widen(hidden!)
    const normaliser = asColumn(outputs[1]!)
    // logp = picked − lse, so the softmax is weighted by what reaches lse, directly and through logp.
    const weight = asColumn(dlogp === undefined ? dlse! : dlse === undefined ? neg(dlogp) : sub(dlse, dlogp))
    const [needsHidden, needsHead, , needsBias = false] = needs
    let dhidden: Value | undefined
    const dheads: Value[] = []
    const dbiases: Value[] = []
    for (const part of chunksOf(head!, bias, chunk)) {
      const dlogits = mul(exp(sub(logitsOf(wide, part), normaliser)), weight)
      if (needsHidden) dhidden = dhidden === undefined ? matmul(dlogits, part.head) : add(dhidden, matmul(dlogits, part.head))
      if (needsHead) dheads.push(matmul(dlogits, wide, { transA: true }))
      if (needsBias && part.bias !== undefined) dbiases.push(sumRows(dlogits))
    }
    let dhead = needsHead ? concat(dheads, 0) : undefined
    let dbias = needsBias ? concat(dbiases, 0) : undefined
    if (dlogp !== undefined) {
      const perToken = asColumn(dlogp)
      if (dhidden !== undefined) dhidden = add(dhidden, mul(widen(gather(head!, labels!, 0)), perToken))
      if (dhead !== undefined) dhead = scatterAdd(dhead, labels!, mul(wide, perToken), 0)
      if (dbias !== undefined) dbias = scatterAdd(dbias, labels!, dlogp, 0)
    }
    return [dhidden && narrow(dhidden, hidden!), dhead && narrow(dhead, head!), undefined, dbias && narrow(dbias, bias!)]
  },
  samples: logprobSamples(),
})

function logprobSamples(): Sample[] {
  const sample = (
    name: string,
    tokens: number,
    width: number,
    words: number,
    more: { chunk?: number; bias?: boolean; dtype?: 'f16' | 'bf16' } = {},
  ): Sample => {
    const dtype: DType = more.dtype ?? 'f32'
    return {
      name,
      inputs: [
        { shape: [tokens, width], dtype },
        { shape: [words, width], dtype },
        { shape: [tokens], dtype: 'i32', range: [0, words - 1] },
        ...(more.bias === true ? [{ shape: [words], dtype }] : []),
      ],
      attrs: more.chunk === undefined ? {} : { chunk: more.chunk },
    }
  }
  return [
    sample('whole', 4, 3, 7),
    sample('chunks', 4, 3, 10, { chunk: 4 }),
    sample('chunks, bias', 3, 4, 9, { chunk: 3, bias: true }),
    sample('bias', 3, 4, 5, { bias: true }),
    sample('chunks of one', 2, 3, 4, { chunk: 1 }),
    sample('one token', 1, 8, 11, { chunk: 5 }),
    sample('no tokens', 0, 3, 7, { chunk: 4 }),
    sample('f16', 3, 8, 9, { chunk: 4, dtype: 'f16' }),
    sample('bf16', 3, 8, 9, { chunk: 4, dtype: 'bf16', bias: true }),
  ]
}

export const tokenLogprobOps: readonly OpRow[] = [tokenLogprobOp]
