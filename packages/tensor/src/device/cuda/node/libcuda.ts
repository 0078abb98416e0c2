/**
 * The CUDA Driver API through koffi. Handles and pointers go as numbers, out-parameters and the parameters of launches through blocks of memory that are used again
 * by every call: boxed pointers and arrays cost as much as the rest of a launch. All calls are made on JavaScript's thread, since contexts belong to threads.
 *
 * Names, signatures and numbers: NVIDIA, "CUDA Driver API", of which only entries that exist since 11.2 are used (with one exception, which has a substitute).
 */
import { TensorError } from '../../../errors.js'
import { loadKoffi, NativeBlock, type Koffi, type NativeFunction } from '../../onnx/node/ffi.js'
import type { CudaDriver, Handle, PinnedMemory } from '../driver.js'
import { compileError, cudaError, cudaStatus } from '../status.js'
import { findLibrary, installKoffi } from './library.js'

/** Handles, addresses, and pointers to where a result goes. */
const ptr = 'uint64_t'
const size = 'size_t'
const uint = 'uint32_t'
const text = 'str'

/** The entries and their parameters; the result is always a status. A suffix `_v2` is what the current headers call by the plain name. */
const signatures = {
  cuInit: [uint],
  cuDeviceGetCount: [ptr],
  cuDeviceGetName: [ptr, 'int', 'int'],
  cuDeviceTotalMem_v2: [ptr, 'int'],
  cuDeviceGetAttribute: [ptr, 'int', 'int'],
  cuDevicePrimaryCtxRetain: [ptr, 'int'],
  cuDevicePrimaryCtxRelease_v2: ['int'],
  cuDeviceGetDefaultMemPool: [ptr, 'int'],
  cuMemPoolSetAttribute: [ptr, 'int', ptr],
  cuMemPoolTrimTo: [ptr, size],
  cuCtxSetCurrent: [ptr],
  cuMemGetInfo_v2: [ptr, ptr],
  cuModuleLoadDataEx: [ptr, text, uint, ptr, ptr],
  cuModuleUnload: [ptr],
  cuModuleGetFunction: [ptr, ptr, text],
  cuFuncGetAttribute: [ptr, 'int', ptr],
  cuFuncSetAttribute: [ptr, 'int', 'int'],
  cuStreamCreate: [ptr, uint],
  cuStreamDestroy_v2: [ptr],
  cuStreamSynchronize: [ptr],
  cuMemAllocAsync: [ptr, size, ptr],
  cuMemFreeAsync: [ptr, ptr],
  cuMemHostAlloc: [ptr, size, uint],
  cuMemFreeHost: [ptr],
  cuMemcpyHtoDAsync_v2: [ptr, ptr, size, ptr],
  cuMemcpyDtoHAsync_v2: [ptr, ptr, size, ptr],
  cuMemcpyDtoDAsync_v2: [ptr, ptr, size, ptr],
  cuMemsetD8Async: [ptr, 'uint8_t', size, ptr],
  cuLaunchKernel: [ptr, uint, uint, uint, uint, uint, uint, uint, ptr, ptr, ptr],
  cuEventCreate: [ptr, uint],
  cuEventDestroy_v2: [ptr],
  cuEventRecord: [ptr, ptr],
  cuEventQuery: [ptr],
  cuStreamBeginCapture_v2: [ptr, 'int'],
  cuStreamEndCapture: [ptr, ptr],
  cuGraphLaunch: [ptr, ptr],
  cuGraphDestroy: [ptr],
  cuGraphExecDestroy: [ptr],
} as const satisfies Readonly<Record<string, readonly string[]>>

type Entry = keyof typeof signatures

/** The pool of memory came with 11.2. */
const oldest = 11020
const STREAM_NON_BLOCKING = 1
const EVENT_DISABLE_TIMING = 2
/** Other threads may go on making calls while this one collects its own. */
const CAPTURE_MODE_THREAD_LOCAL = 1
const MEMPOOL_RELEASE_THRESHOLD = 4
const JIT_ERROR_LOG_BUFFER = 5
const JIT_ERROR_LOG_BUFFER_SIZE = 6
const textBytes = 8192

