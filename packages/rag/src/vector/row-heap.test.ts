import fc from 'fast-check'
import { expect, it } from 'vitest'
import { RowHeap } from './row-heap.js'

it('gives rows by ascending key, whatever is pushed between, and grows', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.double({ noNaN: true }), { nil: undefined }), { maxLength: 700 }), (steps) => {
      const heap = new RowHeap()
      let kept: { readonly row: number; readonly key: number }[] = []
      for (const [row, key] of steps.entries()) {
        if (key !== undefined) {
          heap.push(row, key)
          kept.push({ row, key })
        } else if (kept.length > 0) {
          const least = Math.min(...kept.map((entry) => entry.key))
          expect(heap.leastKey === least).toBe(true)
          const popped = heap.pop()
          expect(kept.find((entry) => entry.row === popped)!.key === least).toBe(true)
          kept = kept.filter((entry) => entry.row !== popped)
        }
        expect(heap.size).toBe(kept.length)
      }
      expect([...heap.entries()].sort((a, b) => a.row - b.row)).toEqual([...kept].sort((a, b) => a.row - b.row))
      heap.clear()
      expect(heap.entries()).toEqual([])
    }),
  )
})
