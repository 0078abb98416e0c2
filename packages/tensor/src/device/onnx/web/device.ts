/**
 * The CPU device in pages: programs run on ONNX Runtime's WebAssembly over tensors in its own memory, so nothing is copied and caches are written in place; products with quantised weights are computed by kernels of
 * ours. Weights are there once, whatever the number of programs.
 */
import type { Program } from '../../../compile/program.js'
import { TensorError } from '../../../errors.js'
import type { Attrs, TensorType } from '../../../graph/node.js'
import { byteSize, type DType } from '../../../dtype.js'
import { elementCountAt, printShape, type SymValues } from '../../../shape.js'
import {
  checkCall,
  checkOwner,
  disposedError,
  checkStart,
  markUnstarted,
  type Device,
  type DeviceBuffer,
  type DeviceCaps,
  type DeviceMemory,
  type DeviceRoom,
  type Executable,
  type RunOptions,
} from '../../device.js'
import { emitModel, supportsNatively } from '../emit/emit.js'
import { TaskQueue } from '../queue.js'
import type { WholeModel, WholeModelSession } from '../whole-model.js'
import { WasmExecutable, type Call } from './executable.js'
import { partition } from './partition.js'
import type { OrtRuntime } from './runtime.js'
import { Sessions, type SharedSession } from './sessions.js'
import type { Team } from './team.js'

// Those of the package's JavaScript, which runs models as they are.
const storageDtypes: readonly DType[] = ['f32', 'f16', 'i32', 'u32', 'i8', 'u8', 'bool']

/** Milliseconds after which a run lets the page do something else. */
const PATIENCE = 30

class WasmBuffer implements DeviceBuffer {
  freed = false

  constructor(
    readonly device: Device,
    readonly bytes: number,
    readonly address: number,
  ) {}
}

export interface WasmDeviceOptions {
  readonly runtime: OrtRuntime
  readonly team: Team
  readonly threads: number
  /** Package name and version. */
  readonly label: string
  /** What else helps where a dtype is missing. */
  readonly dtypeHelp?: string
  /** Opens the device that runs models as they are, when one is asked for. */
  readonly wholeModels: () => Promise<Device>
}

export class WasmDevice implements Device {
  readonly name = 'cpu'
  readonly description: string
  readonly caps: DeviceCaps
  private readonly queue = new TaskQueue()
  private readonly sessions: Sessions
  private readonly executables = new Set<WasmExecutable>()
  private whole: Promise<Device> | undefined
  private liveBytes = 0
  private liveBuffers = 0
  private peakBytes = 0
  private disposed = false

  constructor(private readonly options: WasmDeviceOptions) {
    const { threads, label, runtime } = options
    this.description = `${label} (WebAssembly), ${threads} thread${threads === 1 ? '' : 's'}`
    this.caps = { dtypes: storageDtypes, alias: true, outputsInPlace: true, threads, anyLength: true }
    this.sessions = new Sessions(runtime, emitModel)
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    return supportsNatively(op, inputs, outputs, attrs, 'web')
  }

