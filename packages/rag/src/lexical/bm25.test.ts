import { random } from '@tesserae/core'
import { describe, expect, it } from 'vitest'
import { Bm25Index } from './bm25.js'

describe('Bm25Index', () => {
  it('gives the scores of the formula, worked out by hand', () => {
    const index = new Bm25Index()
    index.set('a', [
      ['wing', 2],
      ['lift', 1],
    ])
    index.set('b', [['wing', 1]])
    index.set('c', [['heat', 4]])
    // N = 3, n(wing) = 2, mean length 8 / 3.
    const idf = Math.log(1 + 1.5 / 2.5)
    const score = (tf: number, length: number) => (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * length) / (8 / 3)))
    const hits = index.search(['wing'], { k: 5 })
    expect(hits.map(({ key }) => key)).toEqual(
      ['b', 'a'].sort((x, y) => ((x === 'a' ? score(2, 3) : score(1, 1)) < (y === 'a' ? score(2, 3) : score(1, 1)) ? 1 : -1)),
    )
    expect(hits.find(({ key }) => key === 'a')?.score).toBeCloseTo(score(2, 3), 12)
    expect(hits.find(({ key }) => key === 'b')?.score).toBeCloseTo(score(1, 1), 12)
    expect(index.search(['wing', 'wing'], { k: 5 })[0]!.score).toBeCloseTo(2 * hits[0]!.score, 12)
  })

  it('is after any additions and removals what it would be if made anew', () => {
    const stream = random(3)
    const words = Array.from({ length: 40 }, (_, i) => `w${i}`)
    const text = () => {
      const counts = new Map<string, number>()
      for (let i = 1 + stream.int(12); i > 0; i--) {
        const word = words[Math.floor(stream.uniform() ** 2 * words.length)]!
        counts.set(word, (counts.get(word) ?? 0) + 1)
      }
      return [...counts]
    }
    const index = new Bm25Index()
    const there = new Map<string, [string, number][]>()
    for (let step = 0; step < 2000; step++) {
      const key = `t${stream.int(150)}`
      if (stream.uniform() < 0.55) {
        const terms = text()
        index.set(key, terms)
        there.set(key, terms)
      } else expect(index.delete(key)).toBe(there.delete(key))
      if (step % 250 !== 249) continue
      const fresh = new Bm25Index()
      for (const [name, terms] of there) fresh.set(name, terms)
      expect(index.size).toBe(there.size)
      expect(index.vocabularySize).toBe(fresh.vocabularySize)
      for (const name of there.keys()) expect(index.termsOf(name)).toEqual(there.get(name))
      for (let q = 0; q < 10; q++) {
        const query = Array.from({ length: 3 }, () => stream.choice(words))
        expect(index.search(query, { k: 20 })).toEqual(fresh.search(query, { k: 20 }))
      }
    }
  })

  it('finds nothing for no terms, unknown terms and an empty index', () => {
    const index = new Bm25Index()
    expect(index.search(['x'], { k: 3 })).toEqual([])
    index.set('a', [])
    expect(index.search([], { k: 3 })).toEqual([])
    expect(index.search(['x'], { k: 3 })).toEqual([])
    expect(index.termsOf('b')).toBeUndefined()
  })

  it('refuses options out of range', () => {
    const index = new Bm25Index()
    for (const options of [{ k: 0 }, { k: 1, k1: -1 }, { k: 1, b: 2 }])
      expect(() => index.search(['x'], options)).toThrow(expect.objectContaining({ code: 'OPTION' }))
  })
})
