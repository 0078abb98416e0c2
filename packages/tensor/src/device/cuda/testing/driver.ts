/**
 * NVIDIA's driver without a GPU: it takes the PTX that this package prints, and runs it on the processor. Memory has addresses, an end and bytes that nobody wrote; streams
 * may be run as late as a real device might; what a kernel does wrong is told with the line, thread and block, and the context is of no use afterwards.
 */
import {
  deviceAttribute,
  functionAttribute,
  type CudaDriver,
  type DeviceAttribute,
  type DevicePointer,
  type Dim3,
  type FunctionAttribute,
  type Handle,
  type PinnedMemory,
} from '../driver.js'
import type { DeviceMemory } from './device-memory.js'
import { DriverState, STATIC_SHARED, type EmulatorOptions } from './driver-state.js'
import { KernelFault } from './fault.js'
import { runKernel } from './machine.js'
import { loadModule } from './modules.js'
import { faultStatus, type Status } from './status.js'

/** What was made and not let go of. */
export interface Live {
  readonly allocations: number
  readonly bytes: number
  readonly hostAllocations: number
  readonly contexts: number
  readonly modules: number
  readonly streams: number
  readonly events: number
  readonly graphs: number
  readonly graphExecutables: number
}

export interface EmulatedDriver extends CudaDriver {
  live(): Live
  /** Puts the work of a library on a stream, which calls the driver by itself. */
  submit(call: string, stream: Handle, work: (memory: DeviceMemory) => void): void
  /** How often each method was called. */
  readonly calls: ReadonlyMap<string, number>
}

export type { EmulatorOptions } from './driver-state.js'

const MOST_THREADS = 1024
const axes = ['x', 'y', 'z'] as const
const mostGrid: Dim3 = [2 ** 31 - 1, 65535, 65535]
const mostBlock: Dim3 = [1024, 1024, 64]

/** A driver with emulated devices. It gives the same results in every run. */
export function emulatedDriver(options: EmulatorOptions = {}): EmulatedDriver {
  return new Emulator(options)
}

class Emulator extends DriverState implements EmulatedDriver {
  init(): void {
    this.enter('init', { context: false, initialised: false })
    this.initialised = true
  }

  driverVersion(): number {
    this.enter('driverVersion', { context: false, initialised: false })
    return this.version
  }

  deviceCount(): number {
    this.enter('deviceCount', { context: false })
    return this.options.devices ?? 1
  }

  deviceName(device: number): string {
    this.enter('deviceName', { context: false })
    this.checkDevice(device)
    return `Emulated device of compute capability ${this.capability.join('.')}`
  }

  deviceTotalBytes(device: number): number {
    this.enter('deviceTotalBytes', { context: false })
    this.checkDevice(device)
    return this.memory.capacity
  }

  deviceAttribute(attribute: DeviceAttribute, device: number): number {
    this.enter('deviceAttribute', { context: false })
    this.checkDevice(device)
    const [major, minor] = this.capability
    const values: Readonly<Record<DeviceAttribute, number>> = {
      [deviceAttribute.maxThreadsPerBlock]: MOST_THREADS,
      [deviceAttribute.maxBlockDimX]: mostBlock[0],
      [deviceAttribute.maxBlockDimY]: mostBlock[1],
      [deviceAttribute.maxBlockDimZ]: mostBlock[2],
      [deviceAttribute.maxGridDimX]: mostGrid[0],
      [deviceAttribute.maxGridDimY]: mostGrid[1],
      [deviceAttribute.maxSharedMemoryPerBlock]: STATIC_SHARED,
      [deviceAttribute.warpSize]: 32,
      [deviceAttribute.multiprocessorCount]: 8,
      [deviceAttribute.computeCapabilityMajor]: major,
      [deviceAttribute.computeCapabilityMinor]: minor,
      [deviceAttribute.maxSharedMemoryPerBlockOptin]: this.sharedMost,
      [deviceAttribute.memoryPoolsSupported]: 1,
    }
    return values[attribute] ?? this.refuse(1, 'cuDeviceGetAttribute', `attribute ${String(attribute)}`)
  }

  primaryContextRetain(device: number): Handle {
    this.enter('primaryContextRetain', { context: false })
    this.checkDevice(device)
    this.primary ??= this.name({ kind: 'context', uses: 0 })
    this.get(this.primary, 'context', 'cuDevicePrimaryCtxRetain').uses++
    return this.primary
  }

