import { describe, expect, it } from 'vitest'
import { dtypeOf, shapeOf, typeOf, type Value } from '../graph/node.js'
import { topological } from '../graph/walk.js'
import { sym, type Dim } from '../shape.js'
import { evaluate, placeholder, refTensor, run } from '../testing/evaluate.js'
import { pullback } from '../testing/finite-difference.js'
import { matmul } from './matmul.js'
import './table.js'

const of = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'f32' })

/** Operations of the gradients of a product, without the primitives that are only scalars. */
function gradientOps(y: Value, targets: readonly Value[]): string[] {
  const seed = placeholder(typeOf(y))
  const grads = pullback([y], [seed], targets).filter((grad): grad is Value => grad !== undefined)
  return topological(grads)
    .filter((node) => node.op !== 'input')
    .map((node) => `${node.op}${JSON.stringify(node.attrs)}`)
}

describe('matmul', () => {
  it('multiplies, scales, adds and activates', () => {
    const a = refTensor([2, 2], [1, 2, 3, 4])
    const b = refTensor([2, 2], [5, 6, 7, 8])
    const bias = refTensor([2], [-100, 1])
    expect([...run((x, y) => matmul(x, y), [a, b])[0]!.data]).toEqual([19, 22, 43, 50])
    expect([...run((x, y) => matmul(x, y, { transA: true }), [a, b])[0]!.data]).toEqual([26, 30, 38, 44])
    expect([...run((x, y) => matmul(x, y, { transB: true }), [a, b])[0]!.data]).toEqual([17, 23, 39, 53])
    expect([...run((x, y, z) => matmul(x, y, { bias: z, alpha: 2, activation: 'relu' }), [a, b, bias])[0]!.data]).toEqual([0, 45, 0, 101])
  })

  it('leaves flags at their defaults out of the attributes', () => {
    expect(matmul(of(2, 3), of(3, 4), { transA: false, alpha: 1 }).node.attrs).toEqual({})
  })

  it('differentiates without transposing anything', () => {
    for (const [transA, transB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const a = transA ? of(5, 3) : of(3, 5)
      const b = transB ? of(4, 5) : of(5, 4)
      expect(gradientOps(matmul(a, b, { transA, transB }), [a, b]).join()).not.toMatch(/permute|reduce/)
    }
  })

  it('makes one product of the gradient of a shared matrix', () => {
    const x = of(2, 3, 5)
    for (const [w, transB] of [
      [of(5, 4), false],
      [of(4, 5), true],
    ] as const) {
      const ops = gradientOps(matmul(x, w, { transB }), [w])
      expect(ops.filter((op) => op.startsWith('matmul'))).toEqual(['matmul{"transA":true}'])
      expect(ops.join()).not.toMatch(/reduceSum|permute/)
    }
  })

  it('sums over the batch where a symbol forbids flattening', () => {
    const tokens = sym('tokens', { max: 3 })
    const x = of(2, tokens, 5)
    const w = of(5, 4)
    const y = matmul(x, w)
    expect(shapeOf(y)).toEqual([2, tokens, 4])
    const seed = placeholder(typeOf(y))
    const [dw] = pullback([y], [seed], [w])
    for (const count of [0, 1, 3]) {
      const feeds = new Map([
        [x.node, refTensor([2, count, 5], new Array<number>(2 * count * 5).fill(2))],
        [w.node, refTensor([5, 4], new Array<number>(20).fill(1))],
        [seed.node, refTensor([2, count, 4], new Array<number>(2 * count * 4).fill(1))],
      ])
      const [result] = evaluate([dw!], feeds, { symbols: new Map([[tokens, count]]) })
      expect([...result!.data]).toEqual(new Array(20).fill(4 * count))
    }
  })

  it('flattens when the symbol is the only leading axis', () => {
    const tokens = sym('tokens', { max: 3 })
    const x = of(1, tokens, 5)
    const w = of(5, 4)
    expect(gradientOps(matmul(x, w), [w]).join()).not.toMatch(/reduceSum/)
  })

  it('keeps the dtype', () => {
    expect(dtypeOf(matmul(placeholder({ shape: [2, 3], dtype: 'bf16' }), placeholder({ shape: [3, 2], dtype: 'bf16' })))).toBe('bf16')
  })

  it('says what does not fit', () => {
    expect(() => matmul(of(2, 3), of(4, 5))).toThrow('matmul: a [2, 3] and b [4, 5] do not fit: a has 3 columns and b has 4 rows')
    expect(() => matmul(of(3, 2), of(4, 5), { transA: true, transB: true })).toThrow(
      'a [3, 2] transposed and b [4, 5] transposed do not fit: a has 3 columns and b has 5 rows',
    )
    expect(() => matmul(of(3), of(3, 2))).toThrow('reshape a vector to [1, K] or [K, 1]')
    expect(() => matmul(of(2, 3, 4), of(3, 4, 5))).toThrow('matmul (batch axes): shapes [2] and [3] do not broadcast')
    expect(() => matmul(of(2, 3), of(3, 4), { bias: of(3) })).toThrow('matmul: bias must be [4]')
    expect(() => matmul(of(2, 3), placeholder({ shape: [3, 4], dtype: 'f16' }))).toThrow('must have one dtype')
    expect(() => matmul(placeholder({ shape: [2, 3], dtype: 'i32' }), placeholder({ shape: [3, 4], dtype: 'i32' }))).toThrow('takes floats')
    expect(() => matmul(of(2, 3), of(3, 4), { alpha: NaN })).toThrow('alpha must be a finite number, got NaN')
    expect(() => matmul(of(2, 3), of(3, 4), { activation: 'swish' as 'silu' })).toThrow(
      "activation must be one of gelu, geluTanh, relu, silu, got 'swish'",
    )
  })
})
