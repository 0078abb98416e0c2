/** WebGPU in browsers and, by the npm package `webgpu`, in Node. Programs run as kernels of elements, in the order of one queue. */
import { planDispatches, type DispatchOptions } from '../../compile/dispatches.js'
import { hasKernel } from '../../compile/kept.js'
import type { Program } from '../../compile/program.js'
import { MOST_BYTES } from '../../compile/reach.js'
import { debugLog } from '../../debug/log.js'
import { TensorError } from '../../errors.js'
import type { Attrs, TensorType } from '../../graph/node.js'
import type { KernelCaps } from '../../kernel/ir.js'
import { gpuTuning, softwareTuning, type Tuning } from '../../kernel/lib/tuning.js'
import type { SymValues } from '../../shape.js'
import {
  checkStart,
  markUnstarted,
  type Device,
  type DeviceBuffer,
  type DeviceMemory,
  type DeviceRoom,
  type Executable,
  type RunOptions,
  disposedError,
} from '../device.js'
import { checkRead, checkWrite, kernelDeviceCaps, wholeWords } from '../kernel-device.js'
import { describeAdapter, type AdapterReport } from './adapter.js'
import { Allocator } from './allocator.js'
import { WebGpuExecutable, type ExecutableHost, type Stage } from './executable.js'
import { cutOf, WebGpuBuffer, type Cut } from './memory.js'
import { mayMatter, Operations, type Operation } from './operations.js'
import { Pipelines } from './pipelines.js'

const mib = 2 ** 20
/** A run waits to hear whether there was memory, when this much of what it uses has just been asked for: then it fails itself, rather than what reads its results. */
const worthWaiting = mib
/** Writes of less cannot run out of memory in any way of their own, so they are spared an error scope. */
const smallWrite = mib

export interface WebGpuOptions {
  /** How kernels are cut; by default for what the adapter is. */
  readonly tuning?: Tuning | undefined
  /** Less than the adapter's own limits, to see what a device does that has no more. */
  readonly limits?: Partial<
    Pick<AdapterReport['limits'], 'maxBufferSize' | 'maxStorageBufferBindingSize' | 'maxStorageBuffersPerShaderStage'>
  >
}

export class WebGpuDevice implements Device {
  readonly name = 'webgpu' as const
  readonly description: string
  readonly caps = kernelDeviceCaps
  readonly adapter: AdapterReport
  private readonly kernelCaps: KernelCaps
  private readonly operations: Operations
  private readonly pipelines: Pipelines
  private readonly cut: Cut
  private readonly allocator: Allocator
  private readonly host: ExecutableHost
  private readonly tuning: Tuning
  private nothing: GPUBuffer | undefined
  private disposed = false
  private readonly reads = new Set<Promise<Uint8Array>>()
  private lost: TensorError | undefined
  /** All that one kernel binds, but for a place for what it makes of it. */
  private readonly largestTensor: number

  constructor(
    /** The implementation's own device; for tests, which make it go away. */
    readonly gpu: GPUDevice,
    adapter: AdapterReport,
    { tuning = adapter.software ? softwareTuning : gpuTuning, limits: less = {} }: WebGpuOptions = {},
  ) {
    // Asked for once: each look at the limits goes to the implementation.
    const { limits } = gpu
    const least = (name: keyof typeof less): number => Math.min(limits[name], less[name] ?? Infinity)
    const maxBindings = least('maxStorageBuffersPerShaderStage')
    this.tuning = tuning
    this.adapter = adapter
    this.description = `WebGPU, ${describeAdapter(adapter)}`
    this.kernelCaps = {
      f16: gpu.features.has('shader-f16'),
      subgroups: gpu.features.has('subgroups'),
      sharedBytes: limits.maxComputeWorkgroupStorageSize,
      maxInvocations: limits.maxComputeInvocationsPerWorkgroup,
      maxWorkgroup: [limits.maxComputeWorkgroupSizeX, limits.maxComputeWorkgroupSizeY, limits.maxComputeWorkgroupSizeZ],
      maxBindings,
    }
    this.cut = cutOf({
      maxBufferSize: least('maxBufferSize'),
      maxStorageBufferBindingSize: least('maxStorageBufferBindingSize'),
    })
    this.largestTensor = Math.min(this.cut.rangeBytes * (maxBindings - 1), MOST_BYTES)
    this.operations = new Operations(gpu, this.description)
    this.allocator = new Allocator(gpu, this.operations, this.cut, this.description)
    this.pipelines = new Pipelines(gpu, this.description, this.kernelCaps)
    this.host = {
      gpu,
      allocate: (bytes, usage, label) => this.allocator.allocate(bytes, usage, label),
      release: (memory) => this.allocator.destroy(memory),
      nothing: () => (this.nothing ??= gpu.createBuffer({ size: 256 * maxBindings, usage: GPUBufferUsage.STORAGE, label: 'nothing' })),
    }
    void gpu.lost.then(({ reason, message }) => this.end(reason, message))
  }

