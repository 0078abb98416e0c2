import { describe, expect, it } from 'vitest'
import { typeOf, type Value } from '../graph/node.js'
import { sym, type Dim } from '../shape.js'
import { mismatch } from '../testing/compare.js'
import { evaluate, placeholder, refTensor, run } from '../testing/evaluate.js'
import { pullback } from '../testing/finite-difference.js'
import { layerNorm, layerNormGrad, rmsNorm } from './norm.js'
import './table.js'

const of = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'f32' })

describe('norms', () => {
  it('normalise rows', () => {
    const x = refTensor([2, 2], [1, 3, -2, 2], 'f64')
    const weight = refTensor([2], [1, 10], 'f64')
    const [y, mean, rstd] = run((a, w, b) => layerNorm(a, w, b, 0), [x, weight, refTensor([2], [0, 0.5], 'f64')])
    expect([...y!.data]).toEqual([-1, 10.5, -1, 10.5])
    expect([...mean!.data]).toEqual([2, 0])
    expect([...rstd!.data]).toEqual([1, 0.5])
    const [scaled, scale] = run((a, w) => rmsNorm(a, w, 0), [refTensor([2], [3, 4], 'f64'), weight])
    expect(scale!.data[0]).toBeCloseTo(Math.SQRT2 / 5, 12)
    expect(scaled!.data[1]).toBeCloseTo(8 * Math.SQRT2, 12)
  })

  it('keep the precision of statistics in half types', () => {
    const [y, mean, rstd] = layerNorm(placeholder({ shape: [2, 4], dtype: 'bf16' }), placeholder({ shape: [4], dtype: 'bf16' }))
    expect([y!, mean!, rstd!].map((value) => typeOf(value).dtype)).toEqual(['bf16', 'f32', 'f32'])
  })

  it.each([
    ['layerNorm', (x: Value, w: Value) => layerNorm(x, w, undefined, 1e-5)[0]!],
    ['rmsNorm', (x: Value, w: Value) => rmsNorm(x, w, 1e-5)[0]!],
  ] as const)('%s has the same gradients with symbolic rows', (_name, norm) => {
    const tokens = sym('tokens', { max: 3 })
    const numbers = (...shape: number[]) =>
      refTensor(
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.cos(i * 1.3)),
      )
    for (const batch of [1, 2]) {
      const gradients = (dim: Dim, count: number) => {
        const [x, w, dy] = [of(batch, dim, 5), of(5), of(batch, dim, 5)]
        const grads = pullback([norm(x, w)], [dy], [x, w]) as Value[]
        return evaluate(
          grads,
          new Map([
            [x.node, numbers(batch, count, 5)],
            [w.node, numbers(5)],
            [dy.node, numbers(batch, count, 5)],
          ]),
          { symbols: new Map([[tokens, count]]) },
        )
      }
      for (const count of [0, 1, 3]) {
        const expected = gradients(count, count)
        gradients(tokens, count).forEach((grad, i) => expect(mismatch('f32', grad.data, expected[i]!.data)).toBeUndefined())
      }
    }
  })

  it('say what does not fit', () => {
    expect(() => layerNorm(of(2, 4), of(3))).toThrow(
      'layerNorm: weight must be [4] (one for each element of the last axis of x), got f32 [3]',
    )
    expect(() => layerNorm(of(2, 4), of(4), of(4, 1))).toThrow('layerNorm: bias must be [4]')
    expect(() => rmsNorm(of(), of(4))).toThrow('rmsNorm: x must have at least one axis, got f32 []')
    expect(() => rmsNorm(of(2, 4), of(4), -1)).toThrow('rmsNorm: eps must be a non-negative number such as 1e-5, got -1')
    expect(() => rmsNorm(of(2, sym('width', { max: 4 })), of(4))).toThrow('the last axis of x f32 [2, width] is a symbol')
    expect(() => layerNormGrad(of(2, 4), of(4), of(2), of(2, 1), of(2, 4))).toThrow(
      'layerNormGrad: mean must be [2, 1] (one for each row of x), got f32 [2]',
    )
  })
})
