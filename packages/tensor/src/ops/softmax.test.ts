import { describe, expect, it } from 'vitest'
import { topological } from '../graph/walk.js'
import { sym } from '../shape.js'
import { evaluate, placeholder, refTensor, run } from '../testing/evaluate.js'
import { pullback } from '../testing/finite-difference.js'
import { logSoftmax, logSumExp, softmax, softmaxGrad } from './softmax.js'
import './table.js'

const logs = refTensor([2, 3], [Math.log(1), Math.log(2), Math.log(5), Math.log(3), Math.log(3), Math.log(2)], 'f64')

describe('softmax', () => {
  it('normalises exponentials', () => {
    const close = (actual: ArrayLike<number>, expected: readonly number[]): void =>
      expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 12))
    close(run((x) => softmax(x), [logs])[0]!.data, [1 / 8, 2 / 8, 5 / 8, 3 / 8, 3 / 8, 2 / 8])
    close(run((x) => softmax(x, 0), [logs])[0]!.data, [1 / 4, 2 / 5, 5 / 7, 3 / 4, 3 / 5, 2 / 7])
    close(run((x) => logSoftmax(x), [logs])[0]!.data, [
      Math.log(1 / 8),
      Math.log(2 / 8),
      Math.log(5 / 8),
      Math.log(3 / 8),
      Math.log(3 / 8),
      Math.log(2 / 8),
    ])
    close(run((x) => logSumExp(x), [logs])[0]!.data, [Math.log(8), Math.log(8)])
    close(run((y, dy) => softmaxGrad(y, dy), [refTensor([2], [0.25, 0.75], 'f64'), refTensor([2], [1, 3], 'f64')])[0]!.data, [
      0.25 * (1 - 2.5),
      0.75 * (3 - 2.5),
    ])
  })

  it('does not overflow, and lets −∞ be nothing', () => {
    const [large] = run((x) => logSoftmax(x), [refTensor([2], [3e38, 3e38 - 1e32])])
    expect(large!.data[0]).toBe(0)
    expect([...run((x) => softmax(x), [refTensor([3], [-Infinity, 5, 5])])[0]!.data]).toEqual([0, 0.5, 0.5])
    const none = refTensor([2], [-Infinity, -Infinity])
    expect(run((x) => softmax(x), [none])[0]!.data[0]).toBeNaN()
    expect(run((x) => logSumExp(x), [none])[0]!.data[0]).toBe(-Infinity)
    expect(run((x) => logSumExp(x), [refTensor([0], [])])[0]!.data[0]).toBe(-Infinity)
  })

  it('ignores what lies past a symbol', () => {
    const n = sym('n', { max: 4 })
    const x = placeholder({ shape: [n], dtype: 'f64' })
    for (const values of [[], [7], [0, Math.log(3)]]) {
      const [y] = evaluate([softmax(x)], new Map([[x.node, refTensor([values.length], values, 'f64')]]), {
        symbols: new Map([[n, values.length]]),
      })
      expect(y!.data.length).toBe(values.length)
      if (values.length > 0) expect(Array.from(y!.data).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12)
    }
  })

  it('differentiates logSumExp without the maximum', () => {
    const x = placeholder({ shape: [2, 3], dtype: 'f32' })
    const seed = placeholder({ shape: [2, 1], dtype: 'f32' })
    const grads = pullback([logSumExp(x)], [seed], [x])
    expect(topological([grads[0]!]).filter((node) => node.op === 'eq').length).toBe(1) // the guard of the shift, not a tie of maxima
  })

  it('says what does not fit', () => {
    const of = (...shape: number[]) => placeholder({ shape, dtype: 'f32' })
    expect(() => softmax(of(2, 3), 2)).toThrow('softmax: axis 2 is out of range for rank 2')
    expect(() => softmax(of())).toThrow('softmax: axis -1 is out of range for rank 0')
    expect(() => softmax(placeholder({ shape: [2], dtype: 'i32' }))).toThrow('softmax: takes floats')
    expect(() => softmaxGrad(of(2, 3), of(3, 2))).toThrow('softmaxGrad: dy must be [2, 3]')
  })
})
