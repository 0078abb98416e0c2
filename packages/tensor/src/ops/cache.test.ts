import { describe, expect, it } from 'vitest'
import type { Value } from '../graph/node.js'
import { slice } from '../graph/primitives.js'
import { sym, type Dim } from '../shape.js'
import { mismatch } from '../testing/compare.js'
import { evaluate, placeholder, refTensor, run } from '../testing/evaluate.js'
import { attention } from './attention.js'
import { attendCached, cacheWrite } from './cache.js'
import type { RefTensor } from './row.js'
import './table.js'

const of = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'f32' })
const numbers = (shape: readonly number[], phase = 0): RefTensor =>
  refTensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.7 * i + phase)),
  )
const position = (...values: number[]): RefTensor =>
  values.length === 1 ? refTensor([], values, 'i32') : refTensor([values.length], values, 'i32')

describe('cacheWrite', () => {
  it.each([false, true])('replaces rows and drops those beyond the capacity (decomposed: %s)', (decomposeAll) => {
    const cache = refTensor([1, 1, 4, 1], [1, 2, 3, 4])
    const rows = refTensor([1, 1, 2, 1], [10, 20])
    const at = (p: number): number[] => [...run(cacheWrite, [cache, rows, position(p)], { decomposeAll })[0]!.data]
    expect(at(1)).toEqual([1, 10, 20, 4])
    expect(at(3)).toEqual([1, 2, 3, 10])
    expect(at(9)).toEqual([1, 2, 3, 4])
    expect(at(-1)).toEqual([20, 2, 3, 4])
    const two = [refTensor([2, 1, 3, 1], [1, 2, 3, 4, 5, 6]), refTensor([2, 1, 2, 1], [10, 20, 30, 40]), position(1, 0)]
    expect([...run(cacheWrite, two, { decomposeAll })[0]!.data]).toEqual([1, 10, 20, 30, 40, 6])
  })

  it('takes a symbolic number of rows', () => {
    const tokens = sym('tokens', { max: 3 })
    const [cache, rows, at] = [of(1, 1, 4, 1), of(1, 1, tokens, 1), placeholder({ shape: [], dtype: 'i32' })] as const
    const out = cacheWrite(cache, rows, at)
    for (const [count, expected] of [
      [0, [1, 2, 3, 4]],
      [1, [1, 10, 3, 4]],
      [3, [1, 10, 20, 30]],
    ] as const)
      for (const decomposeAll of [false, true]) {
        const feeds = new Map([
          [cache.node, refTensor([1, 1, 4, 1], [1, 2, 3, 4])],
          [rows.node, refTensor([1, 1, count, 1], [10, 20, 30].slice(0, count))],
          [at.node, position(1)],
        ])
        expect([...evaluate([out], feeds, { symbols: new Map([[tokens, count]]), decomposeAll })[0]!.data]).toEqual(expected)
      }
  })

  it('says what does not fit', () => {
    const at = placeholder({ shape: [], dtype: 'i32' })
    expect(() => cacheWrite(of(1, 2, 4, 3), of(1, 2, 5, 3), at)).toThrow('more than the capacity 4')
    expect(() => cacheWrite(of(1, 2, 4, 3), of(1, 3, 2, 3), at)).toThrow('cacheWrite: rows must be [1, 2, 2, 3] (cache but for the tokens)')
    expect(() => cacheWrite(of(1, 2, 4, 3), of(1, 2, 2, 3), of())).toThrow('positions must be i32')
    expect(() => cacheWrite(of(3, 2, 4, 3), of(3, 2, 2, 3), placeholder({ shape: [2], dtype: 'i32' }))).toThrow(
      'positions must be a scalar or [3]',
    )
  })
})

describe('attendCached', () => {
  const [tokens, width, capacity] = [7, 4, 8]
  const q = numbers([2, 4, tokens, width])
  const k = numbers([2, 2, tokens, width], 1)
  const v = numbers([2, 2, tokens, width], 2)
  /** Nothing was written yet, and the memory holds garbage. */
  const empty = (): RefTensor => refTensor([2, 2, capacity, width], new Array<number>(2 * 2 * capacity * width).fill(NaN))

  const part = (tensor: RefTensor, from: number, to: number): RefTensor =>
    run((x) => slice(x, [0, 0, from, 0], [tensor.shape[0]!, tensor.shape[1]!, to, tensor.shape[3]!]), [tensor])[0]!

  it.each([
    ['one by one', [1, 1, 1, 1, 1, 1, 1], {}],
    ['in chunks', [3, 1, 3], {}],
    ['at once', [7], {}],
    ['window', [2, 2, 3], { window: 3 }],
    ['soft cap', [4, 3], { softcap: 1 }],
  ] as const)('agrees with causal attention over everything: %s', (_name, chunks, attrs) => {
    const full = run((x, y, z) => attention(x, y, z, { causal: true, scale: 0.5, ...attrs }), [q, k, v])[0]!
    for (const perElement of [false, true]) {
      let caches = [empty(), empty()] as const
      let at = 0
      for (const count of chunks) {
        const inputs = [
          part(q, at, at + count),
          part(k, at, at + count),
          part(v, at, at + count),
          ...caches,
          perElement ? position(at, at) : position(at),
        ]
        const [out, cacheK, cacheV] = run(
          (a, b, c, d, e, f) => attendCached(a, b, c, { k: d, v: e, positions: f }, { scale: 0.5, ...attrs }),
          inputs,
        )
        expect(mismatch('f32', out!.data, part(full, at, at + count).data)).toBeUndefined()
        caches = [cacheK!, cacheV!]
        at += count
      }
      expect([...part(caches[0], 0, tokens).data]).toEqual([...k.data])
      expect([...part(caches[1], tokens, capacity).data].every(Number.isNaN)).toBe(true)
    }
  })

  it('gives each sequence of a batch its own position', () => {
    const caches = [numbers([2, 2, capacity, width], 3), numbers([2, 2, capacity, width], 4)] as const
    const inputs = [part(q, 0, 1), part(k, 0, 1), part(v, 0, 1), ...caches]
    const at = (p: RefTensor): RefTensor =>
      run((a, b, c, d, e, f) => attendCached(a, b, c, { k: d, v: e, positions: f }, { scale: 0.5 }), [...inputs, p])[0]!
    const mixed = at(position(2, 6)).data
    expect([...mixed.subarray(0, 16)]).toEqual([...at(position(2)).data.subarray(0, 16)])
    expect([...mixed.subarray(16)]).toEqual([...at(position(6)).data.subarray(16)])
  })
})
