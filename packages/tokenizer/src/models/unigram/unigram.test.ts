import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteTrie } from '../byte-trie.js'
import { Segments, UNKNOWN } from '../segments.js'
import { Unigram } from './unigram.js'

const encoder = new TextEncoder()

/** The score of the best way through a text, by trying every one. */
function bestScore(text: string, vocabulary: ReadonlyMap<string, number>, unknown: number): number {
  if (text === '') return 0
  const [first] = text
  let best = -Infinity
  for (let end = first!.length; end <= text.length; end++) {
    const score = vocabulary.get(text.slice(0, end))
    if (score !== undefined) best = Math.max(best, score + bestScore(text.slice(end), vocabulary, unknown))
  }
  return vocabulary.has(first!) ? best : Math.max(best, unknown + bestScore(text.slice(first!.length), vocabulary, unknown))
}

describe('Unigram', () => {
  it('finds a segmentation of the best score', () => {
    const token = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 3 })
    // Powers of two add up without rounding.
    const score = fc.integer({ min: -64, max: 0 }).map((quarter) => quarter / 4)
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(token, score), { selector: ([form]) => form, minLength: 1, maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('a', 'b', 'é', '中'), maxLength: 9 }),
        fc.boolean(),
        (entries, text, single) => {
          const trie = new ByteTrie()
          for (const [id, [form]] of entries.entries()) trie.set(encoder.encode(form), id)
          const lowest = Math.min(...entries.map(([, value]) => value))
          const unigram = new Unigram(trie, { scores: Float64Array.from(entries, ([, value]) => value), lowest, single })
          const out = new Segments()
          const bytes = encoder.encode(text)
          unigram.segment(bytes, bytes.length, out)
          let total = 0
          let start = 0
          for (let i = 0; i < out.length; i++) {
            const end = out.ends[i]!
            const form = new TextDecoder().decode(bytes.subarray(start, end))
            if (out.ids[i] === UNKNOWN) expect([...form]).toHaveLength(1)
            else expect(entries[out.ids[i]!]![0]).toBe(form)
            total += out.ids[i] === UNKNOWN ? lowest - 10 : entries[out.ids[i]!]![1]
            start = end
          }
          expect(start).toBe(bytes.length)
          expect(total).toBe(text === '' ? 0 : bestScore(text, new Map(entries), lowest - 10))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('keeps what was in the list', () => {
    const trie = new ByteTrie()
    trie.set(encoder.encode('a'), 0)
    const unigram = new Unigram(trie, { scores: Float64Array.of(-1), lowest: -1, single: false })
    const out = new Segments()
    out.push(7, 1)
    unigram.segment(encoder.encode('aa'), 2, out)
    expect([...out.ids.subarray(0, out.length)]).toEqual([7, 0, 0])
  })
})
