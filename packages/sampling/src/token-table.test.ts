import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TokenTable } from './token-table.js'

it('is a map from tokens to whole numbers', () => {
  const change = fc.record({
    id: fc.oneof(fc.nat(40), fc.nat(2 ** 21)),
    value: fc.integer({ min: -9, max: 9 }),
    does: fc.constantFrom('set', 'delete', 'clear', 'set'),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 400, size: 'max' }), (changes) => {
      const table = new TokenTable()
      const expected = new Map<number, number>()
      for (const { id, value, does } of changes) {
        if (does === 'set') {
          table.set(id, value)
          expected.set(id, value)
        } else if (does === 'delete') {
          table.delete(id)
          expected.delete(id)
        } else if (value === 9) {
          table.clear()
          expected.clear()
        }
        expect(table.get(id)).toBe(expected.get(id) ?? 0)
      }
      const entries = Array.from({ length: table.size }, (_, i) => [table.idAt(i), table.valueAt(i)] as const)
      expect(new Map(entries)).toEqual(expected)
      expect(entries).toHaveLength(expected.size)
    }),
    { numRuns: 200 },
  )
})
