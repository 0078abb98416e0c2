/** WebGPU in browsers and, by the npm package `webgpu`, in Node. Programs run as kernels of elements, in the order of one queue. */
import { planDispatches, type DispatchOptions, type DispatchPlan } from '../../compile/dispatches.js'
import { hasKernel } from '../../compile/kept.js'
import type { Program } from '../../compile/program.js'
import { debugLog } from '../../debug/log.js'
import type { DType } from '../../dtype.js'
import { TensorError } from '../../errors.js'
import type { Attrs, TensorType } from '../../graph/node.js'
import type { KernelCaps } from '../../kernel/ir.js'
import { gpuTuning, softwareTuning, type Tuning } from '../../kernel/lib/tuning.js'
import type { SymValues } from '../../shape.js'
import {
  markUnstarted,
  type Device,
  type DeviceBuffer,
  type DeviceMemory,
  type DeviceRoom,
  type Executable,
  type RunOptions,
} from '../device.js'
import { checkRead, checkWrite, MemoryCount, wholeWords } from '../kernel-device.js'
import { describeAdapter, type AdapterReport } from './adapter.js'
import { WebGpuExecutable, type ExecutableHost, type Stage } from './executable.js'
import { Memory, MemoryPool, WebGpuBuffer } from './memory.js'
import { mayMatter, Operations, type Operation } from './operations.js'
import { Pipelines } from './pipelines.js'

const dtypes: readonly DType[] = ['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool']
const mib = 2 ** 20
/** A run waits to hear whether there was memory, when this much of what it uses has just been asked for: then it fails itself, rather than what reads its results. */
const worthWaiting = mib
/** Writes of less cannot run out of memory in any way of their own, so they are spared an error scope. */
const smallWrite = mib
/** Drivers give destroyed memory back with the next submission, which comes at once after this much. */
const worthSubmitting = 16 * mib

const bufferUsage = (): GPUBufferUsageFlags => GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST

export class WebGpuDevice implements Device {
  readonly name = 'webgpu' as const
  readonly description: string
  readonly caps = { dtypes, alias: true, outputsInPlace: true, threads: 1 }
  readonly adapter: AdapterReport
  private readonly kernelCaps: KernelCaps
  private readonly operations: Operations
  private readonly pipelines: Pipelines
  private readonly pool = new MemoryPool((memory) => this.destroyMemory(memory))
  private readonly host: ExecutableHost
  private readonly count = new MemoryCount()
  /** Bytes destroyed since the last submission. */
  private unsubmitted = 0
  private disposed = false
  private readonly reads = new Set<Promise<Uint8Array>>()
  private lost: TensorError | undefined
  /** Asked for once: each look at the limits goes to the implementation. */
  private readonly largestTensor: number
  /** Memory of temporaries, which all programs use in turn. */
  private arena: Memory | undefined

