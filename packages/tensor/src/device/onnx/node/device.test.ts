import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { computeArray, decodeStorage, encodeStorage, type DType } from '../../../dtype.js'
import { TensorError } from '../../../errors.js'
import { sym } from '../../../shape.js'
import type { DeviceBuffer, Executable } from '../../device.js'
import { handmade, type Handmade } from '../testing/handmade.js'
import { openOnnxDevice, type Emitter, type OnnxDevice } from './device.js'

/** The models of these tests are written by hand. */
const noEmitter: Emitter = {
  emitModel: () => {
    throw new Error('not used here')
  },
  supportsNatively: () => false,
}

let device: OnnxDevice
beforeAll(async () => {
  device = await openOnnxDevice(noEmitter)
})
afterAll(() => device.dispose())

const none = new Map()
const bytesOf = (dtype: DType, list: readonly number[]): Uint8Array => {
  const array = computeArray(dtype, list.length)
  array.set(list)
  return encodeStorage(dtype, array)
}
const f32 = (values: readonly number[]): Uint8Array => bytesOf('f32', values)
const buffer = (bytes: Uint8Array, on: OnnxDevice = device): DeviceBuffer => {
  const made = on.alloc(bytes.byteLength)
  on.write(made, bytes)
  return made
}
const values = async (from: DeviceBuffer, dtype: DType = 'f32', bytes?: number): Promise<number[]> =>
  Array.from(decodeStorage(dtype, await device.read(from, bytes)))
const load = (spec: Handmade, on: OnnxDevice = device): Promise<Executable> => {
  const { program, model } = handmade(spec)
  return on.load(program, model)
}
const add: Handmade = {
  inputs: [
    { name: 'a', shape: [3] },
    { name: 'b', shape: [3] },
  ],
  outputs: [{ name: 'c', shape: [3] }],
  nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['c'] }],
}
/** A chain of matrix products that takes a while, in many nodes so that it can be stopped between them. */
const slow = (nodes: number, width = 256): Handmade => ({
  inputs: [{ name: 'x0', shape: [width, width] }],
  outputs: [{ name: `x${nodes}`, shape: [width, width] }],
  nodes: Array.from({ length: nodes }, (_, i) => ({ op: 'MatMul', inputs: [`x${i}`, 'x0'], outputs: [`x${i + 1}`] })),
})