/** `12.4` for 12040. */
const printVersion = (version: number): string => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`

/**
 * Opens the driver.
 *
 * @param path of the library, in place of what `TESSERAE_CUDA_DRIVER` names and of where drivers are installed
 * @throws TensorError `DEVICE` without koffi, without a driver, and for drivers older than CUDA 11.2, with what to do
 */
export async function openLibcuda(path?: string): Promise<CudaDriver> {
  const koffi = await loadKoffi(installKoffi)
  const { library, name } = findLibrary(koffi, path)
  const bind = (symbol: string, parameters: readonly string[]): NativeFunction => {
    try {
      return library.func(symbol, 'int', [...parameters]) as unknown as NativeFunction
    } catch (cause) {
      throw new TensorError(
        'DEVICE',
        `${name} has no ${symbol}: it is no CUDA driver, or one older than CUDA ${printVersion(oldest)}. Install a newer driver of NVIDIA's`,
        { cause },
      )
    }
  }
  const out = new NativeBlock(koffi, 16)
  const status = bind('cuDriverGetVersion', [ptr])(out.address) as number
  const version = out.words[0]!
  if (status !== cudaStatus.success || version < oldest)
    throw new TensorError(
      'DEVICE',
      status === cudaStatus.success
        ? `the driver (${name}) is for CUDA ${printVersion(version)}; device 'cuda' needs ${printVersion(oldest)} or newer, for its pool of memory. Install a newer driver of NVIDIA's`
        : `the driver (${name}) does not tell its version: cuDriverGetVersion gave ${status}`,
    )
  const call = Object.fromEntries(Object.entries(signatures).map(([symbol, parameters]) => [symbol, bind(symbol, parameters)])) as Readonly<
    Record<Entry, NativeFunction>
  >
  // Came with 11.4; before, the same call also took a place for a log.
  let instantiate: (result: number, graph: Handle) => number
  try {
    const withFlags = library.func('cuGraphInstantiateWithFlags', 'int', [ptr, ptr, ptr]) as unknown as NativeFunction
    instantiate = (result, graph) => withFlags(result, graph, 0) as number
  } catch {
    const withLog = bind('cuGraphInstantiate_v2', [ptr, ptr, ptr, ptr, size])
    instantiate = (result, graph) => withLog(result, graph, 0, 0, 0) as number
  }
  return new Libcuda(koffi, `${name}, CUDA ${printVersion(version)}`, version, call, instantiate, bind('cuGetErrorName', ['int', ptr]))
}

class Libcuda implements CudaDriver {
  /** Receives results, one at a time. */
  private readonly out: NativeBlock
  /** Values of a launch's parameters, and behind them the table of their addresses. */
  private argumentBlock: NativeBlock
  private argumentCount = 16
  /** Options of the compiler, and the log that it fills. Held here, since what nothing holds may be collected while the driver writes to it. */
  private readonly jitOptions: NativeBlock
  private readonly jitValues: NativeBlock
  private readonly text: NativeBlock
  private readonly kernelNames = new Map<Handle, string>()

  constructor(
    private readonly koffi: Koffi,
    readonly description: string,
    private readonly version: number,
    private readonly call: Readonly<Record<Entry, NativeFunction>>,
    private readonly instantiate: (result: number, graph: Handle) => number,
    private readonly errorName: NativeFunction,
  ) {
    this.out = new NativeBlock(koffi, 16)
    this.argumentBlock = this.argumentsFor(this.argumentCount)
    this.text = new NativeBlock(koffi, textBytes)
    this.jitOptions = new NativeBlock(koffi, 8)
    this.jitOptions.words.set([JIT_ERROR_LOG_BUFFER, JIT_ERROR_LOG_BUFFER_SIZE])
    this.jitValues = new NativeBlock(koffi, 16)
    this.jitValues.setPointer(0, this.text.address)
    this.jitValues.setPointer(1, textBytes)
  }

  init = (): void => this.check('cuInit', '', this.call.cuInit(0))
  driverVersion = (): number => this.version

  deviceCount(): number {
    this.check('cuDeviceGetCount', '', this.call.cuDeviceGetCount(this.out.address))
    return this.out.words[0]!
  }
  deviceName(device: number): string {
    this.check('cuDeviceGetName', `device ${device}`, this.call.cuDeviceGetName(this.text.address, 256, device))
    return this.readText()
  }
  deviceTotalBytes(device: number): number {
    this.check('cuDeviceTotalMem', `device ${device}`, this.call.cuDeviceTotalMem_v2(this.out.address, device))
    return this.result
  }
  deviceAttribute(attribute: number, device: number): number {
    const status = this.call.cuDeviceGetAttribute(this.out.address, attribute, device)
    this.check('cuDeviceGetAttribute', `attribute ${attribute} of device ${device}`, status)
    return this.signedResult
  }

  primaryContextRetain = (device: number): Handle =>
    this.make('cuDevicePrimaryCtxRetain', `device ${device}`, this.call.cuDevicePrimaryCtxRetain(this.out.address, device))
  primaryContextRelease = (device: number): void =>
    this.check('cuDevicePrimaryCtxRelease', `device ${device}`, this.call.cuDevicePrimaryCtxRelease_v2(device))
  contextSetCurrent = (context: Handle): void => this.check('cuCtxSetCurrent', '', this.call.cuCtxSetCurrent(context))

