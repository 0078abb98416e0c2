import { describe, expect, it } from 'vitest'
import { buildKernel, u32 } from '../../../kernel/builder.js'
import { printPtx } from '../../../kernel/print-ptx.js'
import { deviceAttribute, functionAttribute, type CudaDriver, type DevicePointer, type Handle } from '../driver.js'
import { emulatedDriver, type EmulatedDriver, type EmulatorOptions } from './driver.js'

/** Adds 1 to the words of an array. */
const increment = buildKernel({ name: 'increment' }, (b) => {
  const x = b.storage('x', 'u32')
  b.store(x, b.globalId(0), b.load(x, b.globalId(0)).add(1))
})
/** Writes far behind an array. */
const stray = buildKernel({ name: 'stray' }, (b) => b.store(b.storage('x', 'u32'), u32(1000), u32(1)))
const ptx = printPtx(increment, { target: 'sm_75' })

interface Opened {
  readonly driver: EmulatedDriver
  readonly stream: Handle
  readonly fn: Handle
  /** An array of 64 words, all 0. */
  readonly words: DevicePointer
  readonly read: () => number
}

function open(options: EmulatorOptions = {}, text = ptx, name = 'increment'): Opened {
  const driver = emulatedDriver(options)
  driver.init()
  driver.contextSetCurrent(driver.primaryContextRetain(0))
  const stream = driver.streamCreate()
  const fn = driver.moduleFunction(driver.moduleLoad(text), name)
  const words = driver.allocAsync(256, stream)
  driver.setBytesAsync(words, 0, 256, stream)
  const pinned = driver.hostAlloc(256)
  return {
    driver,
    stream,
    fn,
    words,
    read: () => {
      driver.copyToHostAsync(pinned, words, 256, stream)
      driver.streamSynchronize(stream)
      const all = new Uint32Array(pinned.bytes.buffer, pinned.bytes.byteOffset, 64)
      expect(new Set(all).size).toBe(1)
      return all[0]!
    },
  }
}
const run = ({ driver, stream, fn, words }: Opened): void => driver.launch(fn, [1, 1, 1], [64, 1, 1], 0, stream, [words])

describe('streams', () => {
  it('does nothing before it is waited for, and then all in order', () => {
    const opened = open()
    const { driver, stream, words, read } = opened
    const [from, to] = [driver.hostAlloc(256), driver.hostAlloc(256)]
    from.bytes.fill(0)
    driver.copyToDeviceAsync(words, from, 256, stream)
    run(opened)
    driver.copyToHostAsync(to, words, 256, stream)
    // What is written here before the copy is made is what is copied: pinned memory is not to be touched meanwhile.
    from.bytes[0] = 41
    expect(to.bytes[0]).toBe(0xff)
    driver.streamSynchronize(stream)
    expect(to.bytes[0]).toBe(42)
    from.bytes[0] = 0
    driver.copyToDeviceAsync(words, from, 256, stream)
    expect(read()).toBe(0)
  })

  it('does at once what it is asked, where it is eager', () => {
    const opened = open({ streams: 'eager' })
    const to = opened.driver.hostAlloc(256)
    run(opened)
    opened.driver.copyToHostAsync(to, opened.words, 256, opened.stream)
    expect(to.bytes[0]).toBe(1)
  })

  it('says of events whether what came before them is done', () => {
    const opened = open()
    const { driver, stream } = opened
    const event = driver.eventCreate()
    expect(driver.eventDone(event)).toBe(true)
    run(opened)
    driver.eventRecord(event, stream)
    expect(driver.eventDone(event)).toBe(false)
    expect(driver.eventDone(event)).toBe(true)
    driver.eventRecord(event, stream)
    driver.streamSynchronize(stream)
    expect(driver.eventDone(event)).toBe(true)
  })

  it('replays graphs, each time with the memory as it is', () => {
    const opened = open()
    const { driver, stream, read, words } = opened
    driver.captureBegin(stream)
    run(opened)
    run(opened)
    const event = driver.eventCreate()
    driver.eventRecord(event, stream)
    expect(() => driver.eventDone(event)).toThrow(/cuEventQuery: CUDA_ERROR_CAPTURED_EVENT \(907\)/)
    expect(() => driver.streamSynchronize(stream)).toThrow(/900/)
    expect(() => driver.allocAsync(4, stream)).toThrow(/allocate before the capture/)
    const graph = driver.captureEnd(stream)
    expect(read()).toBe(0)
    const executable = driver.graphInstantiate(graph)
    driver.graphDestroy(graph)
    for (let i = 0; i < 3; i++) driver.graphLaunch(executable, stream)
    expect(read()).toBe(6)
    driver.setBytesAsync(words, 0, 256, stream)
    driver.graphLaunch(executable, stream)
    expect(read()).toBe(2)
    driver.graphExecutableDestroy(executable)
    expect(() => driver.graphLaunch(executable, stream)).toThrow(/400.*is no executable/)
  })
})

