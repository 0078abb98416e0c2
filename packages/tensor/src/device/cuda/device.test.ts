/** What the device makes of calls of the driver: order, memory, replay, failures. The driver is the emulator of the tests, and what it computes is looked at too. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildProgram } from '../../compile/build-program.js'
import type { Program } from '../../compile/program.js'
import { cumsum, flip, sub } from '../../graph/primitives.js'
import { jit, setDebug, sym, tensor, type Tensor } from '../../index.js'
import { placeholder } from '../../testing/evaluate.js'
import { isUnstarted, type DeviceBuffer, type Executable } from '../device.js'
import { openCuda, type CudaDevice } from './device.js'
import { deviceAttribute } from './driver.js'
import { emulatedDriver } from './testing/driver.js'
import { recorded, type Recorded } from './testing/recorded.js'

let record: Recorded
let device: CudaDevice
beforeEach(async () => {
  record = recorded(emulatedDriver())
  device = openCuda(record.driver)
  record.calls()
})
afterEach(async () => {
  setDebug(0)
  const lost = device.gone
  await device.dispose()
  const held = record.held()
  if (!lost && held.length > 0) throw new Error(`left with the driver: ${held.join(', ')}`)
})

const ramp = (shape: readonly number[], step = 0.7): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * step + 1)),
    { shape },
  )
const times = (calls: readonly string[], name: string): number => calls.filter((call) => call === name).length
/** Several kernels. */
const chain = (x: Tensor): Tensor => x.sum(1).exp().sum(0).add(x.max(1).sum(0))

describe('opening', () => {
  it('says what it is', () => {
    expect(device.name).toBe('cuda')
    expect(device.description).toMatch(/^.+, compute capability \d\.\d, \d+\.\d GiB \(.+\)$/)
    expect(device.caps.dtypes).not.toContain('f64')
  })
  it.each([
    ['deviceCount', 0, /gives no device: it shows no GPU \(is CUDA_VISIBLE_DEVICES set to none\?\)\. Use device 'webgpu' or 'cpu'/],
    ['deviceAttribute', 5, /has compute capability 5\.5, and 7\.5 \(Turing\) or newer is needed/],
  ] as const)('refuses what %s gives as %d', async (name, value, message) => {
    const own = recorded(emulatedDriver())
    const driver = new Proxy(own.driver, {
      get: (target, key) => (key === name ? () => value : (target as unknown as Record<string | symbol, unknown>)[key]),
    })
    expect(() => openCuda(driver)).toThrow(
      expect.objectContaining({ code: 'DEVICE', message: expect.stringMatching(message) as string }) as Error,
    )
    expect(own.held()).toEqual([])
  })
  it('refuses devices without a pool of memory, and lets go of what it had when a call fails', async () => {
    const own = recorded(emulatedDriver())
    const poor = new Proxy(own.driver, {
      get: (target, key) =>
        key === 'deviceAttribute'
          ? (which: number) => (which === deviceAttribute.memoryPoolsSupported ? 0 : 9)
          : (target as unknown as Record<string | symbol, unknown>)[key],
    })
    expect(() => openCuda(poor)).toThrow(/has no pool of memory/)
    for (const [name, status, message] of [
      ['init', 100, /gives no device: init \(as told\) failed.*\. Use device 'webgpu' or 'cpu'/],
      ['streamCreate', 999, /gives no device: streamCreate .*\. Use device 'webgpu' or 'cpu'/],
    ] as const) {
      const failing = recorded(emulatedDriver())
      failing.fail(name, status)
      expect(() => openCuda(failing.driver)).toThrow(
        expect.objectContaining({ code: 'DEVICE', message: expect.stringMatching(message) as string }) as Error,
      )
      expect(failing.held()).toEqual([])
    }
  })
})