  memoryInfo(): { readonly free: number; readonly total: number } {
    this.check('cuMemGetInfo', '', this.call.cuMemGetInfo_v2(this.out.address, this.out.address + 8))
    return { free: this.result, total: this.out.words[2]! + this.out.words[3]! * 2 ** 32 }
  }
  keepFreedMemory(device: number, bytes: number): void {
    const pool = this.poolOf(device)
    this.out.setPointer(0, bytes)
    const status = this.call.cuMemPoolSetAttribute(pool, MEMPOOL_RELEASE_THRESHOLD, this.out.address)
    this.check('cuMemPoolSetAttribute', `release threshold of device ${device}`, status)
  }
  releaseFreedMemory(device: number): void {
    this.check('cuMemPoolTrimTo', `device ${device}`, this.call.cuMemPoolTrimTo(this.poolOf(device), 0))
  }

  moduleLoad(ptx: string): Handle {
    this.text.words.fill(0)
    const status = this.call.cuModuleLoadDataEx(this.out.address, ptx, 2, this.jitOptions.address, this.jitValues.address) as number
    if (status !== cudaStatus.success) {
      const name = /\.entry\s+([\w$]+)/.exec(ptx)?.[1] ?? 'without an entry'
      throw compileError('cuModuleLoadDataEx', `kernel ${name}`, status, this.nameOf(status), this.readText().trim())
    }
    return this.result
  }
  moduleUnload = (module: Handle): void => this.check('cuModuleUnload', '', this.call.cuModuleUnload(module))
  moduleFunction(module: Handle, name: string): Handle {
    const fn = this.make('cuModuleGetFunction', `kernel ${name}`, this.call.cuModuleGetFunction(this.out.address, module, name))
    this.kernelNames.set(fn, name)
    return fn
  }
  functionAttribute(attribute: number, fn: Handle): number {
    const status = this.call.cuFuncGetAttribute(this.out.address, attribute, fn)
    this.check('cuFuncGetAttribute', () => `attribute ${attribute} of ${this.kernelName(fn)}`, status)
    return this.signedResult
  }
  functionSetAttribute(attribute: number, fn: Handle, value: number): void {
    const status = this.call.cuFuncSetAttribute(fn, attribute, value)
    this.check('cuFuncSetAttribute', () => `attribute ${attribute} of ${this.kernelName(fn)} to ${value}`, status)
  }

  streamCreate = (): Handle => this.make('cuStreamCreate', '', this.call.cuStreamCreate(this.out.address, STREAM_NON_BLOCKING))
  streamDestroy = (stream: Handle): void => this.check('cuStreamDestroy', '', this.call.cuStreamDestroy_v2(stream))
  streamSynchronize = (stream: Handle): void => this.check('cuStreamSynchronize', '', this.call.cuStreamSynchronize(stream))

  allocAsync = (bytes: number, stream: Handle): number =>
    this.make('cuMemAllocAsync', () => `${bytes} bytes`, this.call.cuMemAllocAsync(this.out.address, bytes, stream))
  freeAsync = (pointer: number, stream: Handle): void =>
    this.check('cuMemFreeAsync', () => `0x${pointer.toString(16)}`, this.call.cuMemFreeAsync(pointer, stream))
  hostAlloc(bytes: number): PinnedMemory {
    const pointer = this.make('cuMemHostAlloc', () => `${bytes} bytes of the host`, this.call.cuMemHostAlloc(this.out.address, bytes, 0))
    return { pointer, bytes: new Uint8Array(this.koffi.view(pointer, bytes)) }
  }
  hostFree = (memory: PinnedMemory): void => this.check('cuMemFreeHost', '', this.call.cuMemFreeHost(memory.pointer))

  copyToDeviceAsync = (to: number, from: PinnedMemory, bytes: number, stream: Handle): void =>
    this.check('cuMemcpyHtoDAsync', () => `${bytes} bytes`, this.call.cuMemcpyHtoDAsync_v2(to, from.pointer, bytes, stream))
  copyToHostAsync = (to: PinnedMemory, from: number, bytes: number, stream: Handle): void =>
    this.check('cuMemcpyDtoHAsync', () => `${bytes} bytes`, this.call.cuMemcpyDtoHAsync_v2(to.pointer, from, bytes, stream))
  copyOnDeviceAsync = (to: number, from: number, bytes: number, stream: Handle): void =>
    this.check('cuMemcpyDtoDAsync', () => `${bytes} bytes`, this.call.cuMemcpyDtoDAsync_v2(to, from, bytes, stream))
  setBytesAsync = (to: number, byte: number, bytes: number, stream: Handle): void =>
    this.check('cuMemsetD8Async', () => `${bytes} bytes`, this.call.cuMemsetD8Async(to, byte, bytes, stream))

