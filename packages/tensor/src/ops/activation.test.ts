import { describe, expect, it } from 'vitest'
import type { Value } from '../graph/node.js'
import { placeholder, refTensor, run } from '../testing/evaluate.js'
import { abs, gelu, geluGrad, relu, sigmoid, silu, siluGrad, softplus } from './activation.js'
import './table.js'

const at = (f: (x: Value) => Value, x: number, decomposeAll = false): number =>
  run((v) => f(v), [refTensor([1], [x], 'f64')], { decomposeAll })[0]!.data[0]!

describe.each([false, true])('activations (decomposed: %s)', (decomposed) => {
  it.each([
    ['relu', relu, 2, 2],
    ['relu below 0', relu, -2, 0],
    ['sigmoid', sigmoid, Math.log(3), 0.75],
    ['silu', silu, Math.log(3), 0.75 * Math.log(3)],
    ['softplus', softplus, 0, Math.LN2],
    ['softplus, large', softplus, 800, 800],
    ['abs', abs, -3, 3],
    // Φ(1) = 0.841344746068543 and Φ(−2) = 0.0227501319481792, tables of the normal distribution.
    ['gelu', gelu, 1, 0.841344746068543],
    ['gelu below 0', gelu, -2, -2 * 0.0227501319481792],
    // ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
    ['tanh gelu', (x: Value) => gelu(x, 'tanh'), 1, 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * 1.044715))],
  ] as const)('%s', (_name, f, x, expected) => {
    expect(at(f, x, decomposed)).toBeCloseTo(expected, 12)
  })

  it('keeps NaN', () => {
    for (const f of [relu, sigmoid, silu, gelu, softplus, abs]) expect(at(f, NaN, decomposed)).toBeNaN()
  })
})

describe('gradients of activations', () => {
  it('are those at a point', () => {
    const [x, dy] = [refTensor([1], [1], 'f64'), refTensor([1], [2], 'f64')]
    // Φ(1) + φ(1) with φ(1) = 0.241970724519143
    expect(run((a, b) => geluGrad(a, b), [x, dy])[0]!.data[0]).toBeCloseTo(2 * (0.841344746068543 + 0.241970724519143), 12)
    const s = 1 / (1 + Math.exp(-1))
    expect(run((a, b) => siluGrad(a, b), [x, dy])[0]!.data[0]).toBeCloseTo(2 * (s + s * (1 - s)), 12)
  })

  it('refuse what does not fit', () => {
    const of = (...shape: number[]): Value => placeholder({ shape, dtype: 'f32' })
    expect(() => geluGrad(of(2), of(3))).toThrow('geluGrad: dy must be [2] (the shape of x), got f32 [3]')
    expect(() => gelu(of(2), 'exact' as 'none')).toThrow("approximate must be 'none' (exact, by erf) or 'tanh', got exact")
    expect(() => sigmoid(placeholder({ shape: [2], dtype: 'i32' }))).toThrow('sigmoid: takes floats')
  })
})