describe('memory', () => {
  it('keeps bytes of any number, larger than a piece too, as they were when they were written', async () => {
    for (const length of [0, 1, 3, 4, 4097, 4 * 1024 * 1024 + 3]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) % 251)
      const buffer = device.alloc(length)
      device.write(buffer, bytes)
      const reading = device.read(buffer)
      const part = device.read(buffer, Math.min(2, length))
      bytes.fill(0)
      device.write(buffer, bytes) // behind the reads
      device.free(buffer)
      const found = await reading
      expect(found.length).toBe(length)
      expect(found.every((byte, i) => byte === (i * 31) % 251)).toBe(true)
      expect(await part).toEqual(found.subarray(0, 2))
    }
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0, peakBytes: 4 * 1024 * 1024 + 3 })
  })
  it('tells how much there is', () => {
    const before = device.room().free
    const buffer = device.alloc(1 << 20)
    expect(device.room()).toEqual({ free: before - (1 << 20), source: 'cuMemGetInfo' })
    device.free(buffer)
  })
  it('uses pinned memory again', async () => {
    const buffer = device.alloc(100)
    for (let i = 0; i < 20; i++) {
      device.write(buffer, new Uint8Array(100).fill(i))
      expect((await device.read(buffer))[99]).toBe(i)
    }
    expect(times(record.calls(), 'hostAlloc')).toBeLessThanOrEqual(2)
    device.free(buffer)
  })
  it('refuses what does not fit, what was freed, and what is not its own', async () => {
    const buffer = device.alloc(8)
    expect(() => device.write(buffer, new Uint8Array(9))).toThrow(expect.objectContaining({ code: 'VALUE' }) as Error)
    await expect(device.read(buffer, 9)).rejects.toMatchObject({ code: 'VALUE' })
    device.free(buffer)
    expect(() => device.free(buffer)).toThrow(expect.objectContaining({ code: 'DISPOSED' }) as Error)
    await expect(device.read(buffer)).rejects.toMatchObject({ code: 'DISPOSED' })
    const other = openCuda(recorded(emulatedDriver()).driver)
    const foreign = other.alloc(4)
    expect(() => device.write(foreign, new Uint8Array(4))).toThrow(expect.objectContaining({ code: 'DEVICE' }) as Error)
    await other.dispose()
  })
  it('gives back what it keeps for speed before it says that there is no more', async () => {
    using x = await ramp([8, 8]).realize({ device })
    using first = await chain(x).realize({ device })
    record.fail('allocAsync', 2)
    const again = device.alloc(1000)
    expect(record.calls()).toEqual(expect.arrayContaining(['streamSynchronize', 'hostFree']))
    record.fail('allocAsync', 2, { times: 2 })
    expect(() => device.alloc(1 << 20)).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(
          /was asked for 1048576 bytes; \d+ of \d+ are free, and this process holds \d+ in tensors\. Free tensors/,
        ) as string,
      }) as Error,
    )
    device.free(again)
    using second = await chain(x).realize({ device })
    expect(await second.data()).toEqual(await first.data())
  })
})