  launch(
    fn: Handle,
    grid: readonly [number, number, number],
    block: readonly [number, number, number],
    dynamicSharedBytes: number,
    stream: Handle,
    parameters: readonly number[],
  ): void {
    if (parameters.length > this.argumentCount) {
      this.argumentCount = parameters.length
      this.argumentBlock = this.argumentsFor(this.argumentCount)
    }
    for (let i = 0; i < parameters.length; i++) this.argumentBlock.setPointer(i, parameters[i]!)
    const table = this.argumentBlock.address + 8 * this.argumentCount
    const status = this.call.cuLaunchKernel(fn, ...grid, ...block, dynamicSharedBytes, stream, table, 0)
    this.check('cuLaunchKernel', () => `${this.kernelName(fn)}, grid ${grid.join('x')}, block ${block.join('x')}`, status)
  }

  eventCreate = (): Handle => this.make('cuEventCreate', '', this.call.cuEventCreate(this.out.address, EVENT_DISABLE_TIMING))
  eventDestroy = (event: Handle): void => this.check('cuEventDestroy', '', this.call.cuEventDestroy_v2(event))
  eventRecord = (event: Handle, stream: Handle): void => this.check('cuEventRecord', '', this.call.cuEventRecord(event, stream))
  eventDone(event: Handle): boolean {
    const status = this.call.cuEventQuery(event)
    if (status === cudaStatus.notReady) return false
    this.check('cuEventQuery', '', status)
    return true
  }

  captureBegin = (stream: Handle): void =>
    this.check('cuStreamBeginCapture', '', this.call.cuStreamBeginCapture_v2(stream, CAPTURE_MODE_THREAD_LOCAL))
  captureEnd = (stream: Handle): Handle => this.make('cuStreamEndCapture', '', this.call.cuStreamEndCapture(stream, this.out.address))
  graphInstantiate = (graph: Handle): Handle => this.make('cuGraphInstantiate', '', this.instantiate(this.out.address, graph))
  graphLaunch = (executable: Handle, stream: Handle): void => this.check('cuGraphLaunch', '', this.call.cuGraphLaunch(executable, stream))
  graphDestroy = (graph: Handle): void => this.check('cuGraphDestroy', '', this.call.cuGraphDestroy(graph))
  graphExecutableDestroy = (executable: Handle): void => this.check('cuGraphExecDestroy', '', this.call.cuGraphExecDestroy(executable))

  close(): void {
    // The library stays: unloading it would pull the code from under the driver's threads.
    this.kernelNames.clear()
  }

  /** What the last call wrote, as a pointer or a size. */
  private get result(): number {
    return this.out.words[0]! + this.out.words[1]! * 2 ** 32
  }
  private get signedResult(): number {
    return this.out.words[0]! | 0
  }

  private make(call: string, about: string | (() => string), status: number | string | null): number {
    this.check(call, about, status)
    return this.result
  }

  private check(call: string, about: string | (() => string), status: number | string | null): void {
    if (status !== cudaStatus.success)
      throw cudaError(call, typeof about === 'string' ? about : about(), Number(status), this.nameOf(Number(status)))
  }

  /** Such as CUDA_ERROR_INVALID_VALUE; drivers do not know the names of statuses that came later. */
  private nameOf(status: number): string {
    this.out.words.fill(0)
    const known = this.errorName(status, this.out.address) === cudaStatus.success && this.result !== 0
    return known ? (this.koffi.decode.string(this.result) as string) : 'an unknown status'
  }

  private poolOf = (device: number): Handle =>
    this.make('cuDeviceGetDefaultMemPool', `device ${device}`, this.call.cuDeviceGetDefaultMemPool(this.out.address, device))

  private kernelName = (fn: Handle): string => `kernel ${this.kernelNames.get(fn) ?? 'of another driver'}`

  private argumentsFor(count: number): NativeBlock {
    const block = new NativeBlock(this.koffi, 16 * count)
    for (let i = 0; i < count; i++) block.setPointer(count + i, block.address + 8 * i)
    return block
  }

  /** What the last call wrote as text, up to the first zero. */
  private readText(): string {
    const bytes = new Uint8Array(this.text.memory)
    const end = bytes.indexOf(0)
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
  }
}
