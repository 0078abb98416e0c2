import { describe, expect, it } from 'vitest'
import { analogy, nearestWords, wordVectors } from './analogies.js'

const vectors = wordVectors(
  Object.entries({
    king: [2, 2, 0.1],
    queen: [1, -1, 0.1],
    man: [0, 3, 0],
    woman: [0, -0.5, 0],
    apple: [0.1, 0, -4],
    nothing: [0, 0, 0],
  }),
)

describe('analogy', () => {
  it('adds directions, whatever their lengths, and leaves out the words asked with', () => {
    const found = analogy(vectors, { positive: ['king', 'woman'], negative: ['man'] }, { k: 2 })
    expect(found.map(({ word }) => word)).toEqual(['queen', 'apple'])
    // (2, 2, 0.1)/|…| + (0, −2, 0) against queen
    const sum = [2 / Math.hypot(2, 2, 0.1), 2 / Math.hypot(2, 2, 0.1) - 2, 0.1 / Math.hypot(2, 2, 0.1)]
    const cosine = (sum[0]! - sum[1]! + 0.1 * sum[2]!) / (Math.hypot(...sum) * Math.hypot(1, -1, 0.1))
    expect(found[0]!.similarity).toBeCloseTo(cosine, 6)
  })

  it('gives at most k, the nearest first, and never a word without a direction', () => {
    const all = nearestWords(vectors, 'man')
    expect(all.map(({ word }) => word)).toEqual(['king', 'apple', 'queen', 'woman'])
    expect(all.at(-1)!.similarity).toBeCloseTo(-1, 6)
    expect(nearestWords(vectors, [0, 1, 0], { k: 1 })).toEqual([{ word: 'man', similarity: 1 }])
  })

  it('names what it does not know', () => {
    expect(() => analogy(vectors, { positive: ['King'] })).toThrow("'King' is not among the 6 words")
    expect(() => analogy(vectors, { positive: [] })).toThrow('at least one word')
    expect(() => nearestWords(vectors, [1])).toThrow('the vector has 1 entries; expected 3')
    expect(() => nearestWords(vectors, 'man', { k: 0 })).toThrow('k must be a positive integer')
    expect(() =>
      wordVectors([
        ['a', [1]],
        ['b', [1, 2]],
      ]),
    ).toThrow("'b' has 2 entries; expected 1")
    expect(() => wordVectors([])).toThrow('there are no words')
  })
})