  get gone(): boolean {
    return this.disposed || this.lost !== undefined
  }

  private get dispatchOptions(): DispatchOptions {
    const { maxBindings, sharedBytes } = this.kernelCaps
    return { maxBindings, ...this.cut, tuning: { ...this.tuning, sharedBytes } }
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    return hasKernel(op, inputs, outputs, attrs, this.dispatchOptions)
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
    return new WebGpuBuffer(this, bytes, this.allocator.take(size, bytes))
  }

  free(buffer: DeviceBuffer): void {
    const own = this.own(buffer)
    own.freed = true
    this.allocator.give(own.memory, own.bytes)
  }

  write(buffer: DeviceBuffer, bytes: Uint8Array): void {
    this.check()
    checkWrite(buffer, bytes)
    const own = this.own(buffer)
    // What was there before does not matter to a write of everything.
    if (bytes.byteLength === own.bytes) own.origin = undefined
    this.checkCauses(own.causes)
    const write = (): void => {
      for (const block of own.memory.blocks) {
        const part = bytes.subarray(block.start, block.start + block.bytes)
        if (part.byteLength > 0) this.gpu.queue.writeBuffer(block.buffer, 0, padded(part))
      }
    }
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
    const copies: Copied[] = []
    const copying = this.operations.issue(
      `reading ${bytes} bytes`,
      () => {
        const encoder = this.gpu.createCommandEncoder()
        for (const { buffer: from, start, bytes: length } of own.memory.blocks) {
          if (start >= size) break
          const part = Math.min(length, size - start)
          const to = this.gpu.createBuffer({ size: part, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })
          copies.push({ to, start, bytes: Math.min(part, bytes - start) })
          encoder.copyBufferToBuffer(from, 0, to, 0, part)
        }
        this.allocator.submit(encoder)
      },
      { causes: own.causes },
    )
    try {
      const mapping = Promise.all(copies.map(({ to }) => to.mapAsync(GPUMapMode.READ)))
      const failed = await this.operations.guard(mapping).then(
        () => undefined,
        (error: unknown) => error,
      )
      await copying.done
      if (copying.error !== undefined) throw this.operations.tell(copying.error)
      if (failed !== undefined) throw this.lost ?? new TensorError('RUNTIME', `${this.description}: reading failed: ${String(failed)}`)
      if (copies.length === 1) return new Uint8Array(copies[0]!.to.getMappedRange().slice(0, bytes))
      return joined(copies, bytes)
    } finally {
      for (const { to } of copies) to.destroy()
    }
  }

