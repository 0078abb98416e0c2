import { referenceDevice, resolveDevice } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { llama } from '../architectures/llama.js'
import { cacheMaker, runOf } from './stack.js'

const config = llama({ vocabSize: 13, width: 32, layers: 2, heads: 4, kvHeads: 2, hidden: 24, context: 96 })

describe('caches beside each other', () => {
  it('are a batch where they fill half of their run, in whatever order', async () => {
    const device = await resolveDevice('cpu')
    const make = cacheMaker(config, { rows: 6, capacity: 96, type: 'f32', device })
    const caches = Array.from({ length: 7 }, make)
    const rows = (...wanted: readonly number[]) => {
      const run = runOf(wanted.map((row) => caches[row]!))
      return run && [run.from, run.count]
    }
    expect(caches.map(({ place }) => place?.row)).toEqual([0, 1, 2, 3, 4, 5, undefined])
    expect([rows(1, 0), rows(0, 2), rows(2, 4, 3), rows(5, 3, 4), rows(4, 5), rows(0, 1, 2, 3, 5)]).toEqual([
      [0, 2],
      undefined,
      [2, 4],
      [2, 4],
      [4, 2],
      [0, 6],
    ])
    expect(rows(5, 6)).toBeUndefined()
    for (const cache of caches) cache.dispose()
  })

  it('give their memory back with the last of them, and their rows to the next', async () => {
    const device = await resolveDevice('cpu')
    const before = device.memory().liveBytes
    const make = cacheMaker(config, { rows: 4, capacity: 96, type: 'f32', device })
    const [first, second] = [make(), make()]
    expect(device.memory().liveBytes - before).toBe(4 * first.bytes)
    first.dispose()
    using third = make()
    expect(third.place).toEqual({ stack: second.place!.stack, row: 0 })
    for (const cache of [second, third]) cache.dispose()
    expect(device.memory().liveBytes).toBe(before)
    using later = make()
    expect(later.place!.stack).not.toBe(second.place!.stack)
  })

  it('are apart on devices whose buffers are', () => {
    using cache = cacheMaker(config, { rows: 4, capacity: 96, type: 'f32', device: referenceDevice() })()
    expect(cache.place).toBeUndefined()
  })
})
