import { describe, expect, it } from 'vitest'
import type { DType } from '../dtype.js'
import type { Value } from '../graph/node.js'
import { placeholder, refTensor, run } from '../testing/evaluate.js'
import { dequantize, qmatmul } from './quant.js'
import './table.js'

/** Value i of the block is stored as i % 16. */
const nibbles = refTensor(
  [1, 1, 16],
  Array.from({ length: 16 }, (_, j) => ((2 * j) % 16) + 16 * ((2 * j + 1) % 16)),
  'u8',
)
const bytes = refTensor(
  [1, 1, 32],
  Array.from({ length: 32 }, (_, i) => 8 * i),
  'u8',
)
const half = refTensor([1, 1], [0.5])

describe('quantised weights', () => {
  it('unpack low nibbles first', () => {
    const expected = Array.from({ length: 32 }, (_, i) => 0.5 * ((i % 16) - 8))
    expect([...run((p, s) => dequantize(p, s, { bits: 4 }), [nibbles, half])[0]!.data]).toEqual(expected)
    expect([...run((p, s, m) => dequantize(p, s, { bits: 4, mins: m }), [nibbles, half, refTensor([1, 1], [3])])[0]!.data]).toEqual(
      expected.map((value) => value - 3),
    )
  })

  it('unpack bytes', () => {
    expect([...run((p, s) => dequantize(p, s, { bits: 8 }), [bytes, half])[0]!.data]).toEqual(
      Array.from({ length: 32 }, (_, i) => 0.5 * (8 * i - 128)),
    )
  })

  it('multiply by rows', () => {
    const x = refTensor(
      [32],
      Array.from({ length: 32 }, (_, i) => (i === 3 ? 2 : 0)),
    )
    const y = run((v, p, s) => qmatmul(v, p, s, { bits: 4 }), [x, nibbles, half])[0]!
    expect(y.shape).toEqual([1])
    expect(y.data[0]).toBe(2 * 0.5 * (3 - 8))
  })

  it('say what does not fit', () => {
    const of = (dtype: DType, ...shape: number[]): Value => placeholder({ shape, dtype })
    expect(() => dequantize(of('u8', 4, 2, 16), of('f32', 4, 2), { bits: 8 })).toThrow('packed [4, 2, 16] must be [N, K/32, 32] for 8 bits')
    expect(() => dequantize(of('u8', 4, 2, 16), of('f32', 4, 3), { bits: 4 })).toThrow(
      'dequantize: scales must be [4, 2] (one for each block)',
    )
    expect(() => dequantize(of('i8', 4, 2, 16), of('f32', 4, 2), { bits: 4 })).toThrow('dequantize: packed must be u8')
    expect(() => qmatmul(of('f32', 3, 32), of('u8', 4, 2, 16), of('f32', 4, 2), { bits: 4 })).toThrow(
      'the last axis of x f32 [3, 32] must be 64',
    )
    expect(() => dequantize(of('u8', 4, 2, 16), of('f32', 4, 2), { bits: 4, block: 16 })).toThrow(
      'packed [4, 2, 16] must be [N, K/16, 8] for 4 bits',
    )
    expect(() => dequantize(of('u8', 4, 2, 16), of('f32', 4, 2), { bits: 4, block: 64 as 32 })).toThrow('block must be 16 or 32, got 64')
    expect(() => qmatmul(of('f32', 3, 64), of('u8', 4, 2, 16), of('f32', 4, 2), { bits: 5 as 4 })).toThrow('bits must be 4 or 8, got 5')
  })
})
