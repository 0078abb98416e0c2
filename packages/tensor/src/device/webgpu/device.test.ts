/** Device 'webgpu' in Node, where the package `webgpu` and a driver are; `tests/browser` goes through the rest in Chromium. */
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest'
import { buildProgram } from '../../compile/build-program.js'
import { makeNode } from '../../graph/build.js'
import { add, mul, reduceSum } from '../../graph/primitives.js'
import type { Value } from '../../graph/node.js'
import { jit, realize, resolveDevice, sym, tensor, type Tensor } from '../../index.js'
import { buildKernel, u32 } from '../../kernel/builder.js'
import type { Kernel, KernelCaps } from '../../kernel/ir.js'
import { loseDevice, noWebGpu, webGpuOf } from '../../testing/webgpu.js'
import type { DeviceBuffer, Executable } from '../device.js'
import type { WebGpuDevice } from './device.js'
import type { WebGpuExecutable } from './executable.js'
import type { Memory } from './memory.js'
import { Pipelines } from './pipelines.js'

let missing: string | undefined
let device: WebGpuDevice
beforeAll(async () => {
  missing = await noWebGpu()
  if (missing === undefined) device = webGpuOf(await resolveDevice('webgpu'))
})
afterAll(() => device?.dispose())

const needed = ({ skip }: TestContext): void => skip(missing !== undefined, missing)

const input = (): Value => ({ node: makeNode('input', [], {}, [{ shape: [4], dtype: 'f32' }]), index: 0 })
const compile = (outputs: readonly Value[]): Promise<Executable> => device.compile(buildProgram(outputs, { keepsDuplicates: false }))
const filled = (...values: number[]): DeviceBuffer => {
  const buffer = device.alloc(values.length * 4)
  device.write(buffer, new Uint8Array(new Float32Array(values).buffer))
  return buffer
}
const values = async (buffer: DeviceBuffer): Promise<number[]> => [...new Float32Array((await device.read(buffer)).buffer)]
const outcome = (promise: Promise<unknown>): Promise<{ code?: string; message: string }> =>
  promise.then(
    () => ({ message: 'nothing was thrown' }),
    (error: { code: string; message: string }) => error,
  )

/** Counts the calls of a method while `work` runs. */
async function callsOf<Name extends string>(target: Record<Name, (...args: never[]) => unknown>, name: Name, work: () => unknown) {
  const original = target[name]
  let calls = 0
  target[name] = function (this: unknown, ...args: never[]) {
    calls++
    return original.apply(target, args)
  }
  try {
    await work()
  } finally {
    delete (target as Partial<typeof target>)[name]
  }
  return calls
}
const groupsMade = (work: () => unknown): Promise<number> => callsOf(device.gpu as never, 'createBindGroup', work)
const buffersMade = (work: () => unknown): Promise<number> => callsOf(device.gpu as never, 'createBuffer', work)