describe('runs', () => {
  it('computes, and goes on the calling thread once it knows the program is short', async () => {
    const executable = await load(add)
    const inputs = [buffer(f32([1, 2, 3])), buffer(f32([10, 20, 30]))]
    const out = device.alloc(12)
    const first = device.run(executable, inputs, [out], none)
    expect(first).toBeInstanceOf(Promise)
    await first
    expect(await values(out)).toEqual([11, 22, 33])
    let sync = 0
    for (let i = 0; i < 20; i++) {
      const running = device.run(executable, inputs, [out], none)
      if (running === undefined) sync++
      else await running
    }
    expect(sync).toBeGreaterThan(10)
    expect(device.run(executable, inputs, [out], none, { async: true })).toBeInstanceOf(Promise)
    await device.sync()
    executable.dispose()
    for (const each of [...inputs, out]) device.free(each)
  })

  it('writes an aliased output into its input', async () => {
    const executable = await load({
      inputs: [
        { name: 'cache', shape: [4, 2] },
        { name: 'at', shape: [1, 1], dtype: 'i32' },
        { name: 'row', shape: [1, 2] },
      ],
      outputs: [{ name: 'next', shape: [4, 2], alias: 0 }],
      nodes: [
        { op: 'Cast', inputs: ['at'], outputs: ['at64'], ints: { to: 7 } },
        { op: 'ScatterND', inputs: ['cache', 'at64', 'row'], outputs: ['next'] },
      ],
    })
    const cache = buffer(f32([0, 0, 0, 0, 0, 0, 0, 0]))
    const row = buffer(f32([5, 6]))
    const at = buffer(bytesOf('i32', [2]))
    await device.run(executable, [cache, at, row], [cache], none)
    expect(await values(cache)).toEqual([0, 0, 0, 0, 5, 6, 0, 0])
    device.write(at, new Uint8Array(Int32Array.of(1).buffer))
    await device.run(executable, [cache, at, row], [cache], none)
    expect(await values(cache)).toEqual([0, 0, 5, 6, 5, 6, 0, 0])
    executable.dispose()
    for (const each of [cache, row, at]) device.free(each)
  })

  it('keeps order: what is queued behind a long run sees its result', async () => {
    const long = await load(slow(12))
    const short = await load({
      inputs: [{ name: 'x', shape: [256, 256] }],
      outputs: [{ name: 'y', shape: [256, 256] }],
      nodes: [{ op: 'Neg', inputs: ['x'], outputs: ['y'] }],
    })
    const identity = new Float32Array(256 * 256)
    for (let i = 0; i < 256; i++) identity[i * 257] = 1
    const x = buffer(new Uint8Array(identity.buffer))
    const y = device.alloc(x.bytes)
    const z = device.alloc(x.bytes)
    const order: string[] = []
    const running = device.run(long, [x], [y], none, { async: true })
    const after = device.run(short, [y], [z], none)
    expect(after).toBeInstanceOf(Promise)
    const overwritten = new Uint8Array(x.bytes).fill(0)
    device.write(x, overwritten)
    overwritten.fill(255) // the device keeps a copy of its own
    device.free(y) // ordered after the runs above
    void (running as Promise<void>).then(() => order.push('long'))
    void (after as Promise<void>).then(() => order.push('short'))
    const read = (await values(z)).slice(0, 3)
    expect(order).toEqual(['long', 'short'])
    expect(read).toEqual([-1, -0, -0])
    expect((await values(x)).every((value) => value === 0)).toBe(true)
    for (const each of [x, z]) device.free(each)
    long.dispose()
    short.dispose()
  })

  it('keeps the event loop alive during a run on another thread', async () => {
    const executable = await load(slow(40, 384))
    const x = buffer(new Uint8Array(384 * 384 * 4))
    const out = device.alloc(x.bytes)
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    await device.run(executable, [x], [out], none, { async: true })
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(2)
    executable.dispose()
    device.free(x)
    device.free(out)
  })

  it('takes every storage dtype', async () => {
    for (const dtype of device.caps.dtypes) {
      const executable = await load({
        inputs: [{ name: 'x', shape: [2, 2], dtype }],
        outputs: [{ name: 'y', shape: [2, 2], dtype }],
        nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
      })
      const x = buffer(bytesOf(dtype, [1, 0, 1, 1]))
      const y = device.alloc(x.bytes)
      await device.run(executable, [x], [y], none)
      expect(await values(y, dtype), dtype).toEqual([1, 0, 1, 1])
      executable.dispose()
      device.free(x)
      device.free(y)
    }
  })

  it('takes tensors without elements, scalars, and inputs that the graph does not use', async () => {
    const executable = await load({
      inputs: [
        { name: 'empty', shape: [0, 3] },
        { name: 'unused', shape: [5], unused: true },
        { name: 'scalar', shape: [] },
      ],
      outputs: [
        { name: 'same', shape: [0, 3] },
        { name: 'sum', shape: [] },
      ],
      nodes: [
        { op: 'Neg', inputs: ['empty'], outputs: ['same'] },
        { op: 'ReduceSum', inputs: ['same'], outputs: ['zero'], ints: { keepdims: 0 } },
        { op: 'Add', inputs: ['zero', 'scalar'], outputs: ['sum'] },
      ],
    })
    const empty = device.alloc(0)
    const unused = device.alloc(20)
    const scalar = buffer(f32([7]))
    const same = device.alloc(0)
    const sum = device.alloc(4)
    await device.run(executable, [empty, unused, scalar], [same, sum], none)
    expect(await values(sum)).toEqual([7])
    expect(await device.read(same)).toHaveLength(0)
    executable.dispose()
    for (const each of [empty, unused, scalar, same, sum]) device.free(each)
  })
})

describe('compiling', () => {
  it('takes hundreds of programs at once', async () => {
    const programs = await Promise.all(Array.from({ length: 400 }, () => load(add)))
    expect(device.memory().programs).toBeGreaterThanOrEqual(400)
    for (const each of programs) each.dispose()
  })
})

describe('symbols', () => {
  const n = sym('n', { max: 6 })
  const spec: Handmade = {
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
  }
  it('gives shapes and scalars their value, compactly, at 0, 1 and the maximum', async () => {
    const executable = await load(spec)
    const x = buffer(f32([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]))
    const y = device.alloc(48)
    const count = device.alloc(4)
    for (const value of [3, 0, 1, 6, 2, 4, 5, 6, 3, 0, 1, 2, 3, 4, 5, 6]) {
      device.write(y, new Uint8Array(48))
      await device.run(executable, [x], [y, count], new Map([[n, value]]))
      expect(await values(count, 'i32')).toEqual([value])
      expect(await values(y)).toEqual(Array.from({ length: 12 }, (_, i) => (i < 2 * value ? 2 * (i + 1) : 0)))
    }
    executable.dispose()
    for (const each of [x, y, count]) device.free(each)
  })
  it('refuses a value that is missing or out of range', async () => {
    const executable = await load(spec)
    const x = device.alloc(48)
    const y = device.alloc(48)
    const count = device.alloc(4)
    expect(() => device.run(executable, [x], [y, count], none)).toThrow(/symbol 'n' has no value/)
    for (const bad of [-1, 7, 1.5]) expect(() => device.run(executable, [x], [y, count], new Map([[n, bad]]))).toThrow(/from 0 to 6/)
    executable.dispose()
    for (const each of [x, y, count]) device.free(each)
  })
})

