import { describe, expect, it } from 'vitest'
import { lower } from '../compile/lower.js'
import { rowOf } from '../graph/build.js'
import { type Node, type Value } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import { sym, type Dim } from '../shape.js'
import { mismatch } from '../testing/compare.js'
import { differentiate } from '../transform/backward.js'
import { evaluate, placeholder, refTensor, run } from '../testing/evaluate.js'
import { pullback } from '../testing/finite-difference.js'
import { attention, type AttentionOptions } from './attention.js'
import type { RefTensor } from './row.js'
import './table.js'

const of = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'f32' })
/** Smooth numbers that differ everywhere. */
const numbers = (shape: readonly number[], phase = 0): RefTensor =>
  refTensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.7 * i + phase)),
  )

const attend = (options: Partial<AttentionOptions>, tensors: readonly RefTensor[], decomposeAll = false): number[] => [
  ...run((q, k, v, mask) => attention(q!, k!, v!, { scale: 1, ...(mask === undefined ? {} : { mask }), ...options }), tensors, {
    decomposeAll,
  })[0]!.data,
]

/** A device that decomposes attention. */
const noKernels = {
  name: 'reference' as const,
  supports: (op: string) => rowOf(op).kind === 'primitive' || op === 'matmul' || op === 'softmax',
}