describe('runs', () => {
  /** Three kernels: sums along the axes of a 4x4 matrix, one after another. */
  const sums = (): Program =>
    buildProgram([cumsum(cumsum(cumsum(placeholder({ shape: [4, 4], dtype: 'f32' }), 0), 1), 0)], { keepsDuplicates: false })
  const expected = (value: number): number[] =>
    Array.from({ length: 16 }, (_, i) => (value * (((i >> 2) + 1) * ((i >> 2) + 2) * ((i & 3) + 1))) / 2)
  /** What became of a run of ones times `value`. */
  const runOnce = async (executable: Executable, x: DeviceBuffer, y: DeviceBuffer, value: number): Promise<string> => {
    device.write(x, new Uint8Array(new Float32Array(16).fill(value).buffer))
    record.calls()
    device.run(executable, [x], [y], new Map())
    const calls = record.calls()
    expect([...new Float32Array((await device.read(y)).buffer)]).toEqual(expected(value))
    return !calls.includes('graphLaunch') ? 'launched' : calls.includes('captureBegin') ? 'captured' : 'replayed'
  }

  it('are launched, then captured as a graph, then replayed, where addresses come back', async () => {
    const executable = await device.compile(sums())
    const [x, y, z] = [device.alloc(64), device.alloc(64), device.alloc(64)]
    const seen: string[] = []
    for (const [i, to] of [y, y, z, y, z, z].entries()) seen.push(await runOnce(executable, x, to, i + 1))
    expect(seen).toEqual(['launched', 'captured', 'launched', 'replayed', 'captured', 'replayed'])
    executable.dispose()
    for (const buffer of [x, y, z]) device.free(buffer)
  })

  it('keep the graphs of the last eight sets of addresses', async () => {
    const executable = await device.compile(sums())
    const x = device.alloc(64)
    const outputs = Array.from({ length: 9 }, () => device.alloc(64))
    const seen: string[] = []
    for (const y of [...outputs, ...outputs]) seen.push(await runOnce(executable, x, y, 1))
    expect(new Set(seen)).toEqual(new Set(['launched']))
    for (const y of [...outputs.slice(1), ...outputs.slice(1)]) seen.push(await runOnce(executable, x, y, 1))
    expect(seen.slice(18)).toEqual([...new Array<string>(8).fill('captured'), ...new Array<string>(8).fill('replayed')])
    expect(await runOnce(executable, x, outputs[0]!, 2)).toBe('launched')
    expect(record.held()).toContain('7 executable')
    executable.dispose()
    for (const buffer of [x, ...outputs]) device.free(buffer)
  })

  it('are launched one by one where graphs are refused', async () => {
    const executable = await device.compile(sums())
    const [x, y] = [device.alloc(64), device.alloc(64)]
    record.fail('graphInstantiate', 999)
    for (let i = 1; i < 5; i++) expect(await runOnce(executable, x, y, i)).toBe('launched')
    executable.dispose()
    for (const buffer of [x, y]) device.free(buffer)
  })

  it('take memory of temporaries in turn, as much as the largest program asks for', async () => {
    const small = await device.compile(sums())
    const row = placeholder({ shape: [512], dtype: 'f32' })
    const large = await device.compile(buildProgram([flip(cumsum(cumsum(row, 0), 0), [0])], { keepsDuplicates: false }))
    const [x, y, longX, longY] = [device.alloc(64), device.alloc(64), device.alloc(2048), device.alloc(2048)]
    const ones = new Float32Array(512).fill(0)
    ones[0] = 1
    device.write(longX, new Uint8Array(ones.buffer))
    for (let i = 0; i < 3; i++) {
      await runOnce(small, x, y, i + 1)
      device.run(large, [longX], [longY], new Map())
      expect([...new Float32Array((await device.read(longY, 12)).buffer)]).toEqual([512, 511, 510])
    }
    for (const executable of [small, large]) executable.dispose()
    for (const buffer of [x, y, longX, longY]) device.free(buffer)
  })

  it('send numbers where symbols changed, and compute with them', async () => {
    const n = sym('n', { max: 100 })
    const f = jit((x: Tensor) => x.slice(0, 0, n).cumsum(0).sum(), { device })
    using x = await tensor(Float32Array.from({ length: 100 }, (_, i) => i + 1)).realize({ device })
    ;(await f.run([x], { symbols: new Map([[n, 1]]) })).dispose()
    const copies: number[] = []
    for (const count of [3, 3, 0, 100]) {
      record.calls()
      using out = await f.run([x], { symbols: new Map([[n, count]]) })
      copies.push(times(record.calls(), 'copyToDeviceAsync'))
      expect(await out.item()).toBe((count * (count + 1) * (count + 2)) / 6)
    }
    expect(copies).toEqual([1, 0, 1, 1])
    await expect(f.run([x], { symbols: new Map([[n, 101]]) })).rejects.toMatchObject({ code: 'VALUE' })
    await expect(f.run([x], { symbols: new Map([[n, 3]]), signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    f.dispose()
  })

  it('read what an input held, where its memory is written under another name', async () => {
    const [x, y] = [placeholder({ shape: [6], dtype: 'f32' }), placeholder({ shape: [6], dtype: 'f32' })]
    const executable = await device.compile(buildProgram([sub(x, flip(y, [0]))], { keepsDuplicates: false, aliases: [x] }))
    const buffer = device.alloc(24)
    device.write(buffer, new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer))
    device.run(executable, [buffer, buffer], [buffer], new Map())
    expect([...new Float32Array((await device.read(buffer)).buffer)]).toEqual([-5, -3, -1, 1, 3, 5])
    executable.dispose()
    expect(() => device.run(executable, [buffer, buffer], [buffer], new Map())).toThrow(
      expect.objectContaining({ code: 'DISPOSED' }) as Error,
    )
    device.free(buffer)
  })

  it('tell of times by operation', async () => {
    const program = buildProgram([flip(placeholder({ shape: [6], dtype: 'f32' }), [0])], { keepsDuplicates: false })
    const executable = await device.compile(program)
    const [from, to] = [device.alloc(24), device.alloc(24)]
    device.write(from, new Uint8Array(24))
    const seen: string[] = []
    device.run(executable, [from], [to], new Map(), { profile: ({ name, detail, ms }) => seen.push(`${name} ${detail} ${ms >= 0}`) })
    expect(seen).toEqual(['flip flip true'])
    for (const buffer of [from, to]) device.free(buffer)
    executable.dispose()
  })
})

describe('failures', () => {
  const flipped = () => buildProgram([flip(placeholder({ shape: [6], dtype: 'f32' }), [0])], { keepsDuplicates: false })

  it('of compiling leave nothing, and the device usable', async () => {
    const programs = device.memory().programs
    record.fail('moduleLoad', 218)
    await expect(device.compile(flipped())).rejects.toMatchObject({ code: 'RUNTIME' })
    record.fail('moduleFunction', 500)
    await expect(device.compile(flipped())).rejects.toMatchObject({ code: 'RUNTIME' })
    expect(device.memory().programs).toBe(programs)
    ;(await device.compile(flipped())).dispose()
  })

  it('before a kernel was launched say that nothing was touched', async () => {
    const x = await ramp([8, 8]).to(device)
    const step = jit((t: Tensor) => t.sum(1, { keepDims: true }).cumsum(0).add(t), { device, donate: [0] })
    record.fail('allocAsync', 2, { times: 2 })
    const failed = await step(x).catch((error: unknown) => error)
    expect((failed as { code?: unknown }).code).toBe('OUT_OF_MEMORY')
    using result = await step(x)
    expect(Number.isFinite((await result.data())[63])).toBe(true)
    step.dispose()
  })

  it('that lose the device are told by every call after, and let tensors be disposed', async () => {
    const executable = await device.compile(flipped())
    const [from, to] = [device.alloc(24), device.alloc(24)]
    device.write(from, new Uint8Array(24))
    const waiting = device.read(from)
    record.fail('launch', 700)
    const told = { code: 'DEVICE_LOST', message: expect.stringMatching(/ was lost: launch .*700.*Open a device again/) as string }
    let thrown: unknown
    try {
      device.run(executable, [from], [to], new Map())
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject(told)
    expect(isUnstarted(thrown)).toBe(false)
    await Promise.allSettled([waiting])
    expect(() => device.alloc(4)).toThrow(expect.objectContaining(told) as Error)
    expect(() => device.write(from, new Uint8Array(4))).toThrow(expect.objectContaining(told) as Error)
    await expect(device.read(to)).rejects.toMatchObject(told)
    await expect(device.sync()).rejects.toMatchObject(told)
    await expect(device.compile(flipped())).rejects.toMatchObject(told)
    expect(device.gone).toBe(true)
    executable.dispose()
    for (const buffer of [from, to]) device.free(buffer)
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0, programs: 0 })
    await device.dispose()
    // The process goes on with another device.
    record = recorded(emulatedDriver())
    device = openCuda(record.driver)
    using sum = await ramp([4]).sum().realize({ device })
    expect(Number.isFinite(await sum.item())).toBe(true)
  })

  it('that lose the device while something is let go of are told by the next call', async () => {
    const executable = await device.compile(flipped())
    const [kept, freed] = [device.alloc(24), device.alloc(24)]
    record.fail('freeAsync', 700)
    device.free(freed)
    expect(device.gone).toBe(true)
    executable.dispose()
    expect(() => device.write(kept, new Uint8Array(4))).toThrow(expect.objectContaining({ code: 'DEVICE_LOST' }) as Error)
    device.free(kept)
    await Promise.all([device.dispose(), device.dispose()])
  })

  it('are told of what was disposed', async () => {
    const executable = await device.compile(flipped())
    const kept = device.alloc(24)
    const reading = device.alloc(8)
    device.write(reading, new Uint8Array(8).fill(3))
    const last = device.read(reading)
    await device.dispose() // with what is still on it
    expect([...(await last)]).toEqual(new Array(8).fill(3))
    expect(record.held()).toEqual([])
    expect(() => device.alloc(4)).toThrow(expect.objectContaining({ code: 'DISPOSED' }) as Error)
    executable.dispose()
    device.free(kept)
    device.free(reading)
    expect(device.memory()).toMatchObject({ liveBytes: 0, liveBuffers: 0, programs: 0 })
  })
})
