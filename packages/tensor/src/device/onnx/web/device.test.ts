import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cacheWrite, jit, qmatmul, quantizeMatrix, referenceDevice, sym, tensor, type Device, type Tensor } from '../../../index.js'
import { fromBytes } from '../../../create.js'
import type { QuantizedWeight } from '../../../nn.js'
import type { StoredTensor } from '../../../io/stored.js'
import type { WasmDevice } from './device.js'
import { openWasmDevice } from './testing/open.js'

let device: WasmDevice
beforeAll(async () => {
  device = await openWasmDevice()
})
afterAll(() => device.dispose())

const wave = (count: number, step: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * step + 1))

/** Quantised weights [rows, columns], on a device. */
function weight(rows: number, columns: number, step: number): QuantizedWeight & { dispose: () => void } {
  const stored = quantizeMatrix('Q8_0', wave(rows * columns, step), [rows, columns])
  const tensorOf = ({ bytes, dtype, shape }: StoredTensor): Tensor => fromBytes(bytes, { dtype, shape }).freeze()
  const [packed, scales] = [tensorOf(stored.packed), tensorOf(stored.scales)]
  return { packed, scales, bits: 8, dispose: () => [packed, scales].forEach((one) => one.dispose()) }
}

/** Two layers of a sort, alike but for their weights, and a cache that is written in place. */
async function run(
  on: Device,
  rows: number,
  position: number,
  quantizedInputs: 'rounded' | 'f32' = 'rounded',
): Promise<{ y: Float32Array; cache: Float32Array; programs: number }> {
  const at = sym('position', { max: 8 })
  const layers = [0.7, 0.9].map((step) => ({ up: weight(96, 64, step), down: weight(64, 96, step + 0.1) }))
  const step = jit(
    (cache: Tensor, x: Tensor) => {
      let y = x
      for (const { up, down } of layers) y = y.add(qmatmul(qmatmul(y, up).silu(), down).mul(0.01))
      return { y, cache: cacheWrite(cache, y.reshape(1, 1, rows, 64), at) }
    },
    { donate: [0], device: on, quantizedInputs },
  )
  const cache = tensor(new Float32Array(8 * 64), { shape: [1, 1, 8, 64] })
  using x = tensor(wave(rows * 64, 0.3), { shape: [rows, 64] })
  const result = await step.run([cache, x], { symbols: new Map([[at, position]]) })
  const found = {
    y: (await result.y.data()) as Float32Array,
    cache: (await result.cache.data()) as Float32Array,
    programs: on.memory().programs,
  }
  for (const one of [result.y, result.cache]) one.dispose()
  step.dispose()
  for (const { up, down } of layers) [up, down].forEach((one) => one.dispose())
  return found
}

describe('the device of pages', () => {
  it.each(['rounded', 'f32'] as const)('multiplies as many rows as a call has, in one program; inputs %s', async (quantizedInputs) => {
    const rows = sym('rows', { max: 9 })
    const found = async (on: Device): Promise<{ values: number[][]; programs: number }> => {
      const [up, down] = [weight(96, 64, 0.7), weight(64, 96, 0.8)]
      const layer = jit((x: Tensor) => qmatmul(qmatmul(x, up).silu(), down), { device: on, quantizedInputs })
      const before = on.memory().programs
      const values: number[][] = []
      for (const count of [1, 9, 4, 1]) {
        using x = tensor(wave(count * 64, 0.3), { shape: [count, 64] })
        using y = await layer(x.symbolic(0, rows))
        values.push(Array.from(await y.data()))
      }
      const programs = on.memory().programs - before
      layer.dispose()
      for (const one of [up, down]) one.dispose()
      return { values, programs }
    }
    const [ours, exact] = [await found(device), await found(referenceDevice())]
    expect(ours.programs).toBe(1)
    ours.values.forEach((row, i) => {
      expect(row).toHaveLength([1, 9, 4, 1][i]! * 64)
      const spread = Math.max(...exact.values[i]!.map(Math.abs))
      row.forEach((value, at) =>
        expect(Math.abs(value - exact.values[i]![at]!) / spread).toBeLessThan(quantizedInputs === 'f32' ? 3e-4 : 0.02),
      )
    })
    expect(ours.values[3]).toEqual(ours.values[0])
  })

  it.each([1, 6])(
    'multiplies %i rows with quantised weights between what ONNX Runtime computes, and writes caches in place',
    async (rows) => {
      const [found, expected] = [await run(device, rows, 2), await run(referenceDevice(), rows, 2)]
      const far = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
      expect(far(found.y, expected.y)).toBeLessThan(0.02)
      expect(far(found.cache, expected.cache)).toBeLessThan(0.02)
      expect(found.cache.subarray(2 * 64, 3 * 64)).toEqual(found.y.subarray(0, 64))
      expect(found.cache.subarray(0, 128).every((value) => value === 0)).toBe(true)
      expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0, programs: 0 })
    },
  )

  it('takes inputs in 16 bits where they are not to be rounded', async () => {
    const [found, expected] = [await run(device, 3, 0, 'f32'), await run(referenceDevice(), 3, 0)]
    expect(Math.max(...found.y.map((value, i) => Math.abs(value - expected.y[i]!)))).toBeLessThan(1e-4)
  })

  it('says what is too large, and what is gone', async () => {
    expect(() => device.alloc(2 ** 33)).toThrow('WebAssembly addresses 4 GiB')
    const buffer = device.alloc(64)
    device.write(buffer, Uint8Array.of(1, 2, 3))
    expect([...(await device.read(buffer, 3))]).toEqual([1, 2, 3])
    expect(() => device.write(buffer, new Uint8Array(65))).toThrow('do not fit')
    device.free(buffer)
    expect(() => device.free(buffer)).toThrow('freed before')
    await expect(device.read(buffer)).rejects.toMatchObject({ code: 'DISPOSED' })
  })

  it('ends a run with its signal', async () => {
    const double = jit((x: Tensor) => x.mul(2), { device })
    using x = tensor([1, 2])
    await expect(double.run([x], { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    double.dispose()
  })
})
