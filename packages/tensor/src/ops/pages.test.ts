import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { placeholder, refTensor, run } from '../testing/evaluate.js'
import { mismatch } from '../testing/compare.js'
import { sym, type Dim } from '../shape.js'
import type { Value } from '../graph/node.js'
import { attendCached } from './cache.js'
import { attendPaged, pagedWrite } from './pages.js'
import type { RefTensor } from './row.js'
import './table.js'

const of = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'f32' })
const whole = (...shape: Dim[]): Value => placeholder({ shape, dtype: 'i32' })
const numbers = (shape: readonly number[], phase = 0): RefTensor =>
  refTensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1.7 * i + phase)),
  )
const ints = (shape: readonly number[], values: readonly number[]): RefTensor => refTensor(shape, values, 'i32')

describe('pagedWrite', () => {
  const pool = refTensor([3, 1, 2, 1], [1, 2, 3, 4, 5, 6])
  const rows = refTensor([1, 1, 3, 1], [10, 20, 30])
  it.each([false, true])('writes where the table says and drops what has no block (decomposed: %s)', (decomposeAll) => {
    const at = (position: number, ...table: number[]): number[] => [
      ...run(pagedWrite, [pool, rows, ints([1, table.length], table), ints([], [position])], { decomposeAll })[0]!.data,
    ]
    expect(at(0, 2, 0)).toEqual([30, 2, 3, 4, 10, 20])
    expect(at(1, 2, 0)).toEqual([20, 30, 3, 4, 5, 10])
    expect(at(2, 2, 0)).toEqual([10, 20, 3, 4, 5, 6])
    expect(at(-1, 2, 0)).toEqual([1, 2, 3, 4, 20, 30])
    expect(at(0, -1, 3)).toEqual([1, 2, 3, 4, 5, 6])
    expect(at(1, 2 ** 31 - 1, 1)).toEqual([1, 2, 20, 30, 5, 6])
    expect(at(2 ** 31 - 2, 0, 1)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('says what does not fit', () => {
    const tokens = sym('tokens', { max: 4 })
    expect(() => pagedWrite(of(3, 2, 4, 3), of(1, 2, tokens, 3), whole(1, 2), whole())).toThrow('pages take known sizes')
    expect(() => pagedWrite(of(3, 2, 4, 3), of(1, 1, 2, 3), whole(1, 2), whole())).toThrow('pagedWrite: rows must be [1, 2, 2, 3]')
    expect(() => pagedWrite(of(3, 2, 4, 3), of(2, 2, 2, 3), whole(1, 2), whole())).toThrow('table must be [2, 2]')
    expect(() => pagedWrite(of(3, 2, 4, 3), of(1, 2, 2, 3), of(1, 2), whole())).toThrow('table must be i32')
    expect(() => pagedWrite(of(3, 2, 4, 3), of(1, 2, 2, 3), whole(1, 2), whole(2))).toThrow('positions must be a scalar or [1]')
  })
})

describe('attendPaged', () => {
  const [heads, keyHeads, width] = [4, 2, 4]

  /** Sequences of any lengths in blocks that lie anywhere, the first block of some being that of the first sequence. */
  const layouts = fc
    .record({
      size: fc.integer({ min: 1, max: 5 }),
      tokens: fc.integer({ min: 1, max: 6 }),
      positions: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 3 }),
      order: fc.infiniteStream(fc.nat()),
      window: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
      softcap: fc.option(fc.constant(1.5), { nil: undefined }),
      garbage: fc.constantFrom(-1, -7, 2 ** 31 - 1, 99),
    })
    .map(({ size, tokens, positions, order, garbage, ...rest }) => {
      const lengths = positions.map((position) => Math.ceil((position + tokens) / size))
      const most = Math.max(...lengths) + 1
      const blocks = lengths.reduce((a, b) => a + b, 2)
      const free = Array.from({ length: blocks }, (_, i) => i)
      const next = (): number => free.splice((order.next().value as number) % free.length, 1)[0]!
      const table = lengths.map((length) => Array.from({ length: most }, (_, i) => (i < length ? next() : garbage)))
      // A block that is full before this call may be anybody's.
      for (const [b, position] of positions.entries()) if (position >= size && positions[0]! >= size) table[b]![0] = table[0]![0]!
      return { size, tokens, positions, table, most, blocks, ...rest }
    })

  it('gives each sequence what attendCached gives it alone', () => {
    fc.assert(
      fc.property(layouts, ({ size, tokens, positions, table, most, blocks, window, softcap }) => {
        const batch = positions.length
        const attrs = { scale: 0.5, ...(window === undefined ? {} : { window }), ...(softcap === undefined ? {} : { softcap }) }
        const q = numbers([batch, heads, tokens, width])
        const [k, v] = [1, 2].map((phase) => numbers([batch, keyHeads, tokens, width], phase)) as [RefTensor, RefTensor]
        const pools = [3, 4].map((phase) => numbers([blocks, keyHeads, size, width], phase)) as [RefTensor, RefTensor]
        const paged = run(
          (a, b, c, d, e, f, g) => attendPaged(a, b, c, { k: d, v: e, table: f, positions: g }, attrs),
          [q, k, v, ...pools, ints([batch, most], table.flat()), ints([batch], positions)],
        )
        for (let b = 0; b < batch; b++) {
          const row = ({ data, shape }: RefTensor): RefTensor => {
            const count = data.length / batch
            return refTensor([1, ...shape.slice(1)], data.subarray(b * count, (b + 1) * count))
          }
          /** The sequence's rows, in order. */
          const inOrder = ({ data }: RefTensor): RefTensor => {
            const capacity = most * size
            const out = new Float32Array(keyHeads * capacity * width)
            for (let h = 0; h < keyHeads; h++)
              for (let p = 0; p < capacity; p++) {
                const block = table[b]![Math.floor(p / size)]!
                if (block < 0 || block >= blocks) continue
                const from = ((block * keyHeads + h) * size + (p % size)) * width
                out.set(data.subarray(from, from + width), (h * capacity + p) * width)
              }
            return refTensor([1, keyHeads, capacity, width], out)
          }
          const alone = run(
            (a, c, d, e, f, g) => attendCached(a, c, d, { k: e, v: f, positions: g }, attrs),
            [row(q), row(k), row(v), ...pools.map(inOrder), ints([], [positions[b]!])],
          )
          expect(mismatch('f32', row(paged[0]!).data, alone[0]!.data)).toBeUndefined()
          expect([...inOrder(paged[1]!).data]).toEqual([...alone[1]!.data])
          expect([...inOrder(paged[2]!).data]).toEqual([...alone[2]!.data])
        }
      }),
      { numRuns: 60 },
    )
  })
})