describe('stopping', () => {
  it('aborts a run under way and settles once ONNX Runtime has returned', async () => {
    const executable = await load(slow(400, 256))
    const x = buffer(new Uint8Array(256 * 256 * 4))
    const out = device.alloc(x.bytes)
    const controller = new AbortController()
    const running = device.run(executable, [x], [out], none, { signal: controller.signal })
    setTimeout(() => controller.abort(), 5)
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' })
    // The terminate flag is cleared: the next run with a signal is whole.
    await device.run(executable, [x], [out], none, { signal: new AbortController().signal })
    expect(() => device.run(executable, [x], [out], none, { signal: AbortSignal.abort() })).toThrow(
      expect.objectContaining({ code: 'ABORTED' }) as Error,
    )
    executable.dispose()
    device.free(x)
    device.free(out)
  })

  it('a run aborted while it waits never starts', async () => {
    const executable = await load(slow(60))
    const x = buffer(new Uint8Array(256 * 256 * 4).fill(0))
    const out = device.alloc(x.bytes)
    device.write(out, new Uint8Array(x.bytes).fill(1))
    const controller = new AbortController()
    const other = device.alloc(x.bytes)
    const first = device.run(executable, [x], [other], none, { async: true })
    const second = device.run(executable, [x], [out], none, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await first
    await expect(second).rejects.toMatchObject({ code: 'ABORTED', cause: new Error('enough') })
    expect((await device.read(out))[0]).toBe(1)
    executable.dispose()
    for (const each of [x, out, other]) device.free(each)
  })

  it('a program disposed during its run ends the run first', async () => {
    const executable = await load(slow(40))
    const x = buffer(new Uint8Array(256 * 256 * 4))
    const out = device.alloc(x.bytes)
    const programs = device.memory().programs
    const running = device.run(executable, [x], [out], none, { async: true })
    executable.dispose()
    executable.dispose()
    expect(device.memory().programs).toBe(programs)
    expect(() => device.run(executable, [x], [out], none)).toThrow(expect.objectContaining({ code: 'DISPOSED' }) as Error)
    await running
    expect(device.memory().programs).toBe(programs - 1)
    device.free(x)
    device.free(out)
  })

  it('a device disposed during a run waits for it', async () => {
    const own = await openOnnxDevice(noEmitter)
    const executable = await load(slow(30), own)
    const x = buffer(new Uint8Array(256 * 256 * 4), own)
    const out = own.alloc(x.bytes)
    let ended = false
    const running = (own.run(executable, [x], [out], none, { async: true }) as Promise<void>).then(() => (ended = true))
    const gone = own.dispose()
    expect(() => own.alloc(4)).toThrow(expect.objectContaining({ code: 'DISPOSED' }) as Error)
    await gone
    await running
    expect(ended).toBe(true)
    expect(own.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0, programs: 0 })
    await own.dispose()
  })

  it('a failing run reports what ONNX Runtime said and leaves the queue going', async () => {
    const n = sym('n', { max: 4 })
    const executable = await load({
      inputs: [
        { name: 'a', shape: [n] },
        { name: 'b', shape: [3] },
      ],
      outputs: [{ name: 'c', shape: [3] }],
      nodes: [{ op: 'Add', inputs: ['a', 'b'], outputs: ['c'] }],
    })
    const a = buffer(f32([1, 2, 3, 4]))
    const b = buffer(f32([1, 2, 3]))
    const c = device.alloc(12)
    await expect(device.run(executable, [a, b], [c], new Map([[n, 4]]))).rejects.toMatchObject({ code: 'RUNTIME' })
    await device.run(executable, [a, b], [c], new Map([[n, 3]]))
    expect(await values(c)).toEqual([2, 4, 6])
    const broken = handmade({ ...add, nodes: [{ op: 'NoSuchOperator', inputs: ['a', 'b'], outputs: ['c'] }] })
    await expect(device.load(broken.program, broken.model)).rejects.toThrow(/NoSuchOperator/)
    executable.dispose()
    for (const each of [a, b, c]) device.free(each)
  })
})

