import { describe, expect, it } from 'vitest'
import { placeholder, refTensor, run } from '../testing/evaluate.js'
import type { DType } from '../dtype.js'
import { attendCached } from './cache.js'
import { packRows, unpackRows } from './packed-rows.js'
import './table.js'

const random = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.fround(Math.sin(seed + 12.9898 * (i + 1)) * (1 + (i % 7))))
const rounded = (
  rows: readonly number[],
  width: number,
  bits: 4 | 8,
  block: 8 | 16 | 32,
): { readonly codes: number[]; readonly scales: number[]; readonly back: number[] } => {
  const [codes, scales] = run(
    (x) => {
      const packed = packRows(x, { bits, width, block })
      return [packed.codes, packed.scales]
    },
    [refTensor([rows.length / width, width], [...rows])],
  )
  const [back] = run((c, s) => [unpackRows(c, s, { bits, width, block })], [codes!, scales!])
  return { codes: [...codes!.data], scales: [...scales!.data], back: [...back!.data] }
}

describe('rows of caches in few bits', () => {
  it('have the largest of a block at 127 steps', () => {
    const { codes, scales } = rounded([0.5, -2.54, ...new Array<number>(30).fill(0)], 32, 8, 32)
    expect(scales[0]).toBeCloseTo(0.02, 6)
    expect(codes.slice(0, 3)).toEqual([25, -127, 0])
  })

  it('have the farthest from zero at −8 steps, two numbers in a byte', () => {
    const row = new Array<number>(32).fill(0)
    row[1] = 4
    row[17] = -2.1
    const { codes, scales } = rounded(row, 32, 4, 32)
    expect(scales).toEqual([-0.5])
    // 4 is −8 steps, −2.1 four steps, each plus 8.
    expect(codes.slice(0, 2)).toEqual([8 + 16 * 8, 0 + 16 * 12])
  })

  it.each([
    [8, 32],
    [8, 8],
    [4, 32],
    [4, 16],
  ] as const)('of %d bits in blocks of %d are within half a step, but for what is farthest on the other side', (bits, block) => {
    const rows = random(12 * 96, bits + block)
    const { scales, back } = rounded(rows, 96, bits, block)
    rows.forEach((x, i) => {
      const scale = Math.abs(scales[Math.floor(i / block)]!)
      // With 4 bits the 16 numbers end at +7 steps.
      const limit = bits === 8 ? 0.5 : Math.abs(back[i]!) >= 6.99 * scale ? 1 : 0.5
      expect(Math.abs(back[i]! - x)).toBeLessThanOrEqual(limit * scale * 1.0001)
    })
  })

  it('of nothing but zeros are zeros', () => {
    for (const bits of [8, 4] as const)
      expect(rounded(new Array<number>(64).fill(0), 32, bits, 32).back.every((x) => Math.abs(x) < 1e-20)).toBe(true)
  })

  it.each([8, 4] as const)('of %d bits are attended to as they are in the cache', (bits) => {
    const [keyHeads, heads, capacity, width, tokens, position] = [2, 4, 6, 32, 2, 3]
    const filled = (seed: number): number[] => random(keyHeads * capacity * width, seed)
    const kv = [filled(1), filled(2)].map((rows) => rounded(rows, width, bits, 32))
    const [q, k, v] = [random(heads * tokens * width, 3), random(keyHeads * tokens * width, 4), random(keyHeads * tokens * width, 5)]
    const [codeType, bytes] = bits === 8 ? (['i8', width] as const) : (['u8', width / 2] as const)
    const outputs = run(
      (...[Q, K, V, cacheK, cacheV, at, scalesK, scalesV]) =>
        attendCached(Q!, K!, V!, { k: cacheK!, v: cacheV!, positions: at!, scales: [scalesK!, scalesV!] }, { scale: 0.3 }),
      [
        refTensor([1, heads, tokens, width], q),
        refTensor([1, keyHeads, tokens, width], k),
        refTensor([1, keyHeads, tokens, width], v),
        ...kv.map(({ codes }) => refTensor([1, keyHeads, capacity, bytes], codes, codeType)),
        refTensor([], [position], 'i32'),
        ...kv.map(({ scales }) => refTensor([1, keyHeads, capacity, 1], scales)),
      ],
    )
    expect(outputs).toHaveLength(5)
    // The formula, in loops.
    const [keys, values] = [k, v].map((rows, which) => {
      const all = kv[which]!.back.slice()
      const fresh = rounded(rows, width, bits, 32).back
      for (let h = 0; h < keyHeads; h++)
        for (let t = 0; t < tokens; t++)
          for (let w = 0; w < width; w++) all[(h * capacity + position + t) * width + w] = fresh[(h * tokens + t) * width + w]!
      return all
    }) as [number[], number[]]
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < tokens; t++) {
        const row = (s: number): number => (Math.floor(h / 2) * capacity + s) * width
        const weights = Array.from({ length: position + t + 1 }, (_, s) => {
          let dot = 0
          for (let w = 0; w < width; w++) dot += q[(h * tokens + t) * width + w]! * keys[row(s) + w]!
          return Math.exp(0.3 * dot)
        })
        const total = weights.reduce((a, b) => a + b, 0)
        for (let w = 0; w < width; w++) {
          const expected = weights.reduce((sum, weight, s) => sum + (weight / total) * values[row(s) + w]!, 0)
          expect(outputs[0]!.data[(h * tokens + t) * width + w]).toBeCloseTo(expected, 4)
        }
      }
  })

  it('say what does not fit', () => {
    const of = (dtype: DType, ...shape: number[]) => placeholder({ shape, dtype })
    const attend = (cache: readonly number[], scales: readonly number[], dtype: DType = 'i8', rows: DType = 'f32') => {
      const one = of(rows, 1, 2, 1, 32)
      const caches = { k: of(dtype, ...cache), v: of(dtype, ...cache), positions: of('i32') }
      return () => attendCached(one, one, one, { ...caches, scales: [of('f32', ...scales), of('f32', ...scales)] }, { scale: 1 })
    }
    expect(attend([1, 2, 9, 32], [1, 2, 9, 1])).not.toThrow()
    expect(attend([1, 2, 9, 32], [1, 2, 9, 2])).not.toThrow()
    expect(attend([1, 2, 9, 32], [1, 2, 9, 3])).toThrow('must have a scale for each 8, 16 or 32 of 32 numbers')
    expect(attend([1, 2, 9, 16], [1, 2, 9, 1])).toThrow(
      'rows of cacheK i8 [1, 2, 9, 16] must be of 32 bytes, as k f32 [1, 2, 1, 32] is 32 wide',
    )
    expect(attend([1, 2, 9, 16], [1, 2, 9, 1], 'u8')).not.toThrow()
    expect(attend([1, 2, 9, 32], [1, 2, 8, 1])).toThrow('the scales of cacheK must be [1, 2, 9, 1] (cacheK but for the blocks)')
    expect(attend([1, 2, 9, 32], [1, 2, 9, 1], 'f32')).toThrow('attendCached: cacheK must be i8 or u8')
  })
})
