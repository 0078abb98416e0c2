import { describe, expect, it } from 'vitest'
import { referenceDevice } from './device/reference/device.js'
import { resolveDevice } from './device/registry.js'
import { rowMemory } from './row-memory.js'
import { jit } from './transform/jit.js'
import { tensor } from './create.js'
import type { Tensor } from './tensor.js'

describe('rowMemory', () => {
  it('is written to row by row and together', async () => {
    const device = await resolveDevice('cpu')
    const before = device.memory()
    const memory = rowMemory(3, [16], { device })!
    using put = jit((row: Tensor, values: Tensor) => row.updateSlice(values, [0, 0]), { donate: [0], device })
    const row = (at: number): Tensor => memory.tensor(at, 1)
    for (const at of [0, 1, 2]) {
      using values = tensor(new Float32Array(16).fill(at), { shape: [1, 16] })
      using whole = await put(row(at), values)
      expect(memory.holds(whole)).toBe(true)
    }
    using ones = tensor(new Float32Array(8).fill(9), { shape: [2, 4] })
    using lower = await put(memory.tensor(1, 2), ones)
    using all = memory.tensor(0, 3)
    const expected = [0, 1, 2].flatMap((at) => Array.from({ length: 16 }, (_, i) => (at > 0 && i < 4 ? 9 : at)))
    expect([...(await all.data())]).toEqual(expected)
    expect(device.memory().liveBytes - before.liveBytes).toBeGreaterThanOrEqual(3 * 64)
    expect(memory.holds(ones)).toBe(false)
    memory.dispose()
    // The memory stays for those that have a part of it.
    expect([...(await lower.data())]).toEqual(expected.slice(16))
    for (const each of [lower, all, ones]) each.dispose()
    expect(device.memory().liveBytes).toBe(before.liveBytes)
  })

  it('is not to be had where rows would not be aligned, or buffers are apart', async () => {
    const device = await resolveDevice('cpu')
    const before = device.memory().liveBytes
    expect(rowMemory(2, [3], { device })).toBeUndefined()
    expect(device.memory().liveBytes).toBe(before)
    expect(rowMemory(2, [16], { device: referenceDevice() })).toBeUndefined()
  })
})