  async compile(program: Program): Promise<Executable> {
    this.check()
    const plan = planDispatches(program, this.dispatchOptions)
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
    this.allocator.count.programs++
    debugLog(2, () => `${stages.length} dispatches on ${this.description}: ${plan.dispatches.map(({ title }) => title).join(', ')}`)
    return new WebGpuExecutable(program, plan, stages, this.host, () => {
      this.allocator.count.programs--
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
    const own = executable as WebGpuExecutable
    checkStart(own, options)
    this.check()
    const [sources, targets] = this.usableForRun(inputs, outputs)
    const task: Task = { own, sources, targets, symbols, before: targets.map(({ origin }) => origin) }
    const started = this.start(task)
    if (started.fresh >= worthWaiting) return this.finish(task, started.operation)
  }

  private start({ own, sources, targets, symbols }: Task): { readonly operation: Operation; readonly fresh: number } {
    const arena = this.allocator.arenaOf(own.plan.arena)
    const memory = { inputs: sources.map((buffer) => buffer.memory), outputs: targets.map((buffer) => buffer.memory), arena }
    const all = [...new Set([...memory.inputs, ...memory.outputs, ...(arena === undefined ? [] : [arena])])]
    const operation = this.operations.issue(
      `the run of ${own.label}`,
      () => {
        const bindings = own.bind(memory)
        const encoder = this.gpu.createCommandEncoder({ label: own.label })
        own.encode(encoder, bindings, symbols)
        this.allocator.submit(encoder)
        return own.causes(bindings)
      },
      {
        causes: [...all.map(({ born }) => born), ...sources.flatMap(({ origin }) => origin ?? [])],
        onFailure: () => own.forget(),
      },
    )
    for (const buffer of targets) buffer.origin = operation
    return { operation, fresh: all.reduce((sum, { born, bytes }) => (mayMatter(born) ? sum + bytes : sum), 0) }
  }

  /** Waits for a run that may find no memory. Then what is kept for later is given back, and the run is started once more where nothing has changed since. */
  private async finish(task: Task, first: Operation): Promise<void> {
    const { own, sources, targets, before } = task
    const read = sources.map(({ origin }) => origin)
    const isUnchanged = (): boolean =>
      !own.disposed &&
      !this.gone &&
      targets.every(({ freed, origin }) => !freed && origin === first) &&
      sources.every(({ freed, origin }, i) => !freed && origin === read[i])
    /** What it was to write over is as it was. */
    const undo = (operation: Operation): void =>
      targets.forEach((buffer, i) => {
        if (buffer.origin === operation) buffer.origin = before[i]
      })
    await first.done
    let operation = first
    if (first.refused && first.error?.code === 'OUT_OF_MEMORY' && isUnchanged()) {
      await this.allocator.giveBack()
      if (isUnchanged()) {
        undo(first)
        // What failed before, as values that were never written, fails again.
        const lasting = sources.flatMap(({ memory, origin }) => [memory.born, ...(origin === undefined ? [] : [origin])])
        if (lasting.every(({ error }) => error === undefined)) {
          this.operations.tell(first.error)
          for (const { memory, bytes } of targets) if (memory.born.error !== undefined) this.allocator.askAgain(memory, bytes)
          operation = this.start(task).operation
          await operation.done
        }
      }
    }
    if (operation.error === undefined) return
    const error = this.operations.tell(operation.error)
    if (!operation.refused) throw error
    undo(operation)
    throw markUnstarted(error)
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
    return this.allocator.count.now
  }

  /** What the pool keeps of freed memory is given back first. */
  room(): DeviceRoom & { readonly largestTensor: number } {
    if (!this.gone) this.allocator.clear()
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
    this.operations.end(disposedError(this))
  }

  private end(reason: string, message: string): void {
    if (this.lost !== undefined) return
    this.lost = this.disposed
      ? disposedError(this)
      : new TensorError(
          'DEVICE_LOST',
          `${this.description} was lost (${reason}): ${message.trim().replace(/\.$/, '')}. Open a device again with resolveDevice('webgpu'), and load weights anew: what was on it is gone`,
        )
    this.operations.end(this.lost)
    this.letGo()
  }

  private letGo(): void {
    this.allocator.end()
    this.pipelines.clear()
    this.nothing?.destroy()
  }

  private check(): void {
    if (this.disposed) throw disposedError(this)
    if (this.lost !== undefined) throw this.lost
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

/** What a run is made of, to start it with. */
interface Task {
  readonly own: WebGpuExecutable
  readonly sources: readonly WebGpuBuffer[]
  readonly targets: readonly WebGpuBuffer[]
  readonly symbols: SymValues
  /** What wrote the targets last. */
  readonly before: readonly (Operation | undefined)[]
}

/** A part of what is read, where JavaScript may map it. */
interface Copied {
  readonly to: GPUBuffer
  readonly start: number
  readonly bytes: number
}

function joined(copies: readonly Copied[], bytes: number): Uint8Array {
  let whole: Uint8Array
  try {
    whole = new Uint8Array(bytes)
  } catch (cause) {
    throw new TensorError('OUT_OF_MEMORY', `JavaScript has no array of ${bytes} bytes for what is read; read slices of the tensor`, {
      cause,
    })
  }
  for (const { to, start, bytes: length } of copies) whole.set(new Uint8Array(to.getMappedRange(), 0, length), start)
  return whole
}

/** Writes are of whole words. */
function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength % 4 === 0 && bytes.buffer instanceof ArrayBuffer) return bytes as Uint8Array<ArrayBuffer>
  const words = new Uint8Array(wholeWords(bytes.byteLength))
  words.set(bytes)
  return words
}
