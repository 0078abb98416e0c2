import { TensorError } from '../../../errors.js'
import type { DevicePointer, Handle } from '../driver.js'
import { DeviceMemory } from './device-memory.js'
import { HostMemory } from './host-memory.js'
import type { MachineOptions, ThreadOrder } from './machine.js'
import type { LoadedModule } from './modules.js'
import { statusError, type Status } from './status.js'
import type { Checks, TranslatedKernel } from './translation.js'

export interface EmulatorOptions {
  /** Major and minor number; default `[8, 0]`. */
  readonly capability?: readonly [number, number]
  /** Devices of the machine; default 1. */
  readonly devices?: number
  /** CUDA's version, 12040 (the default) for 12.4. */
  readonly version?: number
  /** Bytes of device memory; default 1 GiB. Only what is allocated takes memory of the host. */
  readonly capacity?: number
  /** `eager`: each call is done at once. `lazy` (the default): as late as a device may, when something waits for it. */
  readonly streams?: 'eager' | 'lazy'
  /** In which order threads and blocks run; default `forward`. */
  readonly order?: ThreadOrder
  /** Of the order `random`; default 1. */
  readonly seed?: number
  /** Default: races and unwritten shared memory are looked for, unwritten global memory is not. */
  readonly checks?: Partial<Checks>
  /** `rounded` (the default) or moved by the errors that NVIDIA states. */
  readonly approximations?: 'rounded' | 'perturbed'
  /** Turns of all loops of one thread after which it counts as endless; default 2^28. */
  readonly maxTurns?: number
  /** Makes calls fail: the status that the `time`-th call of a method (from 1 on) answers with, such as 2 for no memory; undefined lets it be made. */
  readonly failing?: (method: string, time: number) => Status | undefined
}

export type Work = () => void

export interface Stream {
  readonly kind: 'stream'
  readonly queue: Work[]
  capture: Work[] | undefined
}
interface Event {
  readonly kind: 'event'
  state: 'done' | 'pending' | 'captured'
  stream: Stream | undefined
}
interface Module {
  readonly kind: 'module'
  readonly loaded: LoadedModule
  readonly functions: Map<string, Handle>
}
interface Fn {
  readonly kind: 'function'
  readonly kernel: TranslatedKernel
  dynamicLimit: number
}
interface Graph {
  readonly kind: 'graph'
  readonly work: readonly Work[]
}
interface Executable {
  readonly kind: 'executable'
  readonly work: readonly Work[]
}
interface Context {
  readonly kind: 'context'
  uses: number
}
export type Named = Stream | Event | Module | Fn | Graph | Executable | Context

export const STATIC_SHARED = 48 * 1024
/** Shared memory of one block by compute capability. Source: NVIDIA, "CUDA C++ Programming Guide", technical specifications per compute capability. */
const sharedOptIn: Readonly<Record<number, number>> = { 75: 65536, 80: 166912, 86: 101376, 87: 166912, 89: 101376, 90: 232448 }

/** What the calls of an emulated driver share: handles, streams and what went wrong. */
export class DriverState {
  readonly calls = new Map<string, number>()
  readonly description: string
  protected readonly capability: readonly [number, number]
  protected readonly version: number
  protected readonly lazy: boolean
  protected readonly memory: DeviceMemory
  protected readonly host = new HostMemory()
  protected readonly machine: MachineOptions
  protected readonly named = new Map<Handle, Named>()
  protected readonly defaultStream: Stream = { kind: 'stream', queue: [], capture: undefined }
  protected next = 0x5000
  protected initialised = false
  protected closed = false
  protected current: Context | undefined
  protected primary: Handle | undefined
  /** What made the context useless. */
  protected lost: { readonly status: Status; readonly message: string } | undefined