  primaryContextRelease(device: number): void {
    this.enter('primaryContextRelease', { context: false, lost: false })
    this.checkDevice(device)
    if (this.primary === undefined) this.refuse(201, 'cuDevicePrimaryCtxRelease', 'it was not retained')
    const context = this.get(this.primary, 'context', 'cuDevicePrimaryCtxRelease')
    if (--context.uses > 0) return
    // What belonged to it goes with it, and what was wrong too.
    this.named.delete(this.primary)
    this.primary = undefined
    this.current = undefined
    this.lost = undefined
  }

  contextSetCurrent(context: Handle): void {
    this.enter('contextSetCurrent', { context: false })
    this.current = this.get(context, 'context', 'cuCtxSetCurrent')
  }

  memoryInfo(): { readonly free: number; readonly total: number } {
    this.enter('memoryInfo')
    return { free: this.memory.capacity - this.memory.usedBytes, total: this.memory.capacity }
  }

  moduleLoad(ptx: string): Handle {
    this.enter('moduleLoad')
    const loaded = loadModule(ptx, { checks: this.machine.checks, capability: this.capability, version: this.version })
    return this.name({ kind: 'module', loaded, functions: new Map() })
  }

  moduleUnload(module: Handle): void {
    this.enter('moduleUnload')
    const { functions } = this.get(module, 'module', 'cuModuleUnload')
    for (const handle of functions.values()) this.named.delete(handle)
    this.named.delete(module)
  }

  moduleFunction(module: Handle, name: string): Handle {
    this.enter('moduleFunction')
    const { loaded, functions } = this.get(module, 'module', 'cuModuleGetFunction')
    const kernel = loaded.kernels.get(name)
    if (kernel === undefined)
      return this.refuse(500, 'cuModuleGetFunction', `'${name}'; the module has ${[...loaded.kernels.keys()].join(', ')}`)
    let handle = functions.get(name)
    if (handle === undefined) {
      handle = this.name({ kind: 'function', kernel, dynamicLimit: STATIC_SHARED - kernel.shared.packedBytes })
      functions.set(name, handle)
    }
    return handle
  }

  functionAttribute(attribute: FunctionAttribute, fn: Handle): number {
    this.enter('functionAttribute')
    const { kernel, dynamicLimit } = this.get(fn, 'function', 'cuFuncGetAttribute')
    switch (attribute) {
      case functionAttribute.sharedBytes:
        return kernel.shared.packedBytes
      case functionAttribute.localBytes:
        return kernel.localBytes
      case functionAttribute.registers:
        // Virtual ones, of which a compiler needs a few at a time.
        return Math.min(255, 16 + Math.ceil(kernel.entry.registers.size / 8))
      case functionAttribute.maxDynamicSharedBytes:
        return dynamicLimit
      default:
        return this.refuse(1, 'cuFuncGetAttribute', `attribute ${String(attribute satisfies never)}`)
    }
  }

  functionSetAttribute(attribute: FunctionAttribute, fn: Handle, value: number): void {
    this.enter('functionSetAttribute')
    const own = this.get(fn, 'function', 'cuFuncSetAttribute')
    const most = this.sharedMost - own.kernel.shared.packedBytes
    if (attribute !== functionAttribute.maxDynamicSharedBytes || !(value >= 0 && value <= most))
      this.refuse(
        1,
        'cuFuncSetAttribute',
        `attribute ${attribute} of ${own.kernel.entry.name} to ${value}; dynamic shared memory goes up to ${most}`,
      )
    own.dynamicLimit = value
  }

  streamCreate(): Handle {
    this.enter('streamCreate')
    return this.name({ kind: 'stream', queue: [], capture: undefined })
  }

  streamDestroy(stream: Handle): void {
    this.enter('streamDestroy')
    const own = this.get(stream, 'stream', 'cuStreamDestroy')
    // What is under way is finished before the stream goes.
    this.drain(own)
    this.named.delete(stream)
  }

  streamSynchronize(stream: Handle): void {
    this.enter('streamSynchronize')
    const own = this.streamOf(stream, 'cuStreamSynchronize')
    if (own.capture !== undefined) this.refuse(900, 'cuStreamSynchronize', 'the stream is being captured')
    this.drain(own)
    this.enter('streamSynchronize', { counted: false })
  }

  allocAsync(bytes: number, stream: Handle): DevicePointer {
    this.enter('allocAsync')
    const own = this.streamOf(stream, 'cuMemAllocAsync')
    if (own.capture !== undefined) this.refuse(900, 'cuMemAllocAsync', 'memory of graphs is not emulated; allocate before the capture')
    if (!(Number.isSafeInteger(bytes) && bytes > 0)) this.refuse(1, 'cuMemAllocAsync', `${bytes} bytes`)
    let pointer = this.memory.alloc(bytes)
    if (pointer === undefined) {
      // Memory that is freed in the stream's order is there for what comes behind it.
      this.drain(own)
      this.enter('allocAsync', { counted: false })
      pointer = this.memory.alloc(bytes)
    }
    return pointer ?? this.refuse(2, 'cuMemAllocAsync', `${bytes} bytes; ${this.memory.usedBytes} of ${this.memory.capacity} are in use`)
  }

