import { describe, expect, it } from 'vitest'
import { lower } from '../compile/lower.js'
import { rowOf } from '../graph/build.js'
import type { Value } from '../graph/node.js'
import { gatherAlong, reshape } from '../graph/primitives.js'
import { topological } from '../graph/walk.js'
import { sym, type Dim } from '../shape.js'
import { mismatch } from '../testing/compare.js'
import { evaluate, placeholder, refTensor, run } from '../testing/evaluate.js'
import { pullback } from '../testing/finite-difference.js'
import { crossEntropy, crossEntropyGrad } from './loss.js'
import { matmul } from './matmul.js'
import { logSoftmax } from './softmax.js'
import { tokenLogprob } from './token-logprob.js'
import './table.js'

const of = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'f32' })
const numbers = (shape: readonly number[], phase = 0) =>
  refTensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.7 * i + phase)),
    'f64',
  )

describe('crossEntropy', () => {
  it('is the negative log-probability of the label', () => {
    const logits = refTensor([3, 2], [0, 0, Math.log(3), 0, 0, 1], 'f64')
    const labels = refTensor([3], [1, 0, -100], 'i32')
    const losses = run((x, y) => crossEntropy(x, y, { ignoreIndex: -100 }), [logits, labels])[0]!.data
    expect(losses[0]).toBeCloseTo(Math.LN2, 12)
    expect(losses[1]).toBeCloseTo(Math.log(4 / 3), 12)
    expect(losses[2]).toBe(0)
    const grads = run((x, y, g) => crossEntropyGrad(x, y, g, { ignoreIndex: -100 }), [logits, labels, refTensor([3], [2, 4, 8], 'f64')])[0]!
      .data
    for (const [i, expected] of [1, -1, -1, 1, 0, 0].entries()) expect(grads[i]).toBeCloseTo(expected, 12)
  })

  it('keeps small losses of large logits', () => {
    const losses = run((x, y) => crossEntropy(x, y), [refTensor([2, 2], [1e6, 1e6 - 2, -1e6, 1e6]), refTensor([2], [0, 1], 'i32')])[0]!.data
    expect(losses[0]).toBeCloseTo(Math.log1p(Math.exp(-2)), 6)
    expect(losses[1]).toBe(0)
  })

  it('shares the exponentials with its gradient, which then makes one pass over them', () => {
    const [x, y] = [of(4, 9), placeholder({ shape: [4], dtype: 'i32' })] as const
    const loss = crossEntropy(x, y)
    const grad = pullback([loss], [of(4)], [x])[0]!
    const primitivesOnly = { name: 'reference' as const, supports: (op: string) => rowOf(op).kind === 'primitive' }
    const { outputs } = lower([loss, grad], primitivesOnly)
    const full = topological(outputs).filter((node) => node.op !== 'input' && node.outputs[0]!.shape[1] === 9)
    expect(full.map((node) => node.op)).toEqual(['sub', 'exp', 'mul', 'scatterAddAlong'])
  })

  it('says what does not fit', () => {
    const labels = placeholder({ shape: [3], dtype: 'i32' })
    expect(() => crossEntropy(of(4, 9), labels)).toThrow('crossEntropy: labels must be [4] (one for each row of logits), got i32 [3]')
    expect(() => crossEntropy(of(3, 9), of(3))).toThrow('crossEntropy: indices must be i32 or u32, got f32 [3]')
    expect(() => crossEntropy(of(3, 9), placeholder({ shape: [3], dtype: 'u32' }), { ignoreIndex: -100 })).toThrow(
      'ignoreIndex -100 is not a value of the labels, u32 [3]',
    )
    expect(() => crossEntropy(of(), placeholder({ shape: [], dtype: 'i32' }))).toThrow('logits must be [..., V]')
  })
})