describe('memory', () => {
  it('ends, and is there again when it is freed in the order of the stream', () => {
    const { driver, stream } = open({ capacity: 4096 })
    const large = driver.allocAsync(3000, stream)
    expect(driver.memoryInfo()).toEqual({ free: 4096 - 3000 - 256, total: 4096 })
    try {
      driver.allocAsync(2000, stream)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(/cuMemAllocAsync: CUDA_ERROR_OUT_OF_MEMORY \(2\): 2000 bytes; 3256 of 4096/),
      })
    }
    driver.freeAsync(large, stream)
    driver.allocAsync(2000, stream)
    expect(driver.live()).toMatchObject({ allocations: 2, bytes: 2256 })
  })

  it('refuses addresses, sizes and handles that are none', () => {
    const { driver, stream, words, fn } = open()
    const pinned = driver.hostAlloc(16)
    expect(() => driver.freeAsync(words + 4, stream)).toThrow(/cuMemFreeAsync: CUDA_ERROR_INVALID_VALUE \(1\)/)
    expect(() => driver.allocAsync(0, stream)).toThrow(/0 bytes/)
    expect(() => driver.copyToDeviceAsync(words + 250, pinned, 16, stream)).toThrow(
      /16 bytes: 0x\w+ is 1 bytes past the end of allocation 1 of 256 bytes/,
    )
    expect(() => driver.copyToDeviceAsync(words, pinned, 17, stream)).toThrow(/are no pinned memory/)
    expect(() => driver.copyToHostAsync({ ...pinned, pointer: 5 }, words, 4, stream)).toThrow(/are no pinned memory/)
    driver.hostFree(pinned)
    expect(() => driver.hostFree(pinned)).toThrow(/cuMemFreeHost/)
    expect(() => driver.streamSynchronize(fn)).toThrow(/is no stream/)
    expect(() => driver.moduleFunction(stream, 'x')).toThrow(/CUDA_ERROR_INVALID_HANDLE \(400\)/)
    expect(() => driver.deviceName(1)).toThrow(/device 1 of 1/)
  })

  it('reaches the parts of pinned memory by their addresses', () => {
    const { driver, stream, words } = open({ streams: 'eager' })
    const pinned = driver.hostAlloc(64)
    pinned.bytes.set([1, 2, 3, 4], 32)
    driver.copyToDeviceAsync(words, { pointer: pinned.pointer + 32, bytes: pinned.bytes.subarray(32) }, 4, stream)
    driver.copyOnDeviceAsync(words + 8, words, 4, stream)
    driver.copyToHostAsync(pinned, words + 8, 4, stream)
    expect([...pinned.bytes.subarray(0, 4)]).toEqual([1, 2, 3, 4])
  })

  it('notices memory that goes while a copy of it is under way', () => {
    const { driver, stream, words } = open()
    const pinned = driver.hostAlloc(256)
    driver.copyToHostAsync(pinned, words, 256, stream)
    driver.hostFree(pinned)
    expect(() => driver.streamSynchronize(stream)).toThrow(
      /cuMemcpyDtoHAsync, when the stream came to it: the pinned memory had been freed/,
    )
  })

  it('tells what was not let go of', () => {
    const driver: CudaDriver & Pick<EmulatedDriver, 'live'> = emulatedDriver()
    driver.init()
    const context = driver.primaryContextRetain(0)
    driver.contextSetCurrent(context)
    const [stream, event, module, pinned] = [driver.streamCreate(), driver.eventCreate(), driver.moduleLoad(ptx), driver.hostAlloc(5)]
    const pointer = driver.allocAsync(100, stream)
    driver.moduleFunction(module, 'increment')
    expect(driver.live()).toEqual({
      allocations: 1,
      bytes: 100,
      hostAllocations: 1,
      contexts: 1,
      modules: 1,
      streams: 1,
      events: 1,
      graphs: 0,
      graphExecutables: 0,
    })
    driver.freeAsync(pointer, stream)
    driver.streamDestroy(stream)
    driver.eventDestroy(event)
    driver.moduleUnload(module)
    driver.hostFree(pinned)
    driver.primaryContextRelease(0)
    expect(Object.values(driver.live()).every((count) => count === 0)).toBe(true)
    driver.close()
    expect(() => driver.deviceCount()).toThrow(/the driver was closed/)
  })
})