  freeAsync(pointer: DevicePointer, stream: Handle): void {
    this.enter('freeAsync')
    const own = this.streamOf(stream, 'cuMemFreeAsync')
    if (own.capture !== undefined) this.refuse(900, 'cuMemFreeAsync', 'memory of graphs is not emulated; free after the capture')
    if (!this.memory.allocations.some(({ address }) => address === pointer))
      this.refuse(1, 'cuMemFreeAsync', `0x${pointer.toString(16)} is no allocation`)
    this.enqueue(own, () => {
      if (!this.memory.release(pointer)) this.lose(700, `cuMemFreeAsync: 0x${pointer.toString(16)} was freed twice`)
    })
  }

  hostAlloc(bytes: number): PinnedMemory {
    this.enter('hostAlloc')
    if (!(Number.isSafeInteger(bytes) && bytes > 0)) this.refuse(1, 'cuMemHostAlloc', `${bytes} bytes`)
    return this.host.alloc(bytes)
  }

  hostFree(memory: PinnedMemory): void {
    this.enter('hostFree')
    if (!this.host.free(memory.pointer)) this.refuse(1, 'cuMemFreeHost', `0x${memory.pointer.toString(16)} is no allocation`)
  }

  copyToDeviceAsync(to: DevicePointer, from: PinnedMemory, bytes: number, stream: Handle): void {
    this.enter('copyToDeviceAsync')
    const own = this.streamOf(stream, 'cuMemcpyHtoDAsync')
    this.checkRange('cuMemcpyHtoDAsync', to, bytes)
    this.checkHost('cuMemcpyHtoDAsync', from.pointer, bytes)
    this.enqueue(own, () => {
      this.reach('cuMemcpyHtoDAsync', to, bytes)
      this.memory.range(to, bytes).set(this.hostBytes('cuMemcpyHtoDAsync', from.pointer, bytes))
      this.memory.markWritten(to, bytes)
    })
  }

  copyToHostAsync(to: PinnedMemory, from: DevicePointer, bytes: number, stream: Handle): void {
    this.enter('copyToHostAsync')
    const own = this.streamOf(stream, 'cuMemcpyDtoHAsync')
    this.checkRange('cuMemcpyDtoHAsync', from, bytes)
    this.checkHost('cuMemcpyDtoHAsync', to.pointer, bytes)
    this.enqueue(own, () => {
      this.reach('cuMemcpyDtoHAsync', from, bytes)
      this.hostBytes('cuMemcpyDtoHAsync', to.pointer, bytes).set(this.memory.range(from, bytes))
    })
  }

  copyOnDeviceAsync(to: DevicePointer, from: DevicePointer, bytes: number, stream: Handle): void {
    this.enter('copyOnDeviceAsync')
    const own = this.streamOf(stream, 'cuMemcpyDtoDAsync')
    this.checkRange('cuMemcpyDtoDAsync', to, bytes)
    this.checkRange('cuMemcpyDtoDAsync', from, bytes)
    this.enqueue(own, () => {
      this.reach('cuMemcpyDtoDAsync', to, bytes)
      this.reach('cuMemcpyDtoDAsync', from, bytes)
      this.memory.range(to, bytes).set(this.memory.range(from, bytes))
      this.memory.copyState(to, from, bytes)
    })
  }

  setBytesAsync(to: DevicePointer, byte: number, bytes: number, stream: Handle): void {
    this.enter('setBytesAsync')
    const own = this.streamOf(stream, 'cuMemsetD8Async')
    this.checkRange('cuMemsetD8Async', to, bytes)
    this.enqueue(own, () => {
      this.reach('cuMemsetD8Async', to, bytes)
      this.memory.range(to, bytes).fill(byte)
      this.memory.markWritten(to, bytes)
    })
  }

