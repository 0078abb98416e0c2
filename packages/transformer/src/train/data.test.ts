import { describe, expect, it } from 'vitest'
import { checkBatch, randomWindows, sequentialWindows, type TokenBatch } from './data.js'
import { cosineSchedule } from './schedule.js'

const tokens = Uint16Array.from({ length: 100 }, (_, i) => i)
const rowsOf = (values: Int32Array, length: number): number[][] =>
  Array.from({ length: values.length / length }, (_, i) => [...values.subarray(i * length, (i + 1) * length)])

describe('randomWindows', () => {
  it('gives windows of the text and their next tokens, the same for the same number and seed', () => {
    const data = randomWindows(tokens, { rows: 4, length: 5, seed: 1 })
    const seventh = data.at(7) as TokenBatch
    expect(data.at(7)).toEqual(seventh)
    expect(data.at(8)).not.toEqual(seventh)
    expect(randomWindows(tokens, { rows: 4, length: 5, seed: 2 }).at(7)).not.toEqual(seventh)
    for (const [i, row] of rowsOf(seventh.ids, 5).entries()) {
      expect(row).toEqual(Array.from({ length: 5 }, (_, t) => row[0]! + t))
      expect(rowsOf(seventh.targets, 5)[i]).toEqual(row.map((id) => id + 1))
    }
  })

  it('reaches every window, the first and the last included, about equally often', () => {
    const data = randomWindows(tokens.subarray(0, 10), { rows: 100, length: 5, seed: 1 })
    const counts = new Map<number, number>()
    for (let i = 0; i < 20; i++)
      for (const [start] of rowsOf((data.at(i) as TokenBatch).ids, 5)) counts.set(start!, (counts.get(start!) ?? 0) + 1)
    expect([...counts.keys()].sort()).toEqual([0, 1, 2, 3, 4])
    for (const count of counts.values()) expect(Math.abs(count - 400)).toBeLessThan(100)
  })

  it('refuses texts shorter than a window', () => {
    expect(() => randomWindows(tokens.subarray(0, 5), { rows: 1, length: 5, seed: 0 })).toThrow('need at least 6 tokens of text, got 5')
    expect(() => randomWindows(tokens, { rows: 0, length: 5, seed: 0 })).toThrow('rows must be a positive integer, got 0')
  })
})

describe('sequentialWindows', () => {
  it('goes once over the text, with a shorter batch at the end', () => {
    const data = sequentialWindows(tokens.subarray(0, 27), { rows: 2, length: 5 })
    expect(data.count).toBe(3)
    const starts = Array.from({ length: 3 }, (_, i) => rowsOf((data.at(i) as TokenBatch).ids, 5).map(([first]) => first))
    expect(starts).toEqual([[0, 5], [10, 15], [20]])
    expect(data.at(2)).toMatchObject({ rows: 1, targets: Int32Array.of(21, 22, 23, 24, 25) })
  })
})

describe('checkBatch', () => {
  it('counts what there is to learn and refuses the rest', () => {
    const batch = (ids: number[], targets: number[], rows = 1): TokenBatch => ({
      ids: Int32Array.from(ids),
      targets: Int32Array.from(targets),
      rows,
      length: 3,
    })
    expect(checkBatch(batch([0, 1, 2], [1, -1, 2]), 3)).toBe(2)
    expect(() => checkBatch(batch([0, 1, 3], [1, 2, 0]), 3)).toThrow("token id 3; this model's vocabulary is 0 to 2")
    expect(() => checkBatch(batch([0, 1, -1], [1, 2, 0]), 3)).toThrow('token id -1')
    expect(() => checkBatch(batch([0, 1, 2], [1, 2, 3]), 3)).toThrow('token id 3')
    expect(() => checkBatch(batch([0, 1, 2], [-1, -1, -1]), 3)).toThrow('no target to learn')
    expect(() => checkBatch(batch([0, 1, 2], [1, 2], 1), 3)).toThrow('needs 3 ids and targets, got 3 and 2')
  })
})

describe('cosineSchedule', () => {
  it('rises, falls along a cosine and stays at the floor', () => {
    const rate = cosineSchedule({ peak: 1e-3, floor: 1e-4, warmup: 100, decay: 2000 })
    expect(rate(0)).toBeCloseTo(1e-3 / 101, 12)
    expect(rate(99)).toBeCloseTo(1e-1 / 101, 12)
    expect(rate(100)).toBe(1e-3)
    expect(rate(1050)).toBeCloseTo(5.5e-4, 12)
    expect(rate(2000)).toBe(1e-4)
    expect(rate(9999)).toBe(1e-4)
    expect(cosineSchedule({ peak: 1, decay: 10 })(10)).toBe(0.1)
    expect(() => cosineSchedule({ peak: 1, warmup: 5, decay: 4 })).toThrow('0 ≤ warmup ≤ decay')
  })
})