  constructor(protected readonly options: EmulatorOptions) {
    this.capability = options.capability ?? [8, 0]
    this.version = options.version ?? 12040
    this.lazy = (options.streams ?? 'lazy') === 'lazy'
    this.memory = new DeviceMemory(options.capacity ?? 2 ** 30)
    this.machine = {
      order: options.order ?? 'forward',
      seed: options.seed ?? 1,
      checks: { races: true, shared: true, global: false, ...options.checks },
      approximations: options.approximations ?? 'rounded',
      maxTurns: options.maxTurns ?? 2 ** 28,
    }
    this.description = `emulated CUDA ${Math.floor(this.version / 1000)}.${Math.floor((this.version % 1000) / 10)}`
  }

  protected get sharedMost(): number {
    return sharedOptIn[this.capability[0] * 10 + this.capability[1]] ?? STATIC_SHARED
  }

  /** What every call begins with: counting it, and telling what went wrong before. */
  protected enter(call: string, { context = true, initialised = true, lost = true, counted = true } = {}): void {
    if (counted) this.calls.set(call, (this.calls.get(call) ?? 0) + 1)
    if (this.closed) this.refuse(4, call, 'the driver was closed')
    if (initialised && !this.initialised) this.refuse(3, call, 'cuInit was not called')
    if (lost && this.lost !== undefined) throw statusError(this.lost.status, call, this.lost.message)
    const failed = counted ? this.options.failing?.(call, this.calls.get(call)!) : undefined
    if (failed !== undefined) this.refuse(failed, call, 'made to fail')
    if (context && this.current === undefined) this.refuse(201, call, 'no context is current')
  }

  protected refuse(status: Status, call: string, about: string): never {
    throw statusError(status, call, about)
  }

  protected lose(status: Status, message: string): void {
    this.lost ??= { status, message }
  }

  protected enqueue(stream: Stream, work: Work): void {
    if (stream.capture !== undefined) stream.capture.push(work)
    else if (this.lazy) stream.queue.push(work)
    else if (this.lost === undefined) work()
  }

  /** Runs what waits; nothing more runs after a failure. */
  protected drain(stream: Stream): void {
    for (;;) {
      const work = stream.queue.shift()
      if (work === undefined) return
      if (this.lost === undefined) work()
    }
  }

  protected name(what: Named): Handle {
    const handle = (this.next += 16)
    this.named.set(handle, what)
    return handle
  }

  protected get<K extends Named['kind']>(handle: Handle, kind: K, call: string): Extract<Named, { readonly kind: K }>
  protected get(handle: Handle, kind: Named['kind'], call: string): Named {
    const found = this.named.get(handle)
    return found?.kind === kind ? found : this.refuse(400, call, `${String(handle)} is no ${kind}`)
  }

  /** 0 is the stream that every context has. */
  protected streamOf(handle: Handle, call: string): Stream {
    return handle === 0 ? this.defaultStream : this.get(handle, 'stream', call)
  }

  protected checkDevice(device: number): void {
    const count = this.options.devices ?? 1
    if (!(Number.isInteger(device) && device >= 0 && device < count)) this.refuse(101, 'cuDeviceGet', `device ${device} of ${count}`)
  }

  protected checkRange(call: string, pointer: DevicePointer, bytes: number): void {
    const problem = this.memory.problem(pointer, bytes, 1, false, false)
    if (problem !== undefined) this.refuse(1, call, `${bytes} bytes: ${problem.message}`)
  }

  protected checkHost(call: string, pointer: Handle, bytes: number): void {
    if (this.host.range(pointer, bytes) === undefined)
      this.refuse(1, call, `${bytes} bytes at 0x${pointer.toString(16)} are no pinned memory`)
  }

  /** What was memory when the call was made may be none when it is done. */
  protected reach(call: string, pointer: DevicePointer, bytes: number): void {
    const problem = this.memory.problem(pointer, bytes, 1, false, false)
    if (problem !== undefined) throw new TensorError('RUNTIME', `${call}, when the stream came to it: ${problem.message}`)
  }

  protected hostBytes(call: string, pointer: Handle, bytes: number): Uint8Array {
    const found = this.host.range(pointer, bytes)
    if (found === undefined) throw new TensorError('RUNTIME', `${call}, when the stream came to it: the pinned memory had been freed`)
    return found
  }
}