  constructor(
    /** The implementation's own device; for tests, which make it go away. */
    readonly gpu: GPUDevice,
    adapter: AdapterReport,
    /** How kernels are cut; by default for what the adapter is. */
    private readonly tuning: Tuning = adapter.software ? softwareTuning : gpuTuning,
  ) {
    const { limits } = gpu
    this.adapter = adapter
    this.description = `WebGPU, ${describeAdapter(adapter)}`
    this.kernelCaps = {
      f16: gpu.features.has('shader-f16'),
      subgroups: gpu.features.has('subgroups'),
      sharedBytes: limits.maxComputeWorkgroupStorageSize,
      maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
      maxWorkgroup: [limits.maxComputeWorkgroupSizeX, limits.maxComputeWorkgroupSizeY, limits.maxComputeWorkgroupSizeZ],
      maxBindings: limits.maxStorageBuffersPerShaderStage,
    }
    // Bound whole, in units of four bytes.
    this.largestTensor = Math.floor(Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize) / 4) * 4
    this.operations = new Operations(gpu, this.description)
    this.pipelines = new Pipelines(gpu, this.description, this.kernelCaps)
    this.host = {
      gpu,
      allocate: (bytes, usage, label) => this.allocate(bytes, usage, label),
      release: (memory) => this.destroyMemory(memory),
    }
    void gpu.lost.then(({ reason, message }) => this.end(reason, message))
  }

  get gone(): boolean {
    return this.disposed || this.lost !== undefined
  }

  /** How kernels are cut. */
  private get cut(): DispatchOptions {
    const { maxBindings, sharedBytes } = this.kernelCaps
    return { maxBindings, tuning: { ...this.tuning, sharedBytes } }
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    return hasKernel(op, inputs, outputs, attrs, this.cut)
  }

  /** Whether there was memory is known later: what uses the buffer fails with OUT_OF_MEMORY when there was none. */
  alloc(bytes: number): DeviceBuffer {
    this.check()
    const { largestTensor } = this
    const size = wholeWords(bytes)
    if (size > largestTensor)
      throw new TensorError(
        'OUT_OF_MEMORY',
        `${this.description} holds at most ${largestTensor} bytes in one tensor, and was asked for ${bytes}; split it, or use device 'cpu'`,
      )
    const memory = this.pool.take(size) ?? this.allocate(size, bufferUsage(), 'a tensor')
    this.count.add(bytes)
    return new WebGpuBuffer(this, bytes, memory)
  }

  free(buffer: DeviceBuffer): void {
    const own = this.own(buffer)
    own.freed = true
    this.count.remove(own.bytes)
    if (this.gone) own.memory.destroy()
    else this.pool.give(own.memory)
  }

  write(buffer: DeviceBuffer, bytes: Uint8Array): void {
    this.check()
    checkWrite(buffer, bytes)
    const own = this.own(buffer)
    // What was there before does not matter to a write of everything.
    if (bytes.byteLength === own.bytes) own.origin = undefined
    this.checkCauses(own.causes)
    const write = (): void => this.gpu.queue.writeBuffer(own.memory.gpuBuffer, 0, padded(bytes))
    if (bytes.byteLength < smallWrite && own.memory.born.settled) write()
    else own.origin = this.operations.issue(`writing ${bytes.byteLength} bytes`, write, { causes: own.causes })
  }

  read(buffer: DeviceBuffer, bytes = buffer.bytes): Promise<Uint8Array> {
    const reading = this.copyOut(buffer, bytes)
    this.reads.add(reading)
    const end = (): void => void this.reads.delete(reading)
    reading.then(end, end)
    return reading
  }

  private async copyOut(buffer: DeviceBuffer, bytes: number): Promise<Uint8Array> {
    this.check()
    checkRead(buffer, bytes)
    const own = this.own(buffer)
    this.checkCauses(own.causes)
    if (bytes === 0) return new Uint8Array(0)
    const size = wholeWords(bytes)
    let copy: GPUBuffer | undefined
    const copying = this.operations.issue(
      `reading ${bytes} bytes`,
      () => {
        copy = this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
        const encoder = this.gpu.createCommandEncoder()
        encoder.copyBufferToBuffer(own.memory.gpuBuffer, 0, copy, 0, size)
        this.submit(encoder)
      },
      { causes: own.causes },
    )
    try {
      const mapped = await this.operations.guard(copy!.mapAsync(GPUMapMode.READ)).catch((error: unknown) => error)
      await copying.done
      if (copying.error !== undefined) throw this.operations.tell(copying.error)
      if (mapped !== undefined) throw this.lost ?? new TensorError('RUNTIME', `${this.description}: reading failed: ${String(mapped)}`)
      return new Uint8Array(copy!.getMappedRange().slice(0, bytes))
    } finally {
      copy?.destroy()
    }
  }

  async compile(program: Program): Promise<Executable> {
    this.check()
    const plan = planDispatches(program, this.cut)
    this.checkPlan(plan)
    const taken = await this.operations.guard(
      Promise.allSettled(
        plan.dispatches.map(async (dispatch): Promise<Stage> => ({ dispatch, pipeline: await this.pipelines.take(dispatch.kernel) })),
      ),
    )
    const stages = taken.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const release = (): void => stages.forEach(({ pipeline }) => this.pipelines.release(pipeline))
    try {
      this.check()
      for (const result of taken) if (result.status === 'rejected') throw result.reason
    } catch (error) {
      release()
      throw error
    }
    this.count.programs++
    debugLog(2, () => `${stages.length} dispatches on ${this.description}: ${plan.dispatches.map(({ title }) => title).join(', ')}`)
    return new WebGpuExecutable(program, plan, stages, this.host, () => {
      this.count.programs--
      release()
    })
  }

  run(
    executable: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options: RunOptions = {},
  ): void | Promise<void> {
    if (options.signal?.aborted === true)
      throw markUnstarted(new TensorError('ABORTED', 'the run was aborted before it started', { cause: options.signal.reason }))
    const own = executable as WebGpuExecutable
    if (own.disposed) throw markUnstarted(new TensorError('DISPOSED', 'run: this program was disposed'))
    this.check()
    const [sources, targets] = this.usableForRun(inputs, outputs)
    const arena = this.arenaOf(own.plan.arena)
    const memory = { inputs: sources.map((buffer) => buffer.memory), outputs: targets.map((buffer) => buffer.memory), arena }
    const all = [...new Set([...memory.inputs, ...memory.outputs, ...(arena === undefined ? [] : [arena])])]
    const operation = this.operations.issue(
      `the run of ${own.label}`,
      () => {
        const bindings = own.bind(memory)
        const encoder = this.gpu.createCommandEncoder({ label: own.label })
        own.encode(encoder, bindings, symbols)
        this.submit(encoder)
        return own.causes(bindings)
      },
      {
        causes: [...all.map(({ born }) => born), ...sources.flatMap(({ origin }) => origin ?? [])],
        onFailure: () => own.forget(),
      },
    )
    const before = targets.map(({ origin }) => origin)
    for (const buffer of targets) buffer.origin = operation
    const fresh = all.reduce((sum, { born, bytes }) => (mayMatter(born) ? sum + bytes : sum), 0)
    if (fresh < worthWaiting) return
    return operation.done.then(() => {
      if (operation.error === undefined) return
      const error = this.operations.tell(operation.error)
      if (!operation.refused) throw error
      // What it was to write over is as it was.
      targets.forEach((buffer, i) => {
        if (buffer.origin === operation) buffer.origin = before[i]
      })
      throw markUnstarted(error)
    })
  }

  async sync(): Promise<void> {
    this.check()
    await this.operations.guard(this.gpu.queue.onSubmittedWorkDone())
    await this.operations.settled()
    this.check()
    const untold = this.operations.takeUntold()
    if (untold !== undefined) throw untold
  }

  memory(): DeviceMemory {
    return this.count.now
  }

  room(): DeviceRoom & { readonly largestTensor: number } {
    return { largestTensor: this.largestTensor, source: 'WebGPU tells limits, and not how much memory is free' }
  }

  async dispose(): Promise<void> {
    if (this.disposed) return
    this.disposed = true
    // Reads under way get what they asked for; ending a process with this not awaited crashes some implementations.
    if (this.lost === undefined) await this.operations.guard(this.gpu.queue.onSubmittedWorkDone()).catch(() => undefined)
    await Promise.allSettled(this.reads)
    await this.operations.settled()
    this.letGo()
    this.gpu.destroy()
    this.operations.end(this.disposedError())
  }

  private allocate(bytes: number, usage: GPUBufferUsageFlags, label: string): Memory {
    let buffer: GPUBuffer | undefined
    // As they are now: by the time the answer comes, what was asked for is among them.
    const { liveBytes, liveBuffers } = this.count.now
    const born = this.operations.issue(
      `allocating ${bytes} bytes for ${label}`,
      () => {
        buffer = this.gpu.createBuffer({ size: bytes, usage, label })
      },
      {
        outOfMemory: () => this.outOfMemory(bytes, label, liveBytes, liveBuffers),
        // What is kept for later may be what is missing now.
        onFailure: () => this.pool.clear(),
      },
    )
    return new Memory(buffer!, bytes, born)
  }

  private outOfMemory(bytes: number, label: string, liveBytes: number, liveBuffers: number): TensorError {
    const { arena } = this
    const temporaries = arena === undefined ? '' : ` and ${arena.bytes} for temporaries`
    return new TensorError(
      'OUT_OF_MEMORY',
      `${this.description} has no memory for ${bytes} bytes (${label}); ${liveBytes} bytes are in ${liveBuffers} tensor${liveBuffers === 1 ? '' : 's'}${temporaries}. Dispose tensors that are not needed, use smaller batches or a shorter cache, or device 'cpu'`,
    )
  }

  private destroyMemory(memory: Memory): void {
    memory.destroy()
    if (this.gone) return
    const before = this.unsubmitted
    this.unsubmitted += memory.bytes
    // Once for all that goes in one turn.
    if (before < worthSubmitting && this.unsubmitted >= worthSubmitting)
      queueMicrotask(() => {
        if (this.unsubmitted >= worthSubmitting && !this.gone) this.submit(this.gpu.createCommandEncoder())
      })
  }

  private submit(encoder: GPUCommandEncoder): void {
    this.gpu.queue.submit([encoder.finish()])
    this.unsubmitted = 0
  }

  /** Tensors between kernels have to fit as those of the caller. */
  private checkPlan({ dispatches, arena }: DispatchPlan): void {
    const { largestTensor } = this
    for (const { places, title } of dispatches)
      for (const place of places)
        if (place.kind === 'temporary' && place.bytes > largestTensor)
          throw new TensorError(
            'OUT_OF_MEMORY',
            `${this.description} holds at most ${largestTensor} bytes in one tensor; ${title} works with one of ${place.bytes} between operations. Use smaller batches, or device 'cpu'`,
          )
    if (arena > this.gpu.limits.maxBufferSize)
      throw new TensorError(
        'OUT_OF_MEMORY',
        `${this.description} holds at most ${this.gpu.limits.maxBufferSize} bytes of temporaries; the program needs ${arena}. Use smaller batches, or device 'cpu'`,
      )
  }

  private arenaOf(bytes: number): Memory | undefined {
    if (bytes === 0) return undefined
    const { arena } = this
    if (arena !== undefined && arena.bytes >= bytes && arena.born.error === undefined) return arena
    if (arena !== undefined) this.destroyMemory(arena)
    return (this.arena = this.allocate(bytes, GPUBufferUsage.STORAGE, 'temporaries'))
  }

  private end(reason: string, message: string): void {
    if (this.lost !== undefined) return
    this.lost = this.disposed
      ? this.disposedError()
      : new TensorError(
          'DEVICE_LOST',
          `${this.description} was lost (${reason}): ${message.trim().replace(/\.$/, '')}. Open a device again with resolveDevice('webgpu'), and load weights anew: what was on it is gone`,
        )
    this.operations.end(this.lost)
    this.letGo()
  }

  private letGo(): void {
    this.pool.clear()
    this.pipelines.clear()
    this.arena?.destroy()
    this.arena = undefined
  }

  private check(): void {
    if (this.disposed) throw this.disposedError()
    if (this.lost !== undefined) throw this.lost
  }

  private disposedError(): TensorError {
    return new TensorError('DISPOSED', `the device (${this.description}) was disposed`)
  }

  private own(buffer: DeviceBuffer): WebGpuBuffer {
    if (buffer instanceof WebGpuBuffer && buffer.device === this) {
      if (buffer.freed) throw new TensorError('DISPOSED', 'a device buffer was used after it was freed')
      return buffer
    }
    throw new TensorError('DEVICE', `a buffer of ${buffer.device.name} was given to ${this.name}`)
  }

  /** Throws what is known to have failed. */
  private checkCauses(causes: readonly Operation[]): void {
    for (const { error } of causes) if (error !== undefined) throw this.operations.tell(error)
  }

  private usableForRun(inputs: readonly DeviceBuffer[], outputs: readonly DeviceBuffer[]): readonly [WebGpuBuffer[], WebGpuBuffer[]] {
    try {
      const [sources, targets] = [inputs.map((buffer) => this.own(buffer)), outputs.map((buffer) => this.own(buffer))]
      for (const { causes } of sources) this.checkCauses(causes)
      for (const { memory } of targets) this.checkCauses([memory.born])
      return [sources, targets]
    } catch (error) {
      throw markUnstarted(error as object)
    }
  }
}

/** Writes are of whole words. */
function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength % 4 === 0 && bytes.buffer instanceof ArrayBuffer) return bytes as Uint8Array<ArrayBuffer>
  const words = new Uint8Array(wholeWords(bytes.byteLength))
  words.set(bytes)
  return words
}