  alloc(bytes: number): WasmBuffer {
    this.checkAlive()
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new TensorError('VALUE', `a buffer needs a non-negative integer of bytes, got ${bytes}`)
    if (bytes > 2 ** 32)
      throw new TensorError('OUT_OF_MEMORY', `no memory for a buffer of ${bytes} bytes: WebAssembly addresses 4 GiB in all`)
    const buffer = new WasmBuffer(this, bytes, this.options.runtime.alloc(bytes))
    this.liveBuffers++
    this.liveBytes += bytes
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes)
    return buffer
  }

  free(handle: DeviceBuffer): void {
    const buffer = this.own(handle)
    if (buffer.freed) throw new TensorError('DISPOSED', 'this buffer was freed before')
    buffer.freed = true
    this.liveBuffers--
    this.liveBytes -= buffer.bytes
    this.soon(() => this.options.runtime.free(buffer.address))
  }

  write(handle: DeviceBuffer, bytes: Uint8Array): void {
    const buffer = this.alive(handle)
    if (bytes.byteLength > buffer.bytes)
      throw new TensorError('VALUE', `write: ${bytes.byteLength} bytes do not fit in a buffer of ${buffer.bytes}`)
    const { runtime } = this.options
    if (this.queue.idle) return runtime.bytes.set(bytes, buffer.address)
    const copy = bytes.slice()
    this.soon(() => runtime.bytes.set(copy, buffer.address))
  }

  read(handle: DeviceBuffer, bytes: number = handle.bytes): Promise<Uint8Array> {
    try {
      const buffer = this.alive(handle)
      if (!Number.isInteger(bytes) || bytes < 0 || bytes > buffer.bytes)
        throw new TensorError('VALUE', `read: ${bytes} bytes of a buffer of ${buffer.bytes}`)
      return new Promise((resolve) => {
        this.soon(() => {
          // Shared memory is what few functions of the web take: what is read is not.
          const copy = new Uint8Array(bytes)
          copy.set(this.options.runtime.bytes.subarray(buffer.address, buffer.address + bytes))
          resolve(copy)
        })
      })
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  async compile(program: Program): Promise<WasmExecutable> {
    this.checkAlive()
    for (const { dtype } of [...program.inputs, ...program.outputs]) this.checkType(dtype)
    const parts = partition(program)
    const taken: (SharedSession | undefined)[] = []
    let executable: WasmExecutable
    try {
      for (const { segment } of parts.stages) taken.push(segment === undefined ? undefined : await this.sessions.take(segment.program))
      this.checkAlive()
      executable = new WasmExecutable(program, parts, taken, this.options.runtime, this.options.team, (ended) => this.release(ended))
    } catch (error) {
      for (const session of taken) if (session !== undefined) this.sessions.give(session)
      throw error
    }
    this.executables.add(executable)
    return executable
  }

  run(
    handle: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options?: RunOptions,
  ): Promise<void> {
    const executable = handle as WasmExecutable
    const { program } = executable
    this.checkAlive()
    const { signal } = options ?? {}
    checkStart(executable, { ...(signal === undefined ? {} : { signal }) })
    const values: SymValues = new Map(symbols)
    checkCall(program, inputs, outputs, values)
    const call: Call = {
      inputs: inputs.map((buffer, i) => this.addressFor(buffer, program.inputs[i]!, values)),
      outputs: outputs.map((buffer, i) => this.addressFor(buffer, program.outputs[i]!, values)),
      symbols: values,
    }
    executable.pending++
    return new Promise((resolve, reject) => {
      this.queue.push((done) => {
        const settle = (error?: unknown): void => {
          executable.settle()
          done()
          if (error === undefined) resolve()
          else reject(error as Error)
        }
        if (signal?.aborted === true) return settle(markUnstarted(aborted(signal)))
        this.launch(executable, call, options).then(() => settle(), settle)
      })
    })
  }

  async openModel(model: WholeModel): Promise<WholeModelSession> {
    this.checkAlive()
    this.whole ??= this.options.wholeModels()
    return (await this.whole).openModel!(model)
  }

  sync(): Promise<void> {
    return this.queue.settled()
  }

  room(): DeviceRoom {
    return { largestTensor: 2 ** 32 - 1, free: 2 ** 32 - this.liveBytes, source: 'WebAssembly addresses 4 GiB in all' }
  }

  memory(): DeviceMemory {
    return { liveBytes: this.liveBytes, liveBuffers: this.liveBuffers, peakBytes: this.peakBytes, programs: this.executables.size }
  }

  async dispose(): Promise<void> {
    if (this.disposed) return
    this.disposed = true
    await this.queue.settled()
    for (const executable of this.executables) {
      executable.disposed = true
      this.release(executable)
    }
    this.options.team.dispose()
    await (await this.whole)?.dispose()
    this.liveBytes = this.liveBuffers = 0
  }

  private async launch(executable: WasmExecutable, call: Call, options: RunOptions | undefined): Promise<void> {
    const start = performance.now()
    let since = start
    executable.begin(call)
    for (let stage = 0; stage < executable.length; stage++) {
      executable.runStage(stage, call)
      if (performance.now() - since < PATIENCE) continue
      await elsewhere()
      since = performance.now()
      if (options?.signal?.aborted === true) throw aborted(options.signal)
    }
    if (options?.signal?.aborted === true) throw aborted(options.signal)
    const detail = `${executable.program.nodes.length} nodes; WebAssembly gives no time per node`
    options?.profile?.({ name: 'program', detail, ms: performance.now() - start })
  }

  /** At once where nothing runs, else behind what does. */
  private soon(task: () => void): void {
    if (this.queue.idle) return task()
    this.queue.push((done) => {
      task()
      done()
    })
  }

  private addressFor(handle: DeviceBuffer, { dtype, shape }: TensorType, symbols: SymValues): number {
    const buffer = this.alive(handle)
    const size = elementCountAt(shape, symbols) * byteSize(dtype)
    if (size > buffer.bytes)
      throw new TensorError('SHAPE', `a ${dtype} tensor of shape ${printShape(shape)} needs ${size} bytes; its buffer has ${buffer.bytes}`)
    return buffer.address
  }

  private checkType(dtype: DType): void {
    if (storageDtypes.includes(dtype)) return
    const { dtypeHelp } = this.options
    throw new TensorError(
      'DTYPE',
      `${this.description} cannot hold ${dtype} tensors; it holds ${storageDtypes.join(', ')}. Cast to f16 or f32 first${dtypeHelp === undefined ? '' : `. ${dtypeHelp}`}`,
    )
  }

  private release(executable: WasmExecutable): void {
    if (!this.executables.delete(executable)) return
    executable.release()
    for (const session of executable.sessions) if (session !== undefined) this.sessions.give(session)
  }

  private own(handle: DeviceBuffer): WasmBuffer {
    checkOwner(this, handle)
    return handle as WasmBuffer
  }

  private alive(handle: DeviceBuffer): WasmBuffer {
    this.checkAlive()
    const buffer = this.own(handle)
    if (buffer.freed) throw new TensorError('DISPOSED', 'this buffer was freed')
    return buffer
  }

  private checkAlive(): void {
    if (this.disposed) throw disposedError(this)
  }
}

const aborted = (signal: AbortSignal): TensorError =>
  new TensorError('ABORTED', 'the run was aborted by its signal', { cause: signal.reason })

/** Lets what waits in the page have a turn: events, timers, aborts. */
const elsewhere = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
