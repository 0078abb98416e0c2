/** Every pair of devices. */
import { afterAll, describe, expect, it } from 'vitest'
import type { Device } from '../device/device.js'
import { jit, referenceDevice, resolveDevice, tensor, type DeviceName, type Tensor } from '../index.js'
import { checkMoves } from './moves.js'
import { noWebGpu } from './webgpu.js'

const missing = await noWebGpu()
const opened: Device[] = []
afterAll(() => Promise.all(opened.map((device) => device.dispose())))

/** Devices of their own, so that pairs of a name are two. */
async function open(name: DeviceName, threads: number): Promise<Device> {
  const device = name === 'reference' ? referenceDevice() : await resolveDevice(name, { threads })
  opened.push(device)
  return device
}

const names = ['reference', 'cpu', 'webgpu'] as const

describe.for(names.flatMap((from) => names.map((to) => [from, to] as const)))('%s to %s', ([from, to]) => {
  it('moves every dtype bit for bit, empty tensors too, and gradients not at all', async ({ skip }) => {
    skip(missing !== undefined && (from === 'webgpu' || to === 'webgpu'), missing)
    const [a, b] = [await open(from, 1), await open(to, 2)]
    const before = [a.memory().liveBytes, b.memory().liveBytes]
    expect(await checkMoves(a, b)).toEqual([])
    expect([a.memory().liveBytes, b.memory().liveBytes].map((bytes, i) => bytes - before[i]! < 64)).toEqual([true, true])
  })
})

it('stays on its own device', async () => {
  const device = await open('reference', 1)
  expect(await checkMoves(device, device)).toEqual([])
})

it('is refused inside jit, where nothing has a value', async () => {
  using x = tensor([1, 2])
  await expect(jit((t: Tensor) => [t.sum(), t.to('reference')])(x)).rejects.toMatchObject({ code: 'TRACE' })
})
