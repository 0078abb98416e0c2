import { planDispatches, type DispatchOptions, type DispatchPlan } from '../../compile/dispatches.js'
import { hasKernel } from '../../compile/kept.js'
import { planMemory, type MemoryPlan } from '../../compile/memory.js'
import type { Program } from '../../compile/program.js'
import { dtypes } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import { rowOf } from '../../graph/build.js'
import type { Attrs, TensorType } from '../../graph/node.js'
import type { Device, DeviceBuffer, DeviceMemory, DeviceRoom, Executable } from '../device.js'

export interface NullExecutable extends Executable {
  readonly memory: MemoryPlan
}

interface NullBuffer extends DeviceBuffer {
  freed: boolean
}

export interface NullDeviceOptions {
  /** Keep composites whole, as a device with a kernel for each would; default true. */
  readonly composites?: boolean
  /** Bytes of memory that it says are free, so that what cannot fit is refused as on a device of that size; default it says nothing. */
  readonly memory?: number
  /** Sees every program that is planned. */
  readonly onProgram?: (program: Program, memory: MemoryPlan) => void
  /** Plans what devices with kernels (WebGPU, CUDA) would dispatch, reaching at most so many arrays at a time; composites stay whole where these have a kernel. */
  readonly kernels?: DispatchOptions
  /** Sees every plan of dispatches; needs `kernels`. */
  readonly onDispatches?: (plan: DispatchPlan, program: Program) => void
}

/**
 * Compiles and plans without running or holding anything: what a program for a 70-billion-parameter model needs can be
 * asked on any machine. Reading a result is an error.
 */
export class NullDevice implements Device {
  readonly name = 'null' as const
  readonly description = 'plans programs, runs nothing'
  readonly caps = { dtypes, alias: true, outputsInPlace: true, threads: 0 }
  readonly room?: () => DeviceRoom
  private readonly options: NullDeviceOptions
  private live = 0
  private buffers = 0
  private peak = 0
  private programs = 0

  constructor(options: NullDeviceOptions = {}) {
    this.options = options
    const { memory } = options
    if (memory !== undefined) this.room = () => ({ free: memory, source: 'as it was told' })
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    if (this.options.kernels !== undefined) return hasKernel(op, inputs, outputs, attrs)
    return rowOf(op).kind === 'primitive' || this.options.composites !== false
  }

  alloc(bytes: number): DeviceBuffer {
    this.live += bytes
    this.buffers++
    this.peak = Math.max(this.peak, this.live)
    const buffer: NullBuffer = { device: this, bytes, freed: false }
    return buffer
  }

  free(buffer: DeviceBuffer): void {
    const own = buffer as NullBuffer
    if (own.freed) throw new TensorError('DISPOSED', 'a device buffer was freed twice')
    own.freed = true
    this.live -= buffer.bytes
    this.buffers--
  }

  write(): void {}

  read(): Promise<Uint8Array> {
    return Promise.reject(new TensorError('DEVICE', 'the null device only plans: it has no values to read; use cpu or reference'))
  }

  compile(program: Program): Promise<NullExecutable> {
    this.programs++
    const memory = planMemory(program)
    this.options.onProgram?.(program, memory)
    if (this.options.kernels !== undefined) this.options.onDispatches?.(planDispatches(program, this.options.kernels), program)
    let disposed = false
    const dispose = (): void => {
      if (!disposed) this.programs--
      disposed = true
    }
    return Promise.resolve({ program, memory, dispose })
  }

  /** Leaves every buffer as it is: there is nothing in them. */
  run(): void {}

  sync(): Promise<void> {
    return Promise.resolve()
  }

  memory(): DeviceMemory {
    return { liveBytes: this.live, liveBuffers: this.buffers, peakBytes: this.peak, programs: this.programs }
  }

  dispose(): Promise<void> {
    return Promise.resolve()
  }
}

/** A null device of one's own. */
export const nullDevice = (options?: NullDeviceOptions): Device => new NullDevice(options)
