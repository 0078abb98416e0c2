import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MergeTable } from './merge-table.js'
import { Merger } from './merger.js'

/** The definition: the lowest rank first, the leftmost among equals. */
function mergeNaively(table: MergeTable, symbols: number[]): number[] {
  const result = [...symbols]
  for (;;) {
    let best = -1
    let lowest = Infinity
    for (let i = 0; i + 1 < result.length; i++) {
      const slot = table.find(result[i]!, result[i + 1]!)
      if (slot >= 0 && table.rankAt(slot) < lowest) {
        lowest = table.rankAt(slot)
        best = i
      }
    }
    if (best < 0) return result
    result.splice(best, 2, table.resultAt(table.find(result[best]!, result[best + 1]!)))
  }
}

/** Any table of merges over a few symbols: each makes a new symbol, or one that exists; ranks may repeat. */
const mergeTable = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(), fc.boolean()), { minLength: 1, maxLength: 30 }).map((choices) => {
  const table = new MergeTable()
  let symbols = 3
  for (const [a, b, rank, fresh] of choices) {
    const left = a % symbols
    const right = b % symbols
    if (table.find(left, right) >= 0) continue
    // A result above both parts keeps merging finite in the sense of real vocabularies; length falls anyway.
    table.set(left, right, rank % 20, fresh ? symbols++ : symbols - 1)
  }
  return table
})

describe('Merger', () => {
  it.each([
    ['short', 0, 60],
    ['long', 129, 400],
  ])('merges %s input by the definition', (_, minLength, maxLength) => {
    fc.assert(
      fc.property(mergeTable, fc.array(fc.nat(2), { minLength, maxLength }), (table, symbols) => {
        const merger = new Merger(table)
        for (let repeat = 0; repeat < 2; repeat++) {
          const work = Int32Array.from(symbols)
          const length = merger.merge(work, work.length)
          expect([...work.subarray(0, length)]).toEqual(mergeNaively(table, symbols))
        }
      }),
      { numRuns: 300 },
    )
  })
})