describe('tokenLogprob', () => {
  const labels = refTensor([5], [0, 10, 4, 7, 3], 'i32')
  const tensors = [numbers([5, 3]), numbers([11, 3], 1), labels, numbers([11], 2)]
  const whole = (hidden: Value, head: Value, ids: Value, bias: Value): Value =>
    reshape(gatherAlong(logSoftmax(matmul(hidden, head, { transB: true, bias })), reshape(ids, [5, 1]), 1), [5])

  it.each([1, 4, 11, 100])('agrees with log softmax over all logits, chunk %i', (chunk) => {
    const results = run(
      (hidden, head, ids, bias) => [tokenLogprob(hidden, head, ids, { bias, chunk })[0]!, whole(hidden, head, ids, bias)],
      tensors,
    )
    expect(mismatch('f64', results[0]!.data, results[1]!.data)).toBeUndefined()
  })

  it.each([1, 4, 100])('has the same gradients, chunk %i', (chunk) => {
    const [hidden, head, ids, bias] = tensors.map(({ shape, dtype }) => placeholder({ shape, dtype })) as [Value, Value, Value, Value]
    const seed = placeholder({ shape: [5], dtype: 'f64' })
    const feeds = new Map([hidden, head, ids, bias].map((value, i) => [value.node, tensors[i]!]))
    feeds.set(seed.node, numbers([5], 4))
    const grads = (y: Value): Value[] => pullback([y], [seed], [hidden, head, bias]) as Value[]
    const expected = evaluate(grads(whole(hidden, head, ids, bias)), feeds)
    evaluate(grads(tokenLogprob(hidden, head, ids, { bias, chunk })[0]!), feeds).forEach((grad, i) =>
      expect(mismatch('f64', grad.data, expected[i]!.data)).toBeUndefined(),
    )
  })

  it('never holds all logits, forward or backward', () => {
    const [hidden, head, ids, seed] = [of(5, 3), of(20, 3), placeholder({ shape: [5], dtype: 'i32' }), of(5)]
    const [logprob] = tokenLogprob(hidden, head, ids, { chunk: 8 })
    const grads = pullback([logprob!], [seed], [hidden, head], 'vjp') as Value[]
    const opened = pullback([logprob!], [seed], [hidden, head], 'decompose') as Value[]
    const widest = Math.max(
      ...topological([...grads, ...opened]).flatMap((node) =>
        node.outputs.filter(({ shape }) => shape.length === 2 && shape[0] === 5).map(({ shape }) => shape[1] as number),
      ),
    )
    expect(widest).toBe(8)
  })

  it('takes a symbolic number of tokens', () => {
    const tokens = sym('tokens', { max: 5 })
    const [hidden, head, ids] = [
      placeholder({ shape: [tokens, 3], dtype: 'f64' }),
      placeholder({ shape: [11, 3], dtype: 'f64' }),
      placeholder({ shape: [tokens], dtype: 'i32' }),
    ]
    const [logprob] = tokenLogprob(hidden, head, ids, { chunk: 4 })
    const full = run((a, b, c) => tokenLogprob(a, b, c), tensors.slice(0, 3))[0]!.data
    for (const count of [0, 1, 5]) {
      const feeds = new Map([
        [hidden.node, refTensor([count, 3], tensors[0]!.data.subarray(0, 3 * count), 'f64')],
        [head.node, tensors[1]!],
        [ids.node, refTensor([count], labels.data.subarray(0, count), 'i32')],
      ])
      const part = evaluate([logprob!], feeds, { symbols: new Map([[tokens, count]]) })[0]!.data
      expect(mismatch('f64', part, full.subarray(0, count))).toBeUndefined()
    }
  })

  it('says what does not fit', () => {
    const ids = placeholder({ shape: [5], dtype: 'i32' })
    expect(() => tokenLogprob(of(5, 3), of(11, 4), ids)).toThrow(
      'tokenLogprob: head f32 [11, 4] must be [vocabulary, width] with the width of hidden f32 [5, 3]',
    )
    expect(() => tokenLogprob(of(4, 3), of(11, 3), ids)).toThrow('tokenLogprob: labels must be [4]')
    expect(() => tokenLogprob(of(5, 3), of(11, 3), ids, { chunk: 0 })).toThrow('chunk must be a positive integer, got 0')
    expect(() => tokenLogprob(of(2, 5, 3), of(11, 3), ids)).toThrow('hidden must have 2 axes [tokens, width]')
  })
})
