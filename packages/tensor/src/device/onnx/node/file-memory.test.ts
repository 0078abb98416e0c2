import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jit, resolveDevice, sym, tensor, type Tensor } from '../../../index.js'
import { mappedFiles } from '../../../testing/mapped-files.js'
import { loadKoffi } from './ffi.js'
import { openFileMemory } from './file-memory.js'

const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31) % 251)
const weights = /\/tesserae-[0-9a-f-]{36} \(deleted\)$/
const onPosix = process.platform !== 'win32'
let folder: string

beforeAll(() => {
  // The folder for temporary files may be one in memory, which is refused.
  folder = mkdtempSync(join(process.cwd(), 'node_modules/.file-memory-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.runIf(onPosix)('openFileMemory', () => {
  it('keeps bytes that come back when their pages were dropped, and leaves no file', async () => {
    const memory = openFileMemory(await loadKoffi(), folder)!
    const part = memory.hold(bytes)!
    expect(readdirSync(folder)).toEqual([])
    const view = new Uint8Array(part.memory, 0, bytes.length)
    expect(view).toEqual(bytes)
    view[3] = 77
    memory.drop(part)
    expect(view[3]).toBe(77)
    expect(view.subarray(4)).toEqual(bytes.subarray(4))
  })

  it('has no place for few bytes, in a folder that is none, in memory, or where it is turned off', async () => {
    const koffi = await loadKoffi()
    expect(openFileMemory(koffi, folder)!.hold(bytes.subarray(0, 100))).toBeUndefined()
    expect(openFileMemory(koffi, join(tmpdir(), 'there', 'is', 'none'))).toBeUndefined()
    expect(openFileMemory(koffi, 'off')).toBeUndefined()
    if (process.platform === 'linux') expect(openFileMemory(koffi, '/proc')?.hold(bytes)).toBeUndefined()
  })
})

describe('frozen weights', () => {
  it('go to the device when they are frozen for it, and give what others give', async () => {
    const device = await resolveDevice('cpu')
    const values = Float32Array.from({ length: 256 * 300 }, (_, i) => Math.sin(i))
    const x = tensor(
      Float32Array.from({ length: 256 }, (_, i) => Math.cos(i)),
      { shape: [1, 256] },
    )
    using plain = tensor(values, { shape: [300, 256] })
    using frozen = tensor(values, { shape: [300, 256] })
    const before = device.memory().liveBytes
    frozen.freeze({ device })
    expect(device.memory().liveBytes - before).toBeGreaterThanOrEqual(values.byteLength)
    expect(frozen.device).toBe(device)
    const product = (weight: Tensor) => jit((of: Tensor) => of.matmul(weight, { transB: true }), { device })
    const [one, other] = [product(plain), product(frozen)]
    const [a, b] = [await one(x), await other(x)]
    // Packed weights are summed in another order.
    const expected = await a.data()
    ;(await b.data()).forEach((sum, i) => expect(sum).toBeCloseTo(expected[i]!, 3))
    expect(await frozen.data()).toEqual(values)
    frozen.unfreeze()
    const again = product(frozen)
    expect(await (await again(x)).data()).toEqual(expected)
    for (const used of [one, other, again]) used.dispose()
  })

  it.runIf(process.platform === 'linux')('are not mapped any longer behind a run that looked up many of their rows', async (context) => {
    const device = await resolveDevice('cpu')
    const [rows, width] = [4096, 256]
    using table = tensor(
      Float32Array.from({ length: rows * width }, (_, i) => i % 1009),
      { shape: [rows, width] },
    )
    const before = mappedFiles(weights)
    table.freeze({ device })
    if (mappedFiles(weights).count === before.count) return context.skip('the folder for temporary files lies in memory')
    const lookedUp = jit((ids: Tensor) => table.gather(ids), { device })
    using ids = tensor(
      Int32Array.from({ length: 64 }, (_, i) => i * 64),
      { shape: [64] },
    )
    const found = await lookedUp(ids.symbolic(0, sym('ids', { max: 128 })))
    expect(mappedFiles(weights).kilobytes).toBeLessThanOrEqual(before.kilobytes)
    const data = await found.data()
    expect(data).toEqual(Float32Array.from({ length: 64 * width }, (_, i) => ((i >> 8) * 64 * width + (i & 255)) % 1009))
    lookedUp.dispose()
  })
})