describe('replay', () => {
  it('prepares bind groups once for each combination of buffers, and drops them with their memory', async (context) => {
    needed(context)
    const [x, y] = [input(), input()]
    const program = (await compile([add(x, y), mul(x, y)])) as WebGpuExecutable
    const [a, b, c, sum, product] = [filled(1, 2, 3, 4), filled(5, 6, 7, 8), filled(1, 1, 1, 1), filled(0, 0, 0, 0), filled(0, 0, 0, 0)]
    const run = (left: DeviceBuffer, right: DeviceBuffer): unknown => device.run(program, [left, right], [sum, product], new Map())
    const { length } = program.stages
    expect(await groupsMade(() => run(a, b))).toBe(length)
    expect(await groupsMade(() => run(a, b))).toBe(0)
    expect(await values(sum)).toEqual([6, 8, 10, 12])
    expect(await groupsMade(() => run(a, c))).toBe(length)
    expect(await groupsMade(() => [run(a, b), run(a, c), run(a, b)])).toBe(0)
    expect(await values(product)).toEqual([5, 12, 21, 32])
    expect(program.prepared).toBe(2)
    // Freed memory is kept for the next tensor of its size, and so is what was prepared for it.
    device.free(c)
    expect(program.prepared).toBe(2)
    const again = filled(2, 2, 2, 2)
    expect(await groupsMade(() => run(a, again))).toBe(0)
    expect(await values(product)).toEqual([2, 4, 6, 8])
    device.free(again)
    device.room()
    expect(program.prepared).toBe(1)
    for (let i = 0; i < 20; i++) {
      const other = device.alloc(16 + 4 * i) // of sizes of its own each
      run(a, other)
      device.free(other)
    }
    expect(program.prepared).toBeLessThanOrEqual(8)
    for (const buffer of [a, b, sum, product]) device.free(buffer)
    program.dispose()
    expect(program.prepared).toBe(0)
  })

  it('writes the numbers of a program only when they changed', async (context) => {
    needed(context)
    const n = sym('n', { max: 4 })
    const f = jit((x: Tensor) => x.slice(0, 0, n).sum(), { device })
    using x = tensor([1, 2, 3, 4])
    const at = async (count: number): Promise<number> => {
      using result = await f.run([x], { symbols: new Map([[n, count]]) })
      return result.item()
    }
    expect(await at(2)).toBe(3)
    const { queue } = device.gpu
    expect(await callsOf(queue as never, 'writeBuffer', () => at(2))).toBe(0)
    expect(await callsOf(queue as never, 'writeBuffer', async () => expect(await at(4)).toBe(10))).toBe(1)
    expect(await at(0)).toBe(0)
    f.dispose()
  })

  it('copies a buffer that is given twice only where one kernel would bind it twice', async (context) => {
    needed(context)
    const [x, y] = [input(), input()]
    const apart = await compile([add(x, x), reduceSum(y, [0])])
    const together = await compile([add(x, y)])
    const a = filled(1, 2, 3, 4)
    const [first, second] = [filled(0, 0, 0, 0), filled(0, 0, 0, 0)]
    expect(await buffersMade(() => device.run(apart, [a, a], [first, second], new Map()))).toBe(0)
    expect(await values(first)).toEqual([2, 4, 6, 8])
    expect((await values(second))[0]).toBe(10)
    expect(await buffersMade(() => device.run(together, [a, a], [first], new Map()))).toBe(1)
    device.write(a, new Uint8Array(new Float32Array([10, 20, 30, 40]).buffer))
    expect(await buffersMade(() => device.run(together, [a, a], [first], new Map()))).toBe(0)
    expect(await values(first)).toEqual([20, 40, 60, 80])
    // Written in place, while the same memory is read as another input: what is read is what was there.
    const inPlace = await device.compile(buildProgram([add(x, y)], { keepsDuplicates: false, aliases: [x] }))
    device.run(inPlace, [a, a], [a], new Map())
    expect(await values(a)).toEqual([20, 40, 60, 80])
    for (const buffer of [a, first, second]) device.free(buffer)
    for (const program of [apart, together, inPlace]) program.dispose()
  })

  it('allocates nothing in a loop whose buffers come back', async (context) => {
    needed(context)
    const step = jit((x: Tensor) => x.mul(2).sum(), { device })
    using x = await tensor(new Float32Array(64)).to(device)
    const turn = async (): Promise<void> => {
      using result = await step(x)
      expect(await result.item()).toBe(0)
    }
    await turn()
    await turn()
    expect(await buffersMade(turn)).toBe(1) // the one that values are read through
    step.dispose()
  })

  it('shares pipelines by their code, and forgets failed ones', async (context) => {
    needed(context)
    const { pipelines } = device as unknown as { pipelines: { size: number } }
    const [x, y] = [input(), input()]
    const first = await compile([add(x, y)])
    const { size } = pipelines
    const second = await compile([add(input(), input())])
    expect(pipelines.size).toBe(size)
    first.dispose()
    second.dispose()
    expect(pipelines.size).toBe(size)
    const { programs } = device.memory()
    const { gpu } = device
    Object.assign(gpu, { createComputePipelineAsync: () => Promise.reject(new Error('not now')) })
    const odd = (): Value => add(mul(input(), input()), input())
    const failed = await outcome(compile([odd()]))
    expect(failed).toMatchObject({ code: 'RUNTIME', message: expect.stringMatching(/does not take kernel add: .*not now/) as unknown })
    delete (gpu as { createComputePipelineAsync?: unknown }).createComputePipelineAsync
    const third = await compile([odd()])
    third.dispose()
    expect(device.memory().programs).toBe(programs)
  })

  it('keeps few pipelines that nothing uses, and all that something does', async (context) => {
    needed(context)
    const caps = (device as unknown as { kernelCaps: KernelCaps }).kernelCaps
    const pipelines = new Pipelines(device.gpu, 'here', caps, 1)
    const kernel = (value: number): Kernel =>
      buildKernel({ name: 'fill', workgroup: [1, 1, 1] }, (b) => b.store(b.storage('out', 'u32'), u32(0), u32(value)))
    const taken = await Promise.all([1, 2, 3].map((value) => pipelines.take(kernel(value))))
    expect(pipelines.size).toBe(3)
    for (const pipeline of taken.slice(0, 2)) pipelines.release(pipeline)
    expect(pipelines.size).toBe(2)
    expect(await pipelines.take(kernel(2))).toBe(taken[1]) // the latest that was let go
    expect(await pipelines.take(kernel(1))).not.toBe(taken[0])
    expect(pipelines.size).toBe(3)
  })
})

