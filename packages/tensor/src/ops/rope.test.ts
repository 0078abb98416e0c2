import { describe, expect, it } from 'vitest'
import type { Value } from '../graph/node.js'
import { evaluate, placeholder, refTensor, run } from '../testing/evaluate.js'
import { sym, type Dim } from '../shape.js'
import { rope } from './rope.js'
import './table.js'

/** Position 0 does not turn, position 1 by a right angle in pair 0 and not in pair 1, position 2 by half a turn in both. */
const cos = refTensor([3, 2], [1, 1, 0, 1, -1, -1])
const sin = refTensor([3, 2], [0, 0, 1, 0, 0, 0])
const turned = (x: readonly number[], position: number, interleaved: boolean): number[] => [
  ...run(
    (a, c, s, p) => rope(a, c, s, p, { interleaved }),
    [refTensor([1, 1, 1, x.length], x), cos, sin, refTensor([1], [position], 'i32')],
  )[0]!.data,
]

describe('rope', () => {
  it('turns halves', () => {
    expect(turned([1, 2, 3, 4], 0, false)).toEqual([1, 2, 3, 4])
    expect(turned([1, 2, 3, 4], 1, false)).toEqual([-3, 2, 1, 4])
    expect(turned([1, 2, 3, 4], 2, false)).toEqual([-1, -2, -3, -4])
  })

  it('turns neighbours', () => {
    expect(turned([1, 2, 3, 4], 1, true)).toEqual([-2, 1, 3, 4])
    expect(turned([1, 2, 3, 4], 2, true)).toEqual([-1, -2, -3, -4])
  })

  it('leaves entries beyond the tables alone', () => {
    expect(turned([1, 2, 3, 4, 5, 6], 1, false)).toEqual([-3, 2, 1, 4, 5, 6])
    expect(turned([1, 2, 3, 4, 5, 6], 1, true)).toEqual([-2, 1, 3, 4, 5, 6])
  })

  it('takes positions for each element of the batch, and symbols', () => {
    const tokens = sym('tokens', { max: 2 })
    const x = placeholder({ shape: [2, 1, tokens, 4], dtype: 'f32' })
    const tables = [cos, sin].map(({ shape, dtype }) => placeholder({ shape, dtype }))
    const positions = placeholder({ shape: [2, tokens], dtype: 'i32' })
    for (const interleaved of [false, true]) {
      const y = rope(x, tables[0]!, tables[1]!, positions, { interleaved })
      const feeds = new Map([
        [x.node, refTensor([2, 1, 1, 4], [1, 2, 3, 4, 1, 2, 3, 4])],
        [tables[0]!.node, cos],
        [tables[1]!.node, sin],
        [positions.node, refTensor([2, 1], [2, 1], 'i32')],
      ])
      expect([...evaluate([y], feeds, { symbols: new Map([[tokens, 1]]) })[0]!.data]).toEqual([
        ...turned([1, 2, 3, 4], 2, interleaved),
        ...turned([1, 2, 3, 4], 1, interleaved),
      ])
    }
  })

  it('says what does not fit', () => {
    const of = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'f32' })
    const at = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'i32' })
    expect(() => rope(of(1, 2, 3, 4), of(9, 3), of(9, 3), at(3))).toThrow(
      'rope: cos f32 [9, 3] rotates 6 entries but x f32 [1, 2, 3, 4] has 4 in its last axis; expected 1 to 2 columns',
    )
    expect(() => rope(of(1, 2, 3, 4), of(9, 2), of(8, 2), at(3))).toThrow('rope: sin must be [9, 2] (the shape of cos)')
    expect(() => rope(of(2, 2, 3, 4), of(9, 2), of(9, 2), at(2))).toThrow('rope: positions must be [3] or [2, 3]')
    expect(() => rope(of(2, 2, 3, 4), of(9, 2), of(9, 2), of(3))).toThrow('rope: indices must be i32 or u32')
    expect(() => rope(of(2, 2, 3, 4), placeholder({ shape: [9, 2], dtype: 'f16' }), of(9, 2), at(3))).toThrow('rope: cos must be f32')
  })
})
