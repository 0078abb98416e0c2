import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Memory } from './memory.js'
import { Operation } from './operations.js'
import { MemoryPool } from './pool.js'

const mib = 2 ** 20
let destroyed: Memory[]
let made: number
let pool: MemoryPool
beforeEach(() => {
  vi.useFakeTimers()
  destroyed = []
  made = 0
  pool = new MemoryPool((memory) => destroyed.push(memory))
})
afterEach(() => vi.useRealTimers())

const cut = { rangeBytes: 2 ** 31, blockBytes: 2 ** 31 }
function get(bytes: number): Memory {
  const kept = pool.take(bytes)
  if (kept === undefined) made++
  return kept ?? new Memory([], bytes, new Operation('allocating', []), cut)
}

it('gives a loop the same memory again once it has been missed, whatever its size', () => {
  const turn = (): void => [get(100 * mib), get(100 * mib), get(mib), get(40)].forEach((memory) => pool.give(memory))
  turn()
  turn()
  made = 0
  for (let i = 0; i < 3000; i++) turn() // and however long it takes
  expect(made).toBe(0)
})

it('gives large memory back at once that nothing has asked for again', () => {
  const weights = [get(200 * mib), get(300 * mib), get(10 * mib)]
  for (const memory of weights) pool.give(memory)
  expect(destroyed).toEqual(weights.slice(0, 2))
  expect(pool.bytes).toBe(10 * mib)
})

it('never holds much more, with what is in use, than was in use a short time ago', () => {
  const turn = (size: number): void => {
    const [a, b] = [get(size), get(size)]
    pool.give(a)
    pool.give(b)
  }
  for (let i = 0; i < 3; i++) turn(200 * mib)
  expect(pool.bytes).toBe(400 * mib)
  // Something new and large: what is kept goes before it is made.
  const large = get(300 * mib)
  expect(pool.bytes).toBeLessThanOrEqual(164 * mib)
  const larger = get(500 * mib)
  expect(pool.bytes).toBeLessThanOrEqual(64 * mib)
  pool.give(large)
  pool.give(larger)
  // A high use of long ago does not count.
  for (let i = 0; i < 3; i++) turn(200 * mib)
  expect(pool.bytes).toBe(400 * mib)
  const small = Array.from({ length: 2100 }, () => get(4))
  expect(pool.bytes).toBeLessThanOrEqual(400 * mib)
  for (const memory of small) pool.give(memory)
  expect(pool.bytes).toBeLessThanOrEqual(64 * mib)
})

it('gives back what is idle, and everything when asked', () => {
  const turn = (): void => pool.give(get(200 * mib))
  turn()
  turn()
  const small = get(5 * mib)
  pool.give(small)
  expect(pool.bytes).toBe(205 * mib)
  vi.advanceTimersByTime(10_000)
  turn()
  vi.advanceTimersByTime(10_000) // used since
  expect(pool.bytes).toBe(205 * mib)
  vi.advanceTimersByTime(10_000)
  expect(pool.bytes).toBe(5 * mib)
  expect(vi.getTimerCount()).toBe(0)
  pool.clear()
  expect(pool.bytes).toBe(0)
  expect(destroyed).toContain(small)
})

it('keeps nothing that was never there', () => {
  const born = new Operation('allocating', [])
  const memory = new Memory([], 4 * mib, born, cut)
  pool.take(4 * mib)
  Object.assign(born, { error: new Error('none') })
  pool.give(memory)
  expect(destroyed).toEqual([memory])
})