describe('failures', () => {
  it('tells what made them to whoever uses the results, and to nobody else', async (context) => {
    needed(context)
    const [x, y] = [input(), input()]
    const program = await compile([add(x, y)])
    const [a, b, sum, more] = [filled(1, 2, 3, 4), filled(5, 6, 7, 8), filled(0, 0, 0, 0), filled(0, 0, 0, 0)]
    const bystander = filled(9, 9, 9, 9)
    // Behind the device's back, as no call of its own can.
    ;(b as unknown as { memory: Memory }).memory.blocks[0]!.buffer.destroy()
    device.run(program, [a, b], [sum], new Map())
    device.run(program, [a, sum], [more], new Map()) // a consequence
    const failure = await outcome(device.read(more))
    expect(failure.code).toBe('RUNTIME')
    expect(failure.message).toMatch(/^WebGPU, .*: the run of a program of 1 dispatch \(add\) failed: .*destroyed/s)
    expect(await outcome(device.read(sum))).toBe(failure)
    expect(() => device.run(program, [a, sum], [more], new Map())).toThrow(failure.message)
    expect(await values(bystander)).toEqual([9, 9, 9, 9])
    // Values that are all new have nothing to do with it.
    device.write(sum, new Uint8Array(new Float32Array([1, 1, 1, 1]).buffer))
    device.run(program, [a, sum], [more], new Map())
    expect(await values(more)).toEqual([2, 3, 4, 5])
    await device.sync() // it has been told
    for (const buffer of [a, sum, more, bystander]) device.free(buffer)
    device.free(b)
    device.room()
    program.dispose()
  })

  it('tells failures that nobody asked for at the next sync', async (context) => {
    needed(context)
    const program = await compile([add(input(), input())])
    const [a, b, sum] = [filled(1, 2, 3, 4), filled(5, 6, 7, 8), filled(0, 0, 0, 0)]
    ;(a as unknown as { memory: Memory }).memory.blocks[0]!.buffer.destroy()
    device.run(program, [a, b], [sum], new Map())
    expect(await outcome(device.sync())).toMatchObject({ code: 'RUNTIME' })
    await device.sync()
    for (const buffer of [a, b, sum]) device.free(buffer)
    device.room()
    program.dispose()
  })

  it('refuses a tensor that is larger than the adapter takes, with the numbers', async (context) => {
    needed(context)
    const { largestTensor } = device.room()
    expect(() => device.alloc(largestTensor + 1)).toThrow(
      new RegExp(`holds at most ${largestTensor} bytes in one tensor, and was asked for ${largestTensor + 1}`),
    )
  })
})

describe('a device that is lost', () => {
  it('rejects what waits for it, holds nothing once its tensors are disposed, and is opened anew', async (context) => {
    needed(context)
    const lost = await resolveDevice('webgpu', { threads: 1 }) // of its own
    const f = jit((x: Tensor) => x.add(1), { device: 'webgpu' })
    const x = await tensor([1, 2, 3]).to(lost)
    const y = await jit((t: Tensor) => t.mul(3), { device: lost })(x)
    const pending = [x.data(), y.data(), lost.sync(), y.add(x).data()].map(outcome)
    loseDevice(lost)
    for (const { code, message } of await Promise.all(pending)) {
      expect(code).toBe('DEVICE_LOST')
      expect(message).toMatch(/was lost \(destroyed\).*resolveDevice\('webgpu'\)/)
    }
    expect(lost.gone).toBe(true)
    expect((await outcome(f(x))).code).toBe('DEVICE_LOST')
    expect((await outcome(x.data())).code).toBe('DEVICE_LOST')
    expect(() => lost.alloc(4)).toThrow(/was lost/)
    x.dispose()
    y.dispose()
    expect(lost.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0 })
    const fresh = await resolveDevice('webgpu', { threads: 1 })
    expect(fresh).not.toBe(lost)
    using again = await tensor([1, 2, 3]).to(fresh)
    expect([...(await again.data())]).toEqual([1, 2, 3])
    f.dispose()
    await fresh.dispose()
    await lost.dispose()
  })

  it('is not what jitted functions and the default device go on with', async (context) => {
    needed(context)
    const { setDefaultDevice, defaultDevice } = await import('../default.js')
    setDefaultDevice('webgpu')
    const f = jit((x: Tensor) => x.add(1))
    const before = await defaultDevice()
    expect(before).toBe(device)
    using x = tensor([1, 2])
    expect([...(await (await f(x)).data())]).toEqual([2, 3])
    loseDevice(before)
    await outcome(before.sync())
    using y = tensor([3, 4])
    using z = await f(y)
    expect([...(await z.data())]).toEqual([4, 5])
    expect(z.device).not.toBe(before)
    device = webGpuOf(z.device!)
    setDefaultDevice(undefined)
    f.dispose()
  })

  it('fails reads under way when it is disposed only after they have what they asked for', async (context) => {
    needed(context)
    const own = await resolveDevice('webgpu', { threads: 2 })
    const x = await tensor([1, 2, 3]).to(own)
    const reading = x.data()
    await own.dispose()
    expect([...(await reading)]).toEqual([1, 2, 3])
    expect((await outcome(x.data())).code).toBe('DISPOSED')
    x.dispose()
    await realize()
  })
})
