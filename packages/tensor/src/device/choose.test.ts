import { expect, it } from 'vitest'
import { TensorError } from '../errors.js'
import '../ops/table.js'
import { chooseDevice } from './choose.js'
import type { Device } from './device.js'
import { referenceDevice } from './reference/device.js'
import { explainDevice, resolveDevice } from './registry.js'
import { reportAdapter } from './webgpu/adapter.js'

const none = (message: string) => () => Promise.reject(new TensorError('DEVICE', message))
const here = (device: Device) => () => Promise.resolve(device)

it('takes the first that opens and computes, and says why not the others', async () => {
  const device = referenceDevice()
  const wrong = referenceDevice()
  // Gives back what was there instead of a product.
  wrong.run = () => undefined
  expect(
    await chooseDevice([
      { name: 'cuda', open: none('no driver. Run: something') },
      { name: 'webgpu', open: here(wrong) },
      { name: 'cpu', open: here(device) },
      { name: 'reference', open: none('never asked') },
    ]),
  ).toEqual({
    device,
    passed: [
      { route: 'cuda', reason: 'no driver. Run: something' },
      { route: 'webgpu', reason: expect.stringMatching(/computed \S+ where 8 was expected/) as unknown },
    ],
  })
  expect(device.memory()).toMatchObject({ liveBytes: 0, programs: 0 })
})

it('fails as the last does', async () => {
  const candidates = [
    { name: 'cuda', open: none('one') },
    { name: 'cpu', open: none('two') },
  ] as const
  await expect(chooseDevice(candidates)).rejects.toThrow('two')
})

it("is the device of its name, and 'auto' again after it was disposed", async () => {
  const told: string[] = []
  const device = await resolveDevice('auto', { onChoice: ({ device: chosen }) => told.push(chosen.name) })
  expect(await resolveDevice(device.name)).toBe(device)
  const choice = await explainDevice({ onChoice: ({ device: chosen }) => told.push(chosen.name) })
  expect(choice.device).toBe(device)
  expect(told).toEqual([device.name, device.name])
  const faster = ['cuda', 'webgpu', 'cpu'].slice(0, ['cuda', 'webgpu', 'cpu'].indexOf(device.name))
  expect(choice.passed.map(({ route }) => route)).toEqual(faster)
  for (const { reason } of choice.passed) expect(reason).not.toBe('')
  await device.dispose()
  const again = await resolveDevice('auto')
  expect(again).not.toBe(device)
  await again.dispose()
})

it('tells adapters in software from hardware', () => {
  const report = (names: readonly [string, string, string, string], isFallbackAdapter = false) =>
    reportAdapter({
      info: { vendor: names[0], architecture: names[1], device: names[2], description: names[3], isFallbackAdapter },
      limits: {},
      features: new Set(['subgroups', 'timestamp-query']),
    } as unknown as GPUAdapter)
  expect(report(['google', 'swiftshader', '', '']).software).toBe(true)
  expect(report(['mesa', 'software', 'llvmpipe-llvm-15', 'llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)']).software).toBe(true)
  expect(report(['microsoft', '', '', 'Microsoft Basic Render Driver']).software).toBe(true)
  expect(report(['', '', '', ''], true).software).toBe(true)
  expect(report(['nvidia', 'ampere', '', 'NVIDIA GeForce RTX 3060']).software).toBe(false)
  expect(report(['apple', 'metal-3', '', '']).software).toBe(false)
  expect(report(['intel', 'gen-12lp', '', 'Intel(R) Iris(R) Xe Graphics']).features).toEqual(['subgroups'])
})
