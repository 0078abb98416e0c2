import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IdList } from '../../id-list.js'
import { Vocabulary } from '../../vocabulary.js'
import { ByteRanks } from './byte-ranks.js'
import { PADDING } from './piece-table.js'
import { RankedMerger } from './ranked-merger.js'

/** The definition: of all neighbours that spell a token those of the lowest rank, the leftmost first. */
function mergeNaively(ranks: ReadonlyMap<string, number>, text: string): number[] {
  const parts = [...text]
  for (;;) {
    let best = -1
    let lowest = Infinity
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = ranks.get(parts[i]! + parts[i + 1]!)
      if (rank !== undefined && rank < lowest) [lowest, best] = [rank, i]
    }
    if (best < 0) return parts.map((part) => ranks.get(part)!)
    parts.splice(best, 2, parts[best]! + parts[best + 1]!)
  }
}

/** Tokens over three letters, long ones too, whether or not merges lead to them. */
const tokens = fc
  .array(
    fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 2, maxLength: 6 }),
      fc.nat(500).map((n) => 'a'.repeat(n + 2)),
    ),
    {
      maxLength: 60,
    },
  )
  .map((all) => [...new Set(all)])

describe('RankedMerger', () => {
  it.each([
    ['short', 2, 60],
    ['long', 257, 700],
  ])('merges %s pieces by the definition', (_, minLength, maxLength) => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength, maxLength }),
      fc.integer({ min: minLength, max: maxLength }).map((n) => 'a'.repeat(n)),
    )
    fc.assert(
      fc.property(tokens, text, (merged, piece) => {
        const all = [...Array.from({ length: 256 }, (_byte, i) => String.fromCharCode(i)), ...merged]
        const ranks = new Map(all.map((token, rank) => [token, rank]))
        const latin1 = (value: string) => Uint8Array.from(value, (char) => char.charCodeAt(0))
        const merger = new RankedMerger(new ByteRanks(new Vocabulary(all.map(latin1))))
        const bytes = new Uint8Array(piece.length + PADDING + 2).fill(0x61)
        bytes.set(latin1(piece), 1)
        const out = new IdList()
        merger.merge(bytes, new DataView(bytes.buffer), 1, piece.length + 1, out)
        expect([...out.toArray()]).toEqual(mergeNaively(ranks, piece))
      }),
      { numRuns: 150 },
    )
  })
})
