import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { pageSize, productMemory } from './simd.js'
import { VectorTable } from './table.js'

const stream = random(1).stream('simd')
const vectorOf = (length: number): Float32Array => Float32Array.from({ length }, () => stream.normal())
const product = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)

describe('productMemory', () => {
  it.each([16, 32, 48, 384])('multiplies %i numbers wherever they lie, one pair and many', (length) => {
    const { memory, dot, dots } = productMemory(1)!
    const numbers = new Float32Array(memory.buffer)
    const vectors = Array.from({ length: 5 }, () => vectorOf(length))
    const address = (i: number) => 4 * (64 + i * length)
    vectors.forEach((vector, i) => numbers.set(vector, address(i) / 4))
    for (const [i, a] of vectors.entries())
      for (const [j, b] of vectors.entries())
        expect(Math.abs(dot(address(i), address(j), address(i) + 4 * length) - product(a, b))).toBeLessThan(1e-6 * length)
    const [list, out] = [0, 128]
    new Int32Array(memory.buffer).set([3, 1, 4].map(address), list / 4)
    dots(list, 3, address(2), 4 * length, out)
    const found = numbers.subarray(out / 4, out / 4 + 4)
    ;[3, 1, 4].forEach((i, place) => expect(Math.abs(found[place]! - product(vectors[i]!, vectors[2]!))).toBeLessThan(1e-6 * length))
    expect(found[3]).toBe(0)
  })

  it('grows and keeps what it holds', () => {
    const { memory, dot } = productMemory(1)!
    new Float32Array(memory.buffer).fill(2, 0, 16)
    memory.grow(1)
    expect(memory.buffer.byteLength).toBe(2 * pageSize)
    expect(dot(0, 0, 64)).toBe(64)
  })
})

describe('an accelerated table', () => {
  it.each([1, 15, 16, 17, 100])('has the same rows and products in %i dimensions, before and after it grows', (dimensions) => {
    const [plain, fast] = [new VectorTable(dimensions), new VectorTable(dimensions)]
    const vectors = Array.from({ length: 1500 }, () => vectorOf(dimensions))
    const add = (from: number, to: number): void =>
      vectors.slice(from, to).forEach((vector, i) => [plain, fast].forEach((table) => table.set(String(from + i), vector)))
    const compare = (): void => {
      const query = vectorOf(dimensions)
      const rows = Int32Array.from({ length: fast.length }, (_, i) => i).reverse()
      for (const [a, b] of [
        [plain.probe(query), fast.probe(query)],
        [plain.probeOf(7), fast.probeOf(7)],
      ] as const)
        // More than one call takes are made one by one.
        for (const count of [3, Math.min(1000, rows.length), rows.length]) {
          const [expected, found] = [Array.from(a.ofMany(rows, count)), Array.from(b.ofMany(rows, count))]
          for (let i = 0; i < count; i++) {
            expect(Math.abs(found[i]! - expected[i]!)).toBeLessThan(1e-5)
            expect(Math.abs(b.of(rows[i]!) - expected[i]!)).toBeLessThan(1e-5)
          }
        }
      for (const key of ['0', '7', String(fast.length - 1)]) expect(fast.get(key)).toEqual(plain.get(key))
      expect(fast.similarity(5, query)).toBe(plain.similarity(5, query))
      expect(Math.abs(fast.between(3, 8) - plain.between(3, 8))).toBeLessThan(1e-5)
    }
    add(0, 100)
    fast.accelerate()
    compare()
    add(100, 1500)
    compare()
    fast.delete('3')
    expect(fast.compacted().get('7')).toEqual(plain.get('7'))
  })
})
