import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteTable } from './byte-table.js'
import { MergeTable } from './models/bpe/merge-table.js'

describe('ByteTable', () => {
  it('numbers keys in order of insertion, like a Map', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 400 }),
        fc.uint8Array({ maxLength: 200, minLength: 100 }),
        (keys, long) => {
          const table = new ByteTable(1)
          const map = new Map<string, number>()
          for (const key of [...keys, long, ...keys]) {
            const name = key.join()
            expect(table.find(key, 0, key.length)).toBe(map.get(name) ?? -1)
            if (!map.has(name)) map.set(name, map.size)
            expect(table.add(key, 0, key.length)).toBe(map.get(name))
          }
          expect(table.size).toBe(map.size)
          for (const [name, index] of map) expect(table.arena.slice(table.starts[index], table.starts[index + 1]).join()).toBe(name)
          table.clear()
          expect(table.find(long, 0, long.length)).toBe(-1)
          expect(table.add(long, 0, long.length)).toBe(0)
        },
      ),
    )
  })

  it('takes another hash function where keys were made to collide, and loses none', () => {
    // Who knows the function finds keys of one slot.
    const slotOf = (key: Uint8Array): number => {
      let hash = key.length
      for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193)
      hash ^= hash >>> 15
      hash = Math.imul(hash, 0x2c1b3c6d)
      return (hash ^ (hash >>> 13)) & 1023
    }
    const table = new ByteTable(512)
    const bytes = new TextEncoder()
    const keys: Uint8Array[] = []
    for (let i = 0; keys.length < 400; i++) {
      const key = bytes.encode(i.toString(36))
      if (slotOf(key) === 7) keys.push(key)
    }
    const { memory } = table
    keys.forEach((key, index) => expect(table.add(key, 0, key.length)).toBe(index))
    expect(table.memory).toBeGreaterThan(memory)
    expect(table.memory).toBeLessThan(memory * 4)
    keys.forEach((key, index) => expect(table.find(key, 0, key.length)).toBe(index))
  })
})

describe('MergeTable', () => {
  it('holds what a Map would', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(30), fc.nat(30), fc.nat(1000), fc.nat(1000)), { maxLength: 500 }), (merges) => {
        const table = new MergeTable(1)
        const map = new Map<string, [number, number]>()
        for (const [left, right, rank, result] of merges) {
          table.set(left, right, rank, result)
          map.set(`${left},${right}`, [rank, result])
        }
        for (let left = 0; left < 31; left++) {
          for (let right = 0; right < 31; right++) {
            const slot = table.find(left, right)
            expect(slot < 0 ? undefined : [table.rankAt(slot), table.resultAt(slot)]).toEqual(map.get(`${left},${right}`))
          }
        }
        expect([...table.entries()].length).toBe(map.size)
        expect(table.size).toBe(map.size)
      }),
      { numRuns: 30 },
    )
  })
})
