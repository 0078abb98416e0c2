/** Pages on emulated CUDA, written in place, step after step; threads in random order, reads of what nobody wrote and beyond any buffer reported. */
import { afterAll, expect, it } from 'vitest'
import { attendPaged, jit, realize, referenceDevice, tensor, zeros, type Device, type Tensor } from '../../index.js'
import { openCuda } from './device.js'
import { emulatedDriver } from './testing/driver.js'

const device = openCuda(emulatedDriver({ order: 'random', checks: { global: true } }))
afterAll(() => device.dispose())

const [blocks, size, most, width] = [9, 4, 5, 8]
const wave = (count: number, phase: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(1.3 * i + phase))

/** What three sequences give that grow by `tokens` each time, in blocks that are taken as they come. */
async function steps(on: Device, rows: number, hostile: boolean): Promise<number[][]> {
  const step = jit(
    ({ k, v }: { readonly k: Tensor; readonly v: Tensor }, q: Tensor, fresh: Tensor, table: Tensor, position: Tensor) =>
      attendPaged(q, fresh, fresh.mul(0.5), { k, v, table, position }, { window: 11 }),
    { donate: [0], device: on },
  )
  const pool = (): Tensor => zeros([blocks, 1, size, width])
  let pools = { k: pool(), v: pool() }
  await realize([pools.k, pools.v], { device: on })
  const table = Int32Array.from({ length: 3 * most }, () => -1)
  const out: number[][] = []
  let taken = 0
  for (const [i, tokens] of [3, 2, 1, 1, 3].entries()) {
    const before = [0, 3, 5, 6, 7][i]!
    for (let b = 0; b < rows; b++)
      for (let at = 0; at * size < before + tokens; at++) if (table[b * most + at]! < 0) table[b * most + at] = (4 * taken++ + 1) % blocks
    if (hostile) table.fill(2 ** 30, rows * most)
    const inputs = [
      tensor(wave(3 * 2 * tokens * width, i), { shape: [3, 2, tokens, width] }),
      tensor(wave(3 * tokens * width, i + 0.5), { shape: [3, 1, tokens, width] }),
      tensor(table, { shape: [3, most] }),
      tensor(Int32Array.of(before, before, hostile ? -5 : 0), { shape: [3] }),
    ] as const
    const { out: attended, poolK, poolV } = await step.run([pools, ...inputs])
    pools = { k: poolK, v: poolV }
    out.push([...((await attended.data()) as Float32Array)].slice(0, rows * 2 * tokens * width))
    for (const each of [attended, ...inputs]) each.dispose()
  }
  pools.k.dispose()
  pools.v.dispose()
  step.dispose()
  return out
}

it.each([false, true])('sequences grow in place, whatever tables of others say: %s', async (hostile) => {
  const before = device.memory()
  const [found, expected] = [await steps(device, 2, hostile), await steps(referenceDevice(), 2, hostile)]
  for (const [i, row] of expected.entries()) row.forEach((value, at) => expect(found[i]![at]).toBeCloseTo(value, 5))
  expect(device.memory().liveBuffers).toBe(before.liveBuffers)
})
