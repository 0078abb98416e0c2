import { expect, it } from 'vitest'
import { resolveDevice } from '../index.js'
import type { Device, DeviceRoom } from './device.js'
import { checkMemory, estimateMemory, showBytes } from './estimate.js'
import { referenceDevice } from './reference/device.js'
import { nullDevice } from './null/device.js'

const gib = 2 ** 30
const withRoom = (room: DeviceRoom): Device => Object.assign(referenceDevice(), { room: () => room })
const need = {
  weights: [
    { name: 'head.weight', bytes: 525 * 2 ** 20 },
    { name: 'blocks', bytes: 13 * gib },
  ],
  cache: [{ name: 'cache', bytes: 2.1 * gib }],
}

it('adds up and says what is in the way, with the numbers', () => {
  const { parts, total, largest, refusal } = estimateMemory(need, withRoom({ free: 8 * gib, source: 'a driver' }))
  expect(parts).toEqual([
    { name: 'weights', bytes: 13 * gib + 525 * 2 ** 20 },
    { name: 'cache', bytes: 2.1 * gib },
  ])
  expect(total).toBe(parts[0]!.bytes + parts[1]!.bytes)
  expect(largest?.name).toBe('blocks')
  expect(refusal).toBe(
    'needs 13.5 GiB for weights + 2.10 GiB for cache, 15.6 GiB together, on reference interpreter (plain TypeScript, for tests and reading); the device has 8 GiB free (a driver). Use a smaller model, batch or cache, or a device with more memory',
  )
})

it('refuses one tensor beyond the limit, naming it', () => {
  const device = withRoom({ largestTensor: 128 * 2 ** 20, source: 'limits' })
  expect(() => checkMemory({ weights: [{ name: 'head.weight', bytes: 525 * 2 ** 20 }] }, device)).toThrow(
    /^needs 525 MiB for weights, on .*; the largest tensor, 'head\.weight', takes 525 MiB \(550502400 bytes\), and the device holds at most 128 MiB \(134217728 bytes\) in one \(limits\)\. Use a device with a larger limit$/,
  )
  expect(checkMemory({ weights: [{ name: 'head.weight', bytes: 128 * 2 ** 20 }] }, device).refusal).toBeUndefined()
})

it('refuses nothing where nothing is known', () => {
  expect(checkMemory(need, withRoom({ source: 'nobody' })).refusal).toBeUndefined()
  expect(estimateMemory({}, withRoom({ free: 1, source: 'nobody' }))).toMatchObject({ total: 0, largest: undefined, refusal: undefined })
  const silent = referenceDevice()
  expect(checkMemory(need, Object.assign(silent, { room: undefined })).room).toBeUndefined()
})

it("knows this machine's free memory", async () => {
  const device = await resolveDevice('cpu')
  const { room } = estimateMemory({}, device)
  expect(room!.free).toBeGreaterThan(2 ** 24)
  expect(() => checkMemory({ weights: [{ name: 'all of it', bytes: 2 ** 50 }] }, device)).toThrow(
    /^needs 1024 TiB for weights, on onnxruntime .* free/,
  )
  const limited = referenceDevice({ maxBytes: 1024 })
  expect(() => checkMemory({ weights: [{ name: 'w', bytes: 1025 }] }, limited)).toThrow(/'w', takes .* at most 1 KiB/)
})

it('writes bytes for people', () => {
  expect([0, 1023, 1024, 1536, 13.5 * gib, 1000 * 2 ** 20, 2 ** 50].map(showBytes)).toEqual([
    '0 bytes',
    '1023 bytes',
    '1 KiB',
    '1.50 KiB',
    '13.5 GiB',
    '1000 MiB',
    '1024 TiB',
  ])
})

it('does not add up what is there already, and holds it against the limit all the same', () => {
  const weights = [
    { name: 'there', bytes: 4000, present: true },
    { name: 'new', bytes: 100 },
  ]
  expect(checkMemory({ weights }, withRoom({ free: 100, source: 'a driver' })).total).toBe(100)
  expect(() => checkMemory({ weights }, withRoom({ largestTensor: 3999, source: 'limits' }))).toThrow(
    /'there', takes 3\.91 KiB \(4000 bytes\)/,
  )
})

it('asks the null device for as much as it was told it has', () => {
  const weights = [{ name: 'weight', bytes: 3 * 2 ** 30 }]
  expect(estimateMemory({ weights }, nullDevice()).refusal).toBeUndefined()
  expect(estimateMemory({ weights }, nullDevice({ memory: 4 * 2 ** 30 })).refusal).toBeUndefined()
  expect(estimateMemory({ weights }, nullDevice({ memory: 2 * 2 ** 30 })).refusal).toContain('the device has 2 GiB free')
})
