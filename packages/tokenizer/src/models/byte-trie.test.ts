import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ByteTrie } from './byte-trie.js'

it('finds the longest key that a text begins with, like a list of all keys', () => {
  const key = fc.uint8Array({ minLength: 1, maxLength: 5, max: 3 })
  fc.assert(
    fc.property(fc.array(key, { maxLength: 400 }), fc.array(fc.uint8Array({ max: 3, maxLength: 8 }), { maxLength: 20 }), (keys, texts) => {
      const trie = new ByteTrie()
      for (const [i, bytes] of keys.entries()) trie.set(bytes, i)
      const known = new Set(keys.map((bytes) => bytes.join()))
      expect(trie.longest).toBe(Math.max(0, ...keys.map((bytes) => bytes.length)))
      for (const text of texts) {
        const lengths = [...text.keys()].map((i) => i + 1).filter((length) => known.has(text.subarray(0, length).join()))
        expect(trie.longestPrefix(text, 0, text.length)).toBe(lengths.at(-1) ?? 0)
      }
    }),
  )
})

it('keeps the last value of a key', () => {
  const trie = new ByteTrie()
  for (let value = 0; value < 1000; value++) trie.set(Uint8Array.of(1, value & 255, 2), value)
  let node = 0
  for (const byte of [1, 5, 2]) node = trie.child(node, byte)
  expect(trie.values[node]).toBe(773)
  expect(trie.child(node, 0)).toBe(0)
})
