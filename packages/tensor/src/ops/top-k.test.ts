import { describe, expect, it } from 'vitest'
import { placeholder, refTensor, run } from '../testing/evaluate.js'
import { pullback } from '../testing/finite-difference.js'
import { topK } from './top-k.js'
import './table.js'

describe('topK', () => {
  it('is descending, ties by lower index', () => {
    const [values, indices] = run((x) => topK(x, 4), [refTensor([6], [1, 3, NaN, 3, 0, 3])])
    expect([...values!.data]).toEqual([NaN, 3, 3, 3])
    expect([...indices!.data]).toEqual([2, 1, 3, 5])
  })

  it('sends gradients back where the values were', () => {
    const grad = run(
      (x, g) => {
        const [values] = topK(x, 2)
        return pullback([values!], [g], [x])[0]!
      },
      [refTensor([4], [1, 9, 3, 5]), refTensor([2], [10, 20])],
    )[0]!
    expect([...grad.data]).toEqual([0, 10, 0, 20])
  })

  it('says what does not fit', () => {
    const x = placeholder({ shape: [2, 3], dtype: 'f32' })
    expect(() => topK(x, 4)).toThrow('topK: k is 4; expected an integer from 0 to 3, the size of axis 1 of f32 [2, 3]')
    expect(() => topK(x, 1, 5)).toThrow('topK: axis 5 is out of range for rank 2')
  })
})
