/** The calls of the driver for real, into a library made for it: what arrives there, what comes back, and what becomes of failures. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import koffi from 'koffi'
import { deviceAttribute, type CudaDriver, type Handle } from '../driver.js'
import { buildFake, canBuildFake, noCompiler, type Fake } from '../testing/fake.js'
import { openLibcuda } from './libcuda.js'
import { findLibrary, libraryNames } from './library.js'

const ptx = (name: string, parameters: number): string =>
  `.version 7.0\n.target sm_75\n.address_size 64\n.visible .entry ${name}(${Array.from({ length: parameters }, (_, i) => `.param .u64 p${i}`).join(', ')})\n{ ret; }\n`

let fake: Fake
let driver: CudaDriver
let stream: Handle
let context: Handle
beforeAll(async () => {
  if (!canBuildFake) return
  fake = buildFake()
  driver = await openLibcuda(fake.path)
  context = driver.primaryContextRetain(0)
  driver.contextSetCurrent(context)
  stream = driver.streamCreate()
  fake.log()
})
afterEach(() => {
  if (canBuildFake) fake.reset()
})
afterAll(() => {
  if (canBuildFake) fake[Symbol.dispose]()
})

describe.skipIf(!canBuildFake)(`calls of the driver${canBuildFake ? '' : `: skipped, ${noCompiler}`}`, () => {
  it('asks for versions, devices and contexts', () => {
    expect(driver.description).toBe(`${fake.path}, CUDA 12.4`)
    driver.init()
    expect(driver.driverVersion()).toBe(12040)
    fake.setDevices(3)
    expect(driver.deviceCount()).toBe(3)
    expect(driver.deviceName(2)).toBe('Fake µ-GPU')
    expect(driver.deviceTotalBytes(1)).toBe(3 * 2 ** 33)
    fake.setAttribute(deviceAttribute.memoryPoolsSupported, -5)
    expect(driver.deviceAttribute(deviceAttribute.memoryPoolsSupported, 0)).toBe(-5)
    expect(driver.deviceAttribute(deviceAttribute.maxGridDimX, 0)).toBe(2 ** 31 - 1)
    expect(context).toBeGreaterThan(2 ** 32) // an address, whole
    expect(driver.primaryContextRetain(0)).toBe(context)
    driver.primaryContextRelease(0)
    expect(driver.memoryInfo()).toEqual({ free: 5 * 2 ** 32 + 7, total: 3 * 2 ** 33 })
    driver.keepFreedMemory!(0, Number.MAX_SAFE_INTEGER)
    driver.releaseFreedMemory!(0)
    expect(fake.log()).toEqual([
      'cuInit 0',
      'cuDeviceGetCount',
      'cuDeviceGetName 256 2',
      'cuDeviceTotalMem 1',
      'cuDeviceGetAttribute 115 0',
      'cuDeviceGetAttribute 5 0',
      'cuDevicePrimaryCtxRetain 0',
      'cuDevicePrimaryCtxRelease 0',
      'cuMemGetInfo',
      'cuDeviceGetDefaultMemPool 0',
      'cuMemPoolSetAttribute 4 9007199254740991',
      'cuDeviceGetDefaultMemPool 0',
      'cuMemPoolTrimTo 0',
    ])
  })

  it('copies between pinned memory and the device', () => {
    const memory = driver.hostAlloc(64)
    expect(memory.bytes).toHaveLength(64)
    memory.bytes.set(Array.from({ length: 64 }, (_, i) => 255 - i))
    const [a, b] = [driver.allocAsync(48, stream), driver.allocAsync(32, stream)]
    expect(fake.liveBytes()).toBe(80)
    driver.copyToDeviceAsync(a, memory, 48, stream)
    driver.copyOnDeviceAsync(b, a + 16, 32, stream)
    driver.setBytesAsync(b + 30, 7, 2, stream)
    memory.bytes.fill(0)
    driver.copyToHostAsync(memory, b, 32, stream)
    driver.streamSynchronize(stream)
    expect([...memory.bytes]).toEqual([...Array.from({ length: 30 }, (_, i) => 239 - i), 7, 7, ...new Array<number>(32).fill(0)])
    driver.freeAsync(a, stream)
    driver.freeAsync(b, stream)
    driver.hostFree(memory)
    expect(fake.liveBytes()).toBe(0)
    expect(fake.log()).toEqual([
      'cuMemHostAlloc 64 0',
      'cuMemAllocAsync 48',
      'cuMemAllocAsync 32',
      'cuMemcpyHtoDAsync 48',
      'cuMemcpyDtoDAsync 32',
      'cuMemsetD8Async 7 2',
      'cuMemcpyDtoHAsync 32',
      'cuStreamSynchronize',
      'cuMemFreeAsync',
      'cuMemFreeAsync',
      'cuMemFreeHost',
    ])
  })

  it('compiles kernels and launches them with any number of parameters', () => {
    const module = driver.moduleLoad(ptx('increment', 1) + ptx('many', 40))
    const [increment, many] = ['increment', 'many'].map((name) => driver.moduleFunction(module, name)) as [Handle, Handle]
    expect(driver.functionAttribute(4, many)).toBe(-4)
    driver.functionSetAttribute(8, many, 65536)
    const words = driver.allocAsync(4, stream)
    driver.setBytesAsync(words, 0, 4, stream)
    fake.log()
    driver.launch(increment, [2, 3, 4], [64, 1, 1], 0, stream, [words])
    driver.launch(
      many,
      [2 ** 31 - 1, 65535, 1],
      [8, 4, 2],
      49152,
      stream,
      Array.from({ length: 40 }, (_, i) => 2 ** 52 + i),
    )
    driver.launch(increment, [1, 1, 1], [32, 1, 1], 0, stream, [words])
    const memory = driver.hostAlloc(4)
    driver.copyToHostAsync(memory, words, 4, stream)
    expect([...memory.bytes]).toEqual([2, 0, 0, 0])
    expect(fake.log()).toEqual([
      'cuLaunchKernel increment grid 2x3x4 block 64x1x1 shared 0 extra none',
      `  ${words.toString(16)}`,
      'cuLaunchKernel many grid 2147483647x65535x1 block 8x4x2 shared 49152 extra none',
      `  ${Array.from({ length: 40 }, (_, i) => (2 ** 52 + i).toString(16)).join(' ')}`,
      'cuLaunchKernel increment grid 1x1x1 block 32x1x1 shared 0 extra none',
      `  ${words.toString(16)}`,
      'cuMemHostAlloc 4 0',
      'cuMemcpyDtoHAsync 4',
    ])
    driver.hostFree(memory)
    driver.freeAsync(words, stream)
    driver.moduleUnload(module)
  })

  it('collects launches in graphs, and waits by events', () => {
    const module = driver.moduleLoad(ptx('increment', 1))
    const fn = driver.moduleFunction(module, 'increment')
    const before = fake.liveHandles()
    fake.log()
    driver.captureBegin(stream)
    driver.launch(fn, [1, 1, 1], [1, 1, 1], 0, stream, [1])
    const graph = driver.captureEnd(stream)
    const executable = driver.graphInstantiate(graph)
    driver.graphDestroy(graph)
    driver.graphLaunch(executable, stream)
    const event = driver.eventCreate()
    driver.eventRecord(event, stream)
    fake.setUnready(2)
    expect([1, 2, 3].map(() => driver.eventDone(event))).toEqual([false, false, true])
    driver.eventDestroy(event)
    driver.graphExecutableDestroy(executable)
    expect(fake.liveHandles()).toBe(before)
    expect(fake.log()).toEqual([
      'cuStreamBeginCapture 1',
      'cuLaunchKernel increment grid 1x1x1 block 1x1x1 shared 0 extra none captured',
      '  1',
      'cuStreamEndCapture',
      'cuGraphInstantiate 0',
      'cuGraphDestroy',
      'cuGraphLaunch',
      'cuEventCreate 2',
      'cuEventRecord',
      'cuEventQuery',
      'cuEventQuery',
      'cuEventQuery',
      'cuEventDestroy',
      'cuGraphExecDestroy',
    ])
    driver.moduleUnload(module)
  })

  it('names the call, what it was about, and the status', () => {
    fake.fail('cuMemAllocAsync', 2, 2)
    driver.freeAsync(driver.allocAsync(8, stream), stream)
    expect(() => driver.allocAsync(4096, stream)).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_MEMORY',
        message: 'cuMemAllocAsync (4096 bytes) failed: CUDA_ERROR_OUT_OF_MEMORY (2)',
      }) as Error,
    )
    driver.freeAsync(driver.allocAsync(8, stream), stream)
    const module = driver.moduleLoad(ptx('increment', 1))
    const fn = driver.moduleFunction(module, 'increment')
    fake.fail('cuLaunchKernel', 1, 700)
    expect(() => driver.launch(fn, [5, 1, 1], [64, 1, 1], 0, stream, [0])).toThrow(
      expect.objectContaining({
        code: 'DEVICE_LOST',
        message: 'cuLaunchKernel (kernel increment, grid 5x1x1, block 64x1x1) failed: CUDA_ERROR_ILLEGAL_ADDRESS (700)',
      }) as Error,
    )
    fake.fail('', 1, 321)
    expect(() => driver.streamSynchronize(stream)).toThrow(
      expect.objectContaining({ code: 'RUNTIME', message: 'cuStreamSynchronize failed: an unknown status (321)' }) as Error,
    )
    fake.fail('cuInit', 1, 100)
    expect(() => driver.init()).toThrow(
      expect.objectContaining({ code: 'DEVICE', message: 'cuInit failed: CUDA_ERROR_NO_DEVICE (100)' }) as Error,
    )
    fake.fail('cuEventQuery', 1, 719)
    expect(() => driver.eventDone(1)).toThrow(expect.objectContaining({ code: 'DEVICE_LOST' }) as Error)
    expect(() => driver.moduleFunction(module, 'other')).toThrow('cuModuleGetFunction (kernel other) failed: CUDA_ERROR_NOT_FOUND (500)')
    driver.moduleUnload(module)
  })

  it('tells of every call that fails', () => {
    const module = driver.moduleLoad(ptx('increment', 1))
    const fn = driver.moduleFunction(module, 'increment')
    const memory = driver.hostAlloc(8)
    const calls: Readonly<Record<string, () => unknown>> = {
      cuInit: () => driver.init(),
      cuDeviceGetCount: () => driver.deviceCount(),
      cuDeviceGetName: () => driver.deviceName(0),
      cuDeviceTotalMem: () => driver.deviceTotalBytes(0),
      cuDeviceGetAttribute: () => driver.deviceAttribute(1, 0),
      cuDevicePrimaryCtxRetain: () => driver.primaryContextRetain(0),
      cuDevicePrimaryCtxRelease: () => driver.primaryContextRelease(0),
      cuDeviceGetDefaultMemPool: () => driver.keepFreedMemory!(0, 1),
      cuMemPoolSetAttribute: () => driver.keepFreedMemory!(0, 1),
      cuMemPoolTrimTo: () => driver.releaseFreedMemory!(0),
      cuCtxSetCurrent: () => driver.contextSetCurrent(context),
      cuMemGetInfo: () => driver.memoryInfo(),
      cuModuleLoadDataEx: () => driver.moduleLoad(ptx('x', 1)),
      cuModuleUnload: () => driver.moduleUnload(module),
      cuModuleGetFunction: () => driver.moduleFunction(module, 'increment'),
      cuFuncGetAttribute: () => driver.functionAttribute(4, fn),
      cuFuncSetAttribute: () => driver.functionSetAttribute(8, fn, 1),
      cuStreamCreate: () => driver.streamCreate(),
      cuStreamDestroy: () => driver.streamDestroy(stream),
      cuStreamSynchronize: () => driver.streamSynchronize(stream),
      cuMemAllocAsync: () => driver.allocAsync(1, stream),
      cuMemFreeAsync: () => driver.freeAsync(1, stream),
      cuMemHostAlloc: () => driver.hostAlloc(1),
      cuMemFreeHost: () => driver.hostFree(memory),
      cuMemcpyHtoDAsync: () => driver.copyToDeviceAsync(1, memory, 1, stream),
      cuMemcpyDtoHAsync: () => driver.copyToHostAsync(memory, 1, 1, stream),
      cuMemcpyDtoDAsync: () => driver.copyOnDeviceAsync(1, 1, 1, stream),
      cuMemsetD8Async: () => driver.setBytesAsync(1, 1, 1, stream),
      cuLaunchKernel: () => driver.launch(fn, [1, 1, 1], [1, 1, 1], 0, stream, [1]),
      cuEventCreate: () => driver.eventCreate(),
      cuEventDestroy: () => driver.eventDestroy(1),
      cuEventRecord: () => driver.eventRecord(1, stream),
      cuEventQuery: () => driver.eventDone(1),
      cuStreamBeginCapture: () => driver.captureBegin(stream),
      cuStreamEndCapture: () => driver.captureEnd(stream),
      cuGraphInstantiate: () => driver.graphInstantiate(1),
      cuGraphLaunch: () => driver.graphLaunch(1, stream),
      cuGraphDestroy: () => driver.graphDestroy(1),
      cuGraphExecDestroy: () => driver.graphExecutableDestroy(1),
    }
    for (const [name, call] of Object.entries(calls)) {
      fake.fail(name, 1, 999)
      expect(call, name).toThrow(
        expect.objectContaining({
          code: 'RUNTIME',
          message: expect.stringMatching(`^${name}( .*)? failed: CUDA_ERROR_UNKNOWN`) as string,
        }) as Error,
      )
    }
    driver.hostFree(memory)
    driver.moduleUnload(module)
  })

  it('shows what the compiler says of a kernel', () => {
    expect(() => driver.moduleLoad(ptx('refused', 1))).toThrow(
      expect.objectContaining({
        code: 'KERNEL',
        message:
          "cuModuleLoadDataEx (kernel refused) refuses the kernel: CUDA_ERROR_INVALID_PTX (218)\nptxas: line 3; error: Unknown symbol 'refused'",
      }) as Error,
    )
    fake.fail('cuModuleLoadDataEx', 1, 2)
    expect(() => driver.moduleLoad(ptx('fine', 1))).toThrow(expect.objectContaining({ code: 'OUT_OF_MEMORY' }) as Error)
  })

  it('needs a driver for CUDA 11.2, and takes the calls that it has', async () => {
    fake.setVersion(11010)
    await expect(openLibcuda(fake.path)).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringMatching(/is for CUDA 11\.1; device 'cuda' needs 11\.2 or newer.*Install a newer driver/) as string,
    })
    using old = buildFake({ old: true })
    old.setVersion(11020)
    const early = await openLibcuda(old.path)
    const own = early.primaryContextRetain(0)
    early.contextSetCurrent(own)
    const queue = early.streamCreate()
    early.captureBegin(queue)
    early.graphInstantiate(early.captureEnd(queue))
    expect(old.log()).toContain('cuGraphInstantiate without flags, no log, 0')
  })
})

describe('the library of the driver', () => {
  it('is looked for by name, where the system looks', () => {
    expect(libraryNames('linux')).toEqual(['libcuda.so.1', '/usr/lib/wsl/lib/libcuda.so.1'])
    expect(libraryNames('win32')).toEqual(['nvcuda.dll'])
    expect(() => findLibrary(koffi, undefined, 'darwin')).toThrow(
      /needs NVIDIA's driver, which there is for Linux and Windows, not for darwin; use 'cpu'/,
    )
  })
  it('is named in the error with what the loader said', async () => {
    const missing = '/nowhere/libcuda.so.1'
    await expect(openLibcuda(missing)).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringMatching(
        /^device 'cuda' found no driver: looked for \/nowhere\/libcuda.so.1 \(named by the option 'driver' or by TESSERAE_CUDA_DRIVER\)\. The loader said: .*Install NVIDIA's driver/,
      ) as string,
    })
    // On machines without NVIDIA's driver; where there is one, nothing is to be said.
    const found = await openLibcuda().then(
      () => undefined,
      (error: unknown) => error,
    )
    if (found !== undefined)
      expect(found).toMatchObject({
        code: 'DEVICE',
        message: expect.stringMatching(/no driver|needs 11\.2|needs NVIDIA's driver/) as string,
      })
  })
  it('is no driver when it has no such calls', () => {
    const other = process.platform === 'win32' ? 'kernel32.dll' : process.platform === 'darwin' ? 'libSystem.dylib' : 'libm.so.6'
    return expect(openLibcuda(other)).rejects.toThrow(/has no cuDriverGetVersion: it is no CUDA driver, or one older than CUDA 11\.2/)
  })
})
