import { afterAll, describe, expect, it } from 'vitest'
import { computeArray, decodeStorage, encodeStorage, type DType } from '../../../dtype.js'
import { sym } from '../../../shape.js'
import type { Device, DeviceBuffer, Executable } from '../../device.js'
import { handmade, type Handmade } from '../testing/handmade.js'
import { bindingDevice, wasmThreads } from './device.js'
import type { OrtModule } from './module.js'

const noEmitter = {
  emitModel: () => {
    throw new Error('not used here')
  },
  supportsNatively: () => false,
}
const web = (await import('onnxruntime-web')) as unknown as OrtModule
const node = (await import('onnxruntime-node')) as unknown as OrtModule

type Loader = Device & { load(program: unknown, model: unknown): Promise<Executable> }

describe.each([
  ['onnxruntime-web in Node', bindingDevice(web, noEmitter, { target: 'web', threads: 2 }) as Loader],
  ['onnxruntime-node', bindingDevice(node, noEmitter, { target: 'node', threads: 2 }) as Loader],
])('%s', (_, device) => {
  afterAll(() => device.dispose())
  const bytesOf = (dtype: DType, list: readonly number[]): Uint8Array => {
    const array = computeArray(dtype, list.length)
    array.set(list)
    return encodeStorage(dtype, array)
  }
  const buffer = (dtype: DType, list: readonly number[]): DeviceBuffer => {
    const bytes = bytesOf(dtype, list)
    const made = device.alloc(bytes.byteLength)
    device.write(made, bytes)
    return made
  }
  const values = async (from: DeviceBuffer, dtype: DType = 'f32'): Promise<number[]> =>
    Array.from(decodeStorage(dtype, await device.read(from)))
  const load = (spec: Handmade): Promise<Executable> => {
    const { program, model } = handmade(spec)
    return device.load(program, model)
  }
  const none = new Map()

  it('runs in order, copies results out and keeps the inputs', async () => {
    const executable = await load({
      inputs: [
        { name: 'a', shape: [2] },
        { name: 'b', shape: [2] },
      ],
      outputs: [{ name: 'c', shape: [2] }],
      nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['c'] }],
    })
    const a = buffer('f32', [1, 2])
    const c = device.alloc(8)
    const first = device.run(executable, [a, a], [c], none)
    const second = device.run(executable, [c, a], [c], none)
    device.write(a, bytesOf('f32', [9, 9]))
    await Promise.all([first, second])
    expect(await values(c)).toEqual([3, 6])
    expect(await values(a)).toEqual([9, 9])
    executable.dispose()
    device.free(a)
    device.free(c)
  })

  it('takes every storage dtype, and refuses bf16 by name', async () => {
    for (const dtype of device.caps.dtypes) {
      const executable = await load({
        inputs: [{ name: 'x', shape: [3], dtype }],
        outputs: [{ name: 'y', shape: [3], dtype }],
        nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      })
      const x = buffer(dtype, [1, 0, 1])
      const y = device.alloc(x.bytes)
      await device.run(executable, [x], [y], none)
      expect(await values(y, dtype), dtype).toEqual([1, 0, 1])
      executable.dispose()
      device.free(x)
      device.free(y)
    }
    expect(device.caps.dtypes).not.toContain('bf16')
    const { program } = handmade({
      inputs: [{ name: 'x', shape: [3], dtype: 'bf16' }],
      outputs: [{ name: 'y', shape: [3], dtype: 'bf16' }],
      nodes: [],
    })
    await expect(device.compile(program)).rejects.toMatchObject({ code: 'DTYPE' })
  })

  it('gives symbols their value, at 0, 1 and the maximum, and takes tensors without elements', async () => {
    const n = sym('n', { max: 4 })
    const executable = await load({
      inputs: [{ name: 'x', shape: [n, 2] }],
      outputs: [
        { name: 'y', shape: [n, 2] },
        { name: 'count', shape: [1], dtype: 'i32' },
      ],
      nodes: [
        { op: 'Add', inputs: ['x', 'x'], outputs: ['y'] },
        { op: 'Cast', inputs: ['n'], outputs: ['count'], ints: { to: 6 } },
      ],
      symbolInputs: { n },
    })
    const x = buffer('f32', [1, 2, 3, 4, 5, 6, 7, 8])
    const y = device.alloc(32)
    const count = device.alloc(4)
    for (const value of [2, 0, 1, 4]) {
      device.write(y, new Uint8Array(32))
      await device.run(executable, [x], [y, count], new Map([[n, value]]))
      expect(await values(count, 'i32')).toEqual([value])
      expect(await values(y)).toEqual(Array.from({ length: 8 }, (_, i) => (i < 2 * value ? 2 * (i + 1) : 0)))
    }
    expect(() => device.run(executable, [x], [y, count], new Map([[n, 5]]))).toThrow(/from 0 to 4/)
    executable.dispose()
    for (const each of [x, y, count]) device.free(each)
  })

  it('gives frozen weights as initializers, small and large, and lets nobody write them', async () => {
    const large = buffer(
      'f32',
      Array.from({ length: 1024 }, (_, i) => (i % 33 === 0 ? 3 : 0)),
    )
    const small = buffer('f32', [0.5])
    const executable = await load({
      inputs: [
        { name: 'x', shape: [1, 32] },
        { name: 'w', shape: [32, 32], frozen: large },
        { name: 's', shape: [1], frozen: small },
      ],
      outputs: [{ name: 'y', shape: [1, 32] }],
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['xw'] },
        { op: 'Add', inputs: ['xw', 's'], outputs: ['y'] },
      ],
    })
    expect(() => device.write(large, new Uint8Array(4))).toThrow(/frozen/)
    const x = buffer(
      'f32',
      Array.from({ length: 32 }, (_, i) => i),
    )
    const y = device.alloc(128)
    await device.run(executable, [x, large, small], [y], none)
    expect((await values(y)).slice(0, 3)).toEqual([0.5, 3.5, 6.5])
    executable.dispose()
    device.write(large, new Uint8Array(4))
    for (const each of [large, small, x, y]) device.free(each)
  })

  it('reports aborts, failures, one time per run, and constant memory', async () => {
    const executable = await load({
      inputs: [{ name: 'x', shape: [2] }],
      outputs: [{ name: 'y', shape: [2] }],
      nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
    })
    const x = buffer('f32', [1, 2])
    const before = device.memory()
    for (let i = 0; i < 50; i++) {
      const y = device.alloc(8)
      await device.run(executable, [x], [y], none)
      device.free(y)
    }
    expect(device.memory()).toEqual({ ...before, peakBytes: expect.any(Number) as number })
    const y = device.alloc(8)
    const controller = new AbortController()
    const running = device.run(executable, [x], [y], none, { signal: controller.signal })
    controller.abort()
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    expect(() => device.run(executable, [x], [y], none, { signal: controller.signal })).toThrow(/aborted/)
    const names: string[] = []
    await device.run(executable, [x], [y], none, { profile: ({ name }) => names.push(name) })
    expect(names).toEqual(['program'])
    const running2 = device.run(executable, [x], [y], none)
    executable.dispose()
    await running2
    expect(() => device.run(executable, [x], [y], none)).toThrow(/disposed/)
    await expect(
      load({
        inputs: [{ name: 'x', shape: [2] }],
        outputs: [{ name: 'y', shape: [2] }],
        nodes: [{ op: 'NoSuch', inputs: ['x'], outputs: ['y'] }],
      }),
    ).rejects.toMatchObject({ code: 'RUNTIME' })
    device.free(x)
    device.free(y)
    expect(() => device.free(y)).toThrow(/freed/)
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0, programs: 0 })
  })
})

describe('wasmThreads', () => {
  it('is at least one and follows what was asked where memory can be shared', () => {
    expect(wasmThreads(3)).toBe(3)
    expect(wasmThreads(undefined)).toBeGreaterThan(0)
  })
})