describe('memory', () => {
  it('stays constant over 1,000 runs with fresh outputs', async () => {
    const executable = await load(add)
    const a = buffer(f32([1, 2, 3]))
    const b = buffer(f32([1, 1, 1]))
    const before = device.memory()
    let previous = device.alloc(12)
    for (let i = 0; i < 1000; i++) {
      const next = device.alloc(12)
      await device.run(executable, [i === 0 ? a : previous, b], [next], none)
      device.free(previous)
      previous = next
    }
    expect(await values(previous)).toEqual([1000, 1001, 1002].map((value) => value + 1))
    device.free(previous)
    expect(device.memory()).toEqual({ ...before, peakBytes: expect.any(Number) as number })
    executable.dispose()
    device.free(a)
    device.free(b)
  })

  it('refuses freed buffers, double frees, buffers of another device and sizes that do not fit', async () => {
    const executable = await load(add)
    const a = buffer(f32([1, 2, 3]))
    const small = device.alloc(4)
    const big = device.alloc(4096)
    device.free(big)
    expect(() => device.free(big)).toThrow(expect.objectContaining({ code: 'DISPOSED' }) as Error)
    expect(() => device.run(executable, [a, big], [a], none)).toThrow(/freed/)
    expect(() => device.run(executable, [a], [a], none)).toThrow(/2 inputs/)
    expect(() => device.write(small, new Uint8Array(5))).toThrow(/do not fit/)
    await expect(device.read(small, 5)).rejects.toThrow(/read/)
    await expect(device.read(big)).rejects.toThrow(/freed/)
    expect(() => device.alloc(-1)).toThrow(TensorError)
    const other = await openOnnxDevice(noEmitter)
    const foreign = other.alloc(12)
    expect(() => device.run(executable, [a, foreign], [a], none)).toThrow(expect.objectContaining({ code: 'DEVICE' }) as Error)
    await other.dispose()
    executable.dispose()
    device.free(a)
    device.free(small)
  })

  it('aligns every block to 64 bytes and reuses freed memory', () => {
    const first = device.alloc(1000)
    const { block } = first
    expect(block!.address % 64).toBe(0)
    device.free(first)
    const second = device.alloc(990)
    expect(second.block).toBe(block)
    device.free(second)
    const large = device.alloc(3_000_000)
    expect(large.block!.address % 64).toBe(0)
    device.free(large)
  })
})

describe('frozen weights', () => {
  const product = (weight: DeviceBuffer, rows: number): Handmade => ({
    inputs: [
      { name: 'x', shape: [rows, 64] },
      { name: 'w', shape: [64, 64], frozen: weight },
    ],
    outputs: [{ name: 'y', shape: [rows, 64] }],
    nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
  })
  it('are shared by programs, cannot be written, and live until the last program has gone', async () => {
    const before = device.memory()
    const weight = buffer(f32(Array.from({ length: 64 * 64 }, (_, i) => (i % 65 === 0 ? 2 : 0))))
    const [one, four] = await Promise.all([load(product(weight, 1)), load(product(weight, 4))])
    expect(() => device.write(weight, new Uint8Array(4))).toThrow(/frozen/)
    const x = buffer(f32(Array.from({ length: 256 }, (_, i) => i)))
    const y = device.alloc(1024)
    await device.run(four!, [x, weight], [y], none)
    expect((await values(y)).slice(60, 66)).toEqual([120, 122, 124, 126, 128, 130])
    one!.dispose()
    await device.run(four!, [x, weight], [y], none)
    expect((await values(y))[255]).toBe(510)
    device.free(weight)
    expect(device.memory().liveBytes).toBe(before.liveBytes + 64 * 64 * 4 + 2048)
    four!.dispose()
    device.free(x)
    device.free(y)
    expect(device.memory()).toEqual({ ...before, peakBytes: expect.any(Number) as number })
  })
})

describe('profiles', () => {
  it('reports time per node under our op names and computes all the same', async () => {
    const executable = await load({ ...add, nodes: [{ ...add.nodes[0]!, name: 'node0' }] })
    const a = buffer(f32([1, 2, 3]))
    const out = device.alloc(12)
    const entries: { name: string; detail: string; ms: number }[] = []
    await device.run(executable, [a, a], [out], none, { profile: (entry) => entries.push(entry) })
    expect(await values(out)).toEqual([2, 4, 6])
    expect(entries).toEqual([{ name: 'add', detail: 'Add node0', ms: expect.any(Number) as number }])
    executable.dispose()
    device.free(a)
    device.free(out)
  })
})