describe('attention', () => {
  // Equal keys make every visible value weigh the same.
  const flat = [refTensor([1, 1, 3, 1], [1, 1, 1]), refTensor([1, 1, 3, 1], [1, 1, 1]), refTensor([1, 1, 3, 1], [3, 6, 12])]

  it.each([false, true])('averages what queries see (decomposed: %s)', (decomposed) => {
    expect(attend({}, flat, decomposed)).toEqual([7, 7, 7])
    expect(attend({ causal: true }, flat, decomposed)).toEqual([3, 4.5, 7])
    expect(attend({ causal: true, window: 2 }, flat, decomposed)).toEqual([3, 4.5, 9])
    expect(attend({ length: 2 }, flat, decomposed)).toEqual([4.5, 4.5, 4.5])
    expect(attend({ causal: true, length: 2 }, flat, decomposed)).toEqual([0, 3, 4.5])
    const holes = refTensor([3, 3], [1, 0, 0, 0, 0, 0, 0, 1, 1], 'bool')
    expect(attend({}, [...flat, holes], decomposed)).toEqual([3, 0, 9])
    const bias = refTensor([1, 3], [-Infinity, 0, -Infinity])
    expect(attend({}, [...flat, bias], decomposed)).toEqual([6, 6, 6])
    expect(attend({ causal: true }, [...flat, bias], decomposed)).toEqual([0, 6, 6])
  })

  it('weighs by the soft-capped score', () => {
    const q = refTensor([1, 1, 1, 1], [3])
    const k = refTensor([1, 1, 2, 1], [1, -1])
    const v = refTensor([1, 1, 2, 1], [1, 0])
    const weight = 1 / (1 + Math.exp(-2 * 2 * Math.tanh(3 / 2)))
    for (const decomposed of [false, true]) expect(attend({ softcap: 2 }, [q, k, v], decomposed)[0]).toBeCloseTo(weight, 6)
  })

  it.each([
    ['causal', { causal: true }],
    ['window', { causal: true, window: 2 }],
    ['everything', {}],
  ] as const)('gives the same with symbols for the lengths: %s', (_name, options) => {
    const tokens = sym('tokens', { max: 4 })
    const keys = sym('keys', { max: 6 })
    for (const [heads, keyHeads] of [
      [2, 2],
      [4, 2],
    ] as const) {
      const symbolic = [of(1, heads, tokens, 3), of(1, keyHeads, keys, 3), of(1, keyHeads, keys, 3)] as const
      const out = attention(...symbolic, { scale: 0.5, ...options })
      for (const [t, s] of [
        [4, 6],
        [1, 6],
        [3, 3],
        [1, 1],
        [0, 4],
        [2, 0],
        [4, 2],
      ] as const) {
        const tensors = [numbers([1, heads, t, 3]), numbers([1, keyHeads, s, 3], 1), numbers([1, keyHeads, s, 3], 2)]
        const feeds = new Map(symbolic.map((value, i) => [value.node, tensors[i]!]))
        const symbols = new Map([
          [tokens, t],
          [keys, s],
        ])
        const expected = attend({ scale: 0.5, ...options }, tensors)
        for (const decomposeAll of [false, true])
          expect(
            mismatch('f32', evaluate([out], feeds, { symbols, decomposeAll })[0]!.data, Float32Array.from(expected)),
            `${t} ${s}`,
          ).toBeUndefined()
      }
    }
  })

  it.each([true, false])('ignores everything past a symbolic length, poison included (causal: %s)', (causal) => {
    const length = sym('length', { max: 5 })
    const [q, k, v] = [of(1, 2, 2, 3), of(1, 1, 5, 3), of(1, 1, 5, 3)] as const
    const out = attention(q, k, v, { scale: 0.5, causal, length })
    for (const filled of [0, 1, 2, 5]) {
      const poisoned = [numbers([1, 2, 2, 3]), numbers([1, 1, 5, 3], 1), numbers([1, 1, 5, 3], 2)]
      for (const tensor of poisoned.slice(1)) tensor.data.fill(NaN, filled * 3)
      const cut = [poisoned[0]!, ...poisoned.slice(1).map((tensor) => refTensor([1, 1, filled, 3], tensor.data.subarray(0, filled * 3)))]
      const feeds = new Map([q, k, v].map((value, i) => [value.node, poisoned[i]!]))
      const expected = Float32Array.from(attend({ scale: 0.5, causal }, cut))
      for (const decomposeAll of [false, true])
        expect(
          mismatch('f32', evaluate([out], feeds, { symbols: new Map([[length, filled]]), decomposeAll })[0]!.data, expected),
          `length ${filled}`,
        ).toBeUndefined()
    }
  })

  it('has no gradient where a query sees nothing', () => {
    const [q, k, v, mask] = [of(1, 1, 1, 2), of(1, 1, 2, 2), of(1, 1, 2, 2), placeholder({ shape: [1, 2], dtype: 'bool' })] as const
    const seed = of(1, 1, 1, 2)
    const grads = pullback([attention(q, k, v, { scale: 1, mask })], [seed], [q, k, v]) as Value[]
    const feeds = new Map<Node, RefTensor>(
      [q, k, v, seed].map((value, i) => [value.node, numbers(value.node.outputs[0]!.shape as number[], i)]),
    )
    feeds.set(mask.node, refTensor([1, 2], [0, 0], 'bool'))
    for (const grad of evaluate(grads, feeds)) expect([...grad.data].every((value) => value === 0)).toBe(true)
  })

  it('shares one mask among layers, made of [T, S] and not per head', () => {
    const count = (layers: number, op: string): number => {
      let x: Value = of(2, 4, 6, 8)
      for (let i = 0; i < layers; i++) x = attention(x, x, x, { scale: 0.3, causal: true })
      return topological(lower([x], noKernels).outputs).filter((node) => node.op === op).length
    }
    for (const op of ['iota', 'lt', 'where']) expect(count(3, op)).toBe(count(1, op))
    expect(count(1, 'where')).toBe(1)
    expect(count(3, 'matmul')).toBe(6)
  })

  it('masks nothing for a single query over all keys', () => {
    const parts = rowOf('attention').decompose!([of(1, 2, 1, 4), of(1, 2, 9, 4), of(1, 2, 9, 4)], { causal: true, scale: 1 })
    expect(topological(parts).map((node) => node.op)).toEqual(['input', 'input', 'input', 'matmul', 'softmaxMatmul'])
  })

  it('differentiates in two elementwise passes over the scores where there are no kernels, and works none of the forward pass out again', () => {
    const [q, k, v] = [of(2, 2, 6, 3), of(2, 2, 6, 3), of(2, 2, 6, 3)]
    const { outputs, grads } = differentiate([attention(q, k, v, { scale: 0.5, causal: true })], [q, k, v], [of(2, 2, 6, 3)])
    const full = (values: readonly Value[]): string[] =>
      topological(lower(values, noKernels).outputs)
        .filter((node) => JSON.stringify(node.outputs[0]!.shape) === '[2,2,6,6]')
        .map(({ op }) => op)
    const forward = full(outputs)
    expect(forward.filter((op) => op === 'softmax')).toHaveLength(1)
    const both = full([...outputs, ...grads])
    for (const op of forward) both.splice(both.indexOf(op), 1)
    expect(both.sort()).toEqual(['matmul', 'mul', 'sub'])
  })

  it('keeps a number for each query where there are kernels', () => {
    const [q, k, v] = [of(2, 2, 6, 3), of(2, 2, 6, 3), of(2, 2, 6, 3)]
    const { outputs, grads } = differentiate([attention(q, k, v, { scale: 0.5, causal: true })], [q, k, v], [of(2, 2, 6, 3)])
    const kernels = { name: 'reference' as const, supports: (op: string) => rowOf(op).kind === 'primitive' || op.startsWith('attention') }
    const nodes = topological(lower([...outputs, ...grads], kernels).outputs)
    expect(nodes.flatMap((node) => node.outputs.map(({ shape }) => JSON.stringify(shape)))).not.toContain('[2,2,6,6]')
    expect(nodes.map(({ op }) => op).filter((op) => op.startsWith('attention'))).toEqual(['attentionForward', 'attentionGrad'])
  })

  it('says what does not fit', () => {
    const [q, k] = [of(2, 4, 3, 8), of(2, 2, 5, 8)]
    expect(() => attention(q, of(2, 3, 5, 8), of(2, 3, 5, 8), { scale: 1 })).toThrow(
      'has 4 heads, which is not a multiple of the 3 key heads',
    )
    expect(() => attention(q, of(2, 2, 5, 4), of(2, 2, 5, 4), { scale: 1 })).toThrow('must agree on batch (axis 0) and width (axis 3)')
    expect(() => attention(q, k, of(2, 2, 6, 8), { scale: 1 })).toThrow(
      'attention: v must be [2, 2, 5, 8] (the shape of k), got f32 [2, 2, 6, 8]',
    )
    expect(() => attention(q, k, k, { scale: 1, window: 2 })).toThrow('needs causal: true')
    expect(() => attention(q, k, k, { scale: 1, mask: of(4, 5) })).toThrow(
      'attention (mask): shapes [4, 5] and [2, 4, 3, 5] do not broadcast',
    )
    expect(() => attention(q, k, k, { scale: 1, mask: placeholder({ shape: [3, 5], dtype: 'i32' }) })).toThrow('mask must be bool or f32')
    expect(() => attention(of(3, 8), k, k, { scale: 1 })).toThrow('q must have 4 axes [batch, heads, tokens, width], got f32 [3, 8]')
    expect(() => attention(q, k, k, { scale: 1, length: 6 })).toThrow('length 6 may reach 6, but k f32 [2, 2, 5, 8] has 5 keys')
    expect(() => attention(q, k, k, { scale: 1, softcap: 0 })).toThrow('softcap must be a positive number, got 0')
  })
})