describe('launches', () => {
  it('makes the context useless after a stray access, until it is made anew', () => {
    const { driver, stream, fn, words } = open({}, printPtx(stray, { target: 'sm_75' }), 'stray')
    driver.launch(fn, [1, 1, 1], [64, 1, 1], 0, stream, [words])
    // As on a device: told later, and then by every call.
    for (const call of [() => driver.streamSynchronize(stream), () => driver.allocAsync(4, stream), () => driver.memoryInfo()]) {
      expect(call).toThrow(
        /CUDA_ERROR_ILLEGAL_ADDRESS \(700\): kernel stray, line \d+ \('st\.global\.u32 .*'\), thread \(0, 0, 0\) of block \(0, 0, 0\): 0x/,
      )
      expect(call).toThrow(expect.objectContaining({ code: 'DEVICE_LOST' }))
    }
    driver.primaryContextRelease(0)
    driver.contextSetCurrent(driver.primaryContextRetain(0))
    expect(driver.memoryInfo().total).toBe(2 ** 30)
  })

  it('refuses what a device refuses', () => {
    const { driver, stream, fn, words } = open()
    const launch =
      (grid: readonly [number, number, number], block: readonly [number, number, number], shared = 0, parameters = [words]) =>
      () =>
        driver.launch(fn, grid, block, shared, stream, parameters)
    expect(launch([0, 1, 1], [64, 1, 1])).toThrow(/increment: 0 blocks along x; expected 1 to 2147483647/)
    expect(launch([1, 65536, 1], [64, 1, 1])).toThrow(/65536 blocks along y/)
    expect(launch([1, 1, 1], [32, 1, 1])).toThrow(/blocks of 32x1x1 threads; the kernel requires 64x1x1/)
    expect(launch([1, 1, 1], [64, 64, 1])).toThrow(/at most 1024/)
    expect(launch([1, 1, 1], [64, 1, 1], 50_000)).toThrow(/50000 bytes of dynamic shared memory; its limit is set to 49152/)
    expect(launch([1, 1, 1], [64, 1, 1], 0, [])).toThrow(/0 parameters; it has 1: x_0/)
    driver.functionSetAttribute(functionAttribute.maxDynamicSharedBytes, fn, 100_000)
    expect(driver.functionAttribute(functionAttribute.maxDynamicSharedBytes, fn)).toBe(100_000)
    launch([1, 1, 1], [64, 1, 1], 50_000)()
    expect(() => driver.functionSetAttribute(functionAttribute.maxDynamicSharedBytes, fn, 200_000)).toThrow(/goes up to 166912/)
    expect(driver.functionAttribute(functionAttribute.registers, fn)).toBeGreaterThan(0)
  })

  it('fails where it is made to', () => {
    const { driver, stream } = open({ failing: (method, time) => (method === 'allocAsync' && time === 3 ? 2 : undefined) })
    driver.allocAsync(4, stream)
    expect(() => driver.allocAsync(4, stream)).toThrow(/allocAsync: CUDA_ERROR_OUT_OF_MEMORY \(2\): made to fail/)
    driver.allocAsync(4, stream)
  })

  it('refuses PTX of a newer kind than the device or the driver takes', () => {
    const load = (options: EmulatorOptions, text: string) => () => open(options, text)
    expect(load({ capability: [7, 5] }, printPtx(increment, { target: 'sm_80' }))).toThrow(
      /CUDA_ERROR_NO_BINARY_FOR_GPU \(209\): PTX for sm_80 on a device of compute capability 7\.5/,
    )
    expect(load({ version: 11040 }, printPtx(increment, { target: 'sm_75' }).replace('7.0', '7.8'))).toThrow(
      /PTX 7\.8; this driver takes up to 7\.4/,
    )
    expect(load({}, ptx.replace('add.u32', 'add.u33'))).toThrow(
      /cuModuleLoadData: CUDA_ERROR_INVALID_PTX \(218\): ptxas: line \d+: 'add\.u33/,
    )
    expect(load({}, ptx.replace('add.u32', 'add.u33'))).toThrow(expect.objectContaining({ code: 'KERNEL' }))
    expect(load({}, 'nonsense')).toThrow(/a module begins with \.version and \.target/)
    expect(() => open({}, ptx, 'other')).toThrow(/CUDA_ERROR_NOT_FOUND \(500\): 'other'; the module has increment/)
  })

  it('knows the order in which a driver is opened, and its device', () => {
    const driver = emulatedDriver({ capability: [9, 0], devices: 2, capacity: 2 ** 20 })
    expect(() => driver.deviceCount()).toThrow(/cuInit was not called/)
    expect(driver.driverVersion()).toBe(12040)
    driver.init()
    expect(() => driver.streamCreate()).toThrow(/CUDA_ERROR_INVALID_CONTEXT \(201\)/)
    expect(driver.deviceCount()).toBe(2)
    expect(driver.deviceTotalBytes(1)).toBe(2 ** 20)
    expect(driver.deviceAttribute(deviceAttribute.computeCapabilityMajor, 1)).toBe(9)
    expect(driver.deviceAttribute(deviceAttribute.maxSharedMemoryPerBlockOptin, 0)).toBe(232448)
    expect(driver.calls.get('deviceCount')).toBe(2)
  })
})
