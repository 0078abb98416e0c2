import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NO_PIECE, PADDING, PieceTable } from './piece-table.js'

/** Keys one after another with rubbish behind each, so that a read beyond the end would show. */
function layOut(keys: readonly Uint8Array[]): { view: DataView; starts: number[] } {
  const starts: number[] = []
  let length = 0
  for (const key of keys) {
    starts.push(length)
    length += key.length + 3
  }
  const bytes = new Uint8Array(length + PADDING).fill(0xa5)
  for (const [i, key] of keys.entries()) bytes.set(key, starts[i])
  return { view: new DataView(bytes.buffer), starts }
}

/** The same without anything between, for a whole vocabulary. */
function layOutTight(keys: readonly Uint8Array[]): { view: DataView; starts: Uint32Array } {
  const starts = new Uint32Array(keys.length + 1)
  for (const [i, key] of keys.entries()) starts[i + 1] = starts[i]! + key.length
  const bytes = new Uint8Array(starts[keys.length]! + PADDING).fill(0xa5)
  for (const [i, key] of keys.entries()) bytes.set(key, starts[i])
  return { view: new DataView(bytes.buffer), starts }
}

describe('PieceTable', () => {
  it.each([1, 100, 5000])('takes a whole vocabulary at once, whatever it was made for: %i keys', (expected) => {
    // Lengths from 0, which is no key, to 300, which does not fit.
    const keys = Array.from({ length: 700 }, (_, i) =>
      Uint8Array.from({ length: i % 301 }, (_, at) => (i * 7 + at * at) % 251).fill(i >> 2, 0, 1),
    )
    const { view, starts } = layOutTight(keys)
    const unique = new Set(keys.map(String)).size
    expect(unique).toBeGreaterThan(690)
    const table = new PieceTable(expected)
    table.insertAll(view, starts)
    for (const [i, key] of keys.entries()) {
      const found = table.find(view, starts[i]!, key.length)
      if (key.length > 0 && key.length < 256) expect(String(keys[found])).toBe(String(key))
    }
    expect(table.find(view, starts[20]! + 1, 21)).toBe(NO_PIECE)
    table.insert(new DataView(Uint8Array.of(1, 2, 3, 9, 0, 0, 0, 0).buffer), 0, 4, 1234)
    expect(table.find(new DataView(Uint8Array.of(1, 2, 3, 9, 7, 7, 7, 7).buffer), 0, 4)).toBe(1234)
  })

  it('holds what a Map would, keys of 1 to 255 bytes', () => {
    const key = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 3 }),
      fc.uint8Array({ minLength: 1, maxLength: 20 }),
      fc.uint8Array({ minLength: 200, maxLength: 255 }),
      fc.nat(40).map((length) => new Uint8Array(length + 1)),
    )
    fc.assert(
      fc.property(fc.array(key, { maxLength: 300 }), (keys) => {
        const { view, starts } = layOut(keys)
        const table = new PieceTable(1)
        const map = new Map<string, number>()
        for (const [i, bytes] of keys.entries()) {
          const name = bytes.join()
          expect(table.find(view, starts[i]!, bytes.length)).toBe(map.get(name) ?? NO_PIECE)
          if (map.has(name)) continue
          expect(table.add(view, starts[i]!, bytes.length, i)).toBe(true)
          map.set(name, i)
        }
        for (const [i, bytes] of keys.entries()) expect(table.find(view, starts[i]!, bytes.length)).toBe(map.get(bytes.join()))
        expect(table.size).toBe(map.size)
        table.clear()
        for (const [i, bytes] of keys.entries()) expect(table.find(view, starts[i]!, bytes.length)).toBe(NO_PIECE)
      }),
    )
  })

  it('survives keys that were made to collide: a cache does without some, a vocabulary changes its hash function', () => {
    // Keys of eight bytes with one hash for the first seed: low ^ 8 times the seed must equal the product of the other half.
    const inverse = (odd: number) => {
      let x = odd
      for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x))
      return x
    }
    const back = inverse(0x9e3779b1 | 0)
    const keys = Array.from({ length: 2000 }, (_, high) => {
      const bytes = new Uint8Array(8)
      const words = new DataView(bytes.buffer)
      words.setInt32(0, Math.imul(back, Math.imul(high, 0x85ebca6b)) ^ 8, true)
      words.setInt32(4, high, true)
      return bytes
    })
    const { view, starts } = layOut(keys)
    const cache = new PieceTable(keys.length)
    const kept = keys.filter((_, i) => cache.add(view, starts[i]!, 8, i)).length
    expect(kept).toBeLessThan(200)
    const vocabulary = new PieceTable(keys.length)
    for (const i of keys.keys()) vocabulary.insert(view, starts[i]!, 8, i)
    for (const i of keys.keys()) expect(vocabulary.find(view, starts[i]!, 8)).toBe(i)
    const tight = layOutTight([...keys, new TextEncoder().encode('a longer one')])
    const whole = new PieceTable(keys.length + 1)
    whole.insertAll(tight.view, tight.starts)
    for (const i of keys.keys()) expect(whole.find(view, starts[i]!, 8)).toBe(i)
    expect(whole.find(tight.view, tight.starts[2000]!, 12)).toBe(2000)
  })
})