  launch(fn: Handle, grid: Dim3, block: Dim3, dynamicSharedBytes: number, stream: Handle, parameters: readonly DevicePointer[]): void {
    this.enter('launch')
    const { kernel, dynamicLimit } = this.get(fn, 'function', 'cuLaunchKernel')
    const own = this.streamOf(stream, 'cuLaunchKernel')
    const { name, threads, parameters: wanted } = kernel.entry
    const refuse = (what: string, status: Status = 1): never => this.refuse(status, 'cuLaunchKernel', `${name}: ${what}`)
    for (const [sizes, most, what] of [
      [grid, mostGrid, 'blocks'],
      [block, mostBlock, 'threads'],
    ] as const)
      sizes.forEach((size, axis) => {
        if (!(Number.isInteger(size) && size >= 1 && size <= most[axis]!))
          refuse(`${size} ${what} along ${axes[axis]}; expected 1 to ${most[axis]}`)
      })
    if (block[0] * block[1] * block[2] > MOST_THREADS) refuse(`${block.join('x')} threads in a block; at most ${MOST_THREADS}`)
    if (threads !== undefined && threads.some((size, axis) => size !== block[axis]))
      refuse(`blocks of ${block.join('x')} threads; the kernel requires ${threads.join('x')}`)
    if (dynamicSharedBytes > dynamicLimit)
      refuse(`${dynamicSharedBytes} bytes of dynamic shared memory; its limit is set to ${dynamicLimit}`)
    if (parameters.length !== wanted.length) refuse(`${parameters.length} parameters; it has ${wanted.length}: ${wanted.join(', ')}`)
    const given = [...parameters]
    this.enqueue(own, () => {
      try {
        runKernel(kernel, this.memory, { grid, block, dynamicSharedBytes, parameters: given }, this.machine)
      } catch (error) {
        if (!(error instanceof KernelFault)) throw error
        this.lose(faultStatus(error.kind), error.message)
      }
    })
  }

  submit(call: string, stream: Handle, work: (memory: DeviceMemory) => void): void {
    this.enter('submit')
    this.enqueue(this.streamOf(stream, call), () => work(this.memory))
  }

  eventCreate(): Handle {
    this.enter('eventCreate')
    return this.name({ kind: 'event', state: 'done', stream: undefined })
  }

  eventDestroy(event: Handle): void {
    this.enter('eventDestroy')
    this.get(event, 'event', 'cuEventDestroy')
    this.named.delete(event)
  }

  eventRecord(event: Handle, stream: Handle): void {
    this.enter('eventRecord')
    const own = this.get(event, 'event', 'cuEventRecord')
    own.stream = this.streamOf(stream, 'cuEventRecord')
    // In a graph it only says what comes before what.
    if (own.stream.capture !== undefined) {
      own.state = 'captured'
      return
    }
    own.state = 'pending'
    this.enqueue(own.stream, () => {
      own.state = 'done'
    })
  }

  eventDone(event: Handle): boolean {
    this.enter('eventDone')
    const own = this.get(event, 'event', 'cuEventQuery')
    if (own.state === 'captured') this.refuse(907, 'cuEventQuery', 'the event was recorded in a capture')
    if (own.state === 'done') return true
    // Whoever asks has time to spare, in which the device gets on; this time the answer is still no.
    this.drain(own.stream!)
    return false
  }

  captureBegin(stream: Handle): void {
    this.enter('captureBegin')
    const own = this.get(stream, 'stream', 'cuStreamBeginCapture')
    if (own.capture !== undefined) this.refuse(1, 'cuStreamBeginCapture', 'the stream is being captured')
    own.capture = []
  }

  captureEnd(stream: Handle): Handle {
    this.enter('captureEnd')
    const own = this.get(stream, 'stream', 'cuStreamEndCapture')
    const work = own.capture ?? this.refuse(1, 'cuStreamEndCapture', 'nothing is being captured')
    own.capture = undefined
    return this.name({ kind: 'graph', work })
  }

  graphInstantiate(graph: Handle): Handle {
    this.enter('graphInstantiate')
    const { work } = this.get(graph, 'graph', 'cuGraphInstantiate')
    return this.name({ kind: 'executable', work })
  }

  graphLaunch(executable: Handle, stream: Handle): void {
    this.enter('graphLaunch')
    const { work } = this.get(executable, 'executable', 'cuGraphLaunch')
    const own = this.streamOf(stream, 'cuGraphLaunch')
    for (const each of work) this.enqueue(own, each)
  }

  graphDestroy(graph: Handle): void {
    this.enter('graphDestroy')
    this.get(graph, 'graph', 'cuGraphDestroy')
    this.named.delete(graph)
  }

  graphExecutableDestroy(executable: Handle): void {
    this.enter('graphExecutableDestroy')
    this.get(executable, 'executable', 'cuGraphExecDestroy')
    this.named.delete(executable)
  }

  close(): void {
    this.closed = true
  }

  live(): Live {
    const count = (kind: string): number => [...this.named.values()].filter((each) => each.kind === kind).length
    return {
      allocations: this.memory.allocations.length,
      bytes: this.memory.usedBytes,
      hostAllocations: this.host.count,
      contexts: count('context'),
      modules: count('module'),
      streams: count('stream'),
      events: count('event'),
      graphs: count('graph'),
      graphExecutables: count('executable'),
    }
  }
}
