import { describe, expect, it } from 'vitest'
import type { Value } from '../graph/node.js'
import { placeholder, refTensor, run } from '../testing/evaluate.js'
import { pullback } from '../testing/finite-difference.js'
import { embedding } from './embedding.js'
import './table.js'

describe('embedding', () => {
  it('looks rows up, and adds their gradients up', () => {
    const table = refTensor([3, 2], [1, 2, 3, 4, 5, 6])
    const ids = refTensor([2, 2], [2, 0, 2, 2], 'i32')
    const [rows, grad] = run(
      (t, i) => {
        const y = embedding(t, i)
        return [y, pullback([y], [y], [t])[0]!]
      },
      [table, ids],
    )
    expect(rows!.shape).toEqual([2, 2, 2])
    expect([...rows!.data]).toEqual([5, 6, 1, 2, 5, 6, 5, 6])
    expect([...grad!.data]).toEqual([1, 2, 0, 0, 15, 18])
  })

  it('says what does not fit', () => {
    const of = (...shape: number[]): Value => placeholder({ shape, dtype: 'f32' })
    expect(() => embedding(of(3), of(2))).toThrow('embedding: table must have 2 axes [V, D], got f32 [3]')
    expect(() => embedding(of(3, 2), of(2))).toThrow('embedding: indices must be i32 or u32')
  })
})
