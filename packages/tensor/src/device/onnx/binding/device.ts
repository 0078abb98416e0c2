/**
 * The CPU device over ONNX Runtime's JavaScript bindings: `onnxruntime-web` (WebAssembly, in browsers and in Node) and
 * `onnxruntime-node` where its C API cannot be reached. Outputs are copies, so nothing can be written in place, and a run
 * cannot be stopped once it has begun.
 */
import type { Program } from '../../../compile/program.js'
import { byteSize, storageView, type DType } from '../../../dtype.js'
import { TensorError } from '../../../errors.js'
import type { Attrs, TensorType } from '../../../graph/node.js'
import { resolveShape, type SymValues } from '../../../shape.js'
import {
  checkCall,
  checkOwner,
  disposedError,
  type Device,
  type DeviceBuffer,
  type DeviceCaps,
  type DeviceMemory,
  type DeviceRoom,
  type Executable,
  type RunOptions,
} from '../../device.js'
import type { EmittedModel, emitModel, supportsNatively } from '../emit/emit.js'
import { TaskQueue } from '../queue.js'
import { withExternalData, type ExternalFile } from './external.js'
import { Lifetime } from '../lifetime.js'
import type { OrtModule, OrtSession, OrtTensor } from './module.js'
import type { WholeModel } from '../whole-model.js'
import { BindingWholeSession } from './whole-session.js'

export interface BindingDeviceOptions {
  /** `node` for onnxruntime-node's binding, `web` for WebAssembly. */
  readonly target: 'node' | 'web'
  /** Threads of a run. WebAssembly uses them only in a cross-origin isolated page; the first session settles the count. */
  readonly threads?: number
  /** Package name and version, for people. */
  readonly label?: string
  /** What else helps where a dtype is missing; the end of that error's message. */
  readonly dtypeHelp?: string
  /** What it says of itself beside, for people. */
  readonly notes?: readonly string[]
}

export interface BindingEmitter {
  readonly emitModel: typeof emitModel
  readonly supportsNatively: typeof supportsNatively
}

// The bindings have no bfloat16 tensors.
const tensorTypes: Readonly<Partial<Record<DType, string>>> = {
  f32: 'float32',
  f16: 'float16',
  i32: 'int32',
  u32: 'uint32',
  i8: 'int8',
  u8: 'uint8',
  bool: 'bool',
}
const storageDtypes = Object.keys(tensorTypes) as DType[]

class BindingBuffer implements DeviceBuffer {
  /** Replaced by the result itself when a run's output fills the buffer; undefined once freed. */
  store: Uint8Array | undefined
  /** No more use of the handle; runs queued before still have the memory. */
  freed = false
  pins = 0

  constructor(
    readonly device: Device,
    readonly bytes: number,
  ) {
    this.store = new Uint8Array(bytes)
  }
}

class BindingExecutable extends Lifetime implements Executable {
  constructor(
    readonly program: Program,
    readonly model: EmittedModel,
    readonly session: OrtSession,
    readonly frozen: readonly BindingBuffer[],
    private readonly onDispose: (executable: BindingExecutable) => void,
  ) {
    super()
  }

  protected onEnd(): void {
    this.onDispose(this)
  }
}

/** Makes the device of an `ort` module. Nothing is loaded before the first program. */
export function bindingDevice(ort: OrtModule, emitter: BindingEmitter, options: BindingDeviceOptions): Device {
  return new BindingDevice(ort, emitter, options)
}

/** Threads that WebAssembly can use here: one unless memory can be shared. */
export function wasmThreads(wanted: number | undefined): number {
  const scope = globalThis as { crossOriginIsolated?: boolean; SharedArrayBuffer?: unknown; navigator?: { hardwareConcurrency?: number } }
  if (scope.SharedArrayBuffer === undefined || scope.crossOriginIsolated === false) return 1
  return Math.max(1, wanted ?? Math.min(scope.navigator?.hardwareConcurrency ?? 1, 8))
}

class BindingDevice implements Device {
  readonly name = 'cpu'
  readonly description: string
  readonly caps: DeviceCaps
  private readonly queue = new TaskQueue()
  private readonly executables = new Set<BindingExecutable>()
  private readonly models = new Set<BindingWholeSession>()
  private readonly releases = new Set<Promise<void>>()
  private liveBytes = 0
  private liveBuffers = 0
  private peakBytes = 0
  private disposed = false

  constructor(
    private readonly ort: OrtModule,
    private readonly emitter: BindingEmitter,
    private readonly options: BindingDeviceOptions,
  ) {
    const threads = options.target === 'web' ? wasmThreads(options.threads) : Math.max(1, options.threads ?? 1)
    const label = options.label ?? (options.target === 'web' ? 'onnxruntime-web' : 'onnxruntime-node')
    this.description = `${label} (${options.target === 'web' ? 'WebAssembly' : 'JavaScript binding'}), ${threads} thread${threads === 1 ? '' : 's'}`
    this.caps = { dtypes: storageDtypes, alias: false, outputsInPlace: false, threads, anyLength: true }
    ort.env.logLevel = 'fatal'
    if (options.target === 'web' && ort.env.wasm !== undefined) ort.env.wasm.numThreads = threads
  }

  notes(): readonly string[] {
    return this.options.notes ?? []
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    return this.emitter.supportsNatively(op, inputs, outputs, attrs, this.options.target)
  }

  alloc(bytes: number): BindingBuffer {
    this.checkAlive()
    if (!Number.isSafeInteger(bytes) || bytes < 0)
      throw new TensorError('VALUE', `a buffer needs a non-negative integer of bytes, got ${bytes}`)
    let buffer: BindingBuffer
    try {
      buffer = new BindingBuffer(this, bytes)
    } catch (cause) {
      throw new TensorError('OUT_OF_MEMORY', `no memory for a buffer of ${bytes} bytes; ${this.liveBytes} are in use`, { cause })
    }
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
    if (this.queue.idle) buffer.store = undefined
    else
      this.queue.push((done) => {
        buffer.store = undefined
        done()
      })
  }

  write(handle: DeviceBuffer, bytes: Uint8Array): void {
    const buffer = this.own(handle)
    const store = this.storeOf(buffer)
    if (bytes.byteLength > buffer.bytes)
      throw new TensorError('VALUE', `write: ${bytes.byteLength} bytes do not fit in a buffer of ${buffer.bytes}`)
    if (buffer.pins > 0)
      throw new TensorError(
        'VALUE',
        'write: this buffer holds frozen weights of a compiled program, which has a copy of them; unfreeze them first',
      )
    if (this.queue.idle) return store.set(bytes)
    const copy = bytes.slice()
    this.queue.push((done) => {
      buffer.store?.set(copy)
      done()
    })
  }

  read(handle: DeviceBuffer, bytes: number = handle.bytes): Promise<Uint8Array> {
    try {
      const buffer = this.own(handle)
      this.storeOf(buffer)
      if (!Number.isInteger(bytes) || bytes < 0 || bytes > buffer.bytes)
        throw new TensorError('VALUE', `read: ${bytes} bytes of a buffer of ${buffer.bytes}`)
      return new Promise((resolve) => {
        this.queue.push((done) => {
          resolve(buffer.store!.slice(0, bytes))
          done()
        })
      })
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  async compile(program: Program): Promise<BindingExecutable> {
    this.checkAlive()
    for (const { dtype } of [...program.inputs, ...program.outputs]) this.typeOf(dtype)
    return this.load(program, this.emitter.emitModel(program, { initializers: true, target: this.options.target }))
  }

  /** {@link compile} for a model that is already emitted. */
  async load(program: Program, model: EmittedModel): Promise<BindingExecutable> {
    const buffers = model.initializers.map(({ input }) => this.own(program.inputs[input]!.frozen!))
    await this.queue.settled() // the weights may still be on their way
    const byInput = new Map(model.initializers.map(({ input }, i) => [input, buffers[i]!]))
    const { bytes, files } = withExternalData(model, (input) => this.storeOf(byInput.get(input)!))
    let session: OrtSession
    try {
      session = await this.ort.InferenceSession.create(bytes, this.sessionOptions(files, program.keepsDuplicates))
    } catch (cause) {
      throw failure(cause, 'creating a session')
    }
    for (const buffer of buffers) buffer.pins++
    const executable = new BindingExecutable(program, model, session, buffers, (ended) => this.release(ended))
    this.executables.add(executable)
    if (this.disposed) {
      executable.dispose()
      this.checkAlive()
    }
    return executable
  }

  run(
    handle: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options?: RunOptions,
  ): Promise<void> {
    const executable = handle as BindingExecutable
    const { program } = executable
    this.checkAlive()
    if (executable.disposed) throw new TensorError('DISPOSED', 'run: this program was disposed')
    for (const buffer of [...inputs, ...outputs]) this.storeOf(this.own(buffer))
    const signal = options?.signal
    if (signal?.aborted === true) throw aborted(signal)
    const values: SymValues = new Map(symbols)
    checkCall(program, inputs, outputs, values)
    executable.pending++
    return new Promise((resolve, reject) => {
      this.queue.push((done) => {
        const settle = (error?: unknown): void => {
          executable.settle()
          done()
          if (error === undefined) resolve()
          else reject(error as Error)
        }
        if (signal?.aborted === true) return settle(aborted(signal))
        this.launch(executable, inputs as BindingBuffer[], outputs as BindingBuffer[], values, options).then(
          () => settle(signal?.aborted === true ? aborted(signal) : undefined),
          settle,
        )
      })
    })
  }

  async openModel({ bytes, files }: WholeModel): Promise<BindingWholeSession> {
    this.checkAlive()
    let session: OrtSession
    try {
      session = await this.ort.InferenceSession.create(bytes, this.sessionOptions(Array.from(files, ([path, data]) => ({ path, data }))))
    } catch (cause) {
      throw failure(cause, 'opening the model')
    }
    const opened = new BindingWholeSession(this.ort, session, this.queue, failure, (ended, released) => {
      this.models.delete(ended)
      this.releases.add(released)
      void released.then(() => this.releases.delete(released))
    })
    this.models.add(opened)
    return opened
  }

  sync(): Promise<void> {
    return this.queue.settled()
  }

  room(): DeviceRoom {
    // In Node the runtime allocates outside of WebAssembly, and this file knows nothing of Node.
    if (this.options.target === 'node') return { host: true, source: 'nothing' }
    return { largestTensor: 2 ** 32 - 1, free: 2 ** 32, source: 'WebAssembly addresses 4 GiB in all' }
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
    for (const model of this.models) model.dispose()
    await Promise.allSettled(this.releases)
    this.liveBytes = this.liveBuffers = 0
  }

  private sessionOptions(files: readonly ExternalFile[], keepsDuplicates = false): Record<string, unknown> {
    const { target } = this.options
    return {
      executionProviders: [target === 'web' ? 'wasm' : 'cpu'],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
      ...(files.length === 0 ? {} : { externalData: files }),
      ...(target === 'node' ? { intraOpNumThreads: this.caps.threads, interOpNumThreads: 1 } : {}),
      extra: {
        session: { intra_op: { allow_spinning: '0' } },
        ...(keepsDuplicates ? { optimization: { disable_specified_optimizers: 'CommonSubexpressionElimination' } } : {}),
      },
    }
  }

  private async launch(
    executable: BindingExecutable,
    inputs: readonly BindingBuffer[],
    outputs: readonly BindingBuffer[],
    symbols: SymValues,
    options: RunOptions | undefined,
  ): Promise<void> {
    const { program, model, session } = executable
    const feeds: Record<string, OrtTensor> = {}
    program.inputs.forEach((input, i) => {
      const name = model.inputNames[i]
      if (name !== undefined) feeds[name] = this.tensor(input.dtype, inputs[i]!.store!, resolveShape(input.shape, symbols))
    })
    for (const { name, symbol } of model.symbolInputs)
      feeds[name] = new this.ort.Tensor('int64' as never, BigInt64Array.of(BigInt(symbols.get(symbol)!)) as never, [1])
    const start = performance.now()
    let results: Readonly<Record<string, OrtTensor>>
    try {
      results = await session.run(feeds)
    } catch (cause) {
      throw failure(cause, `running a program of ${program.nodes.length} nodes`)
    }
    const ms = performance.now() - start
    program.outputs.forEach((_, i) => {
      const tensor = results[model.outputNames[i]!]!
      store(outputs[i]!, tensor.data as ArrayBufferView)
      tensor.dispose?.()
    })
    options?.profile?.({ name: 'program', detail: `${program.nodes.length} nodes; the JavaScript bindings give no time per node`, ms })
  }

  private tensor(dtype: DType, bytes: Uint8Array, dims: readonly number[]): OrtTensor {
    const size = dims.reduce((product, dim) => product * dim, 1) * byteSize(dtype)
    if (size > bytes.byteLength)
      throw new TensorError(
        'SHAPE',
        `a ${dtype} tensor of shape [${dims.join(', ')}] needs ${size} bytes; its buffer has ${bytes.byteLength}`,
      )
    const part = size === bytes.byteLength ? bytes : bytes.subarray(0, size)
    return new this.ort.Tensor(this.typeOf(dtype) as never, storageView(dtype, part) as never, dims)
  }

  /** ONNX Runtime's name of a dtype; refuses what the bindings have no tensors of. */
  private typeOf(dtype: DType): string {
    const type = tensorTypes[dtype]
    if (type !== undefined) return type
    const { dtypeHelp } = this.options
    throw new TensorError(
      'DTYPE',
      `${this.description} cannot hold ${dtype} tensors; it holds ${storageDtypes.join(', ')}. Cast to f16 or f32 first${dtypeHelp === undefined ? '' : `. ${dtypeHelp}`}`,
    )
  }

  private release(executable: BindingExecutable): void {
    if (!this.executables.delete(executable)) return
    for (const buffer of executable.frozen) buffer.pins--
    const released = executable.session.release().catch(() => undefined)
    this.releases.add(released)
    void released.then(() => this.releases.delete(released))
  }

  private own(buffer: DeviceBuffer): BindingBuffer {
    checkOwner(this, buffer)
    return buffer as BindingBuffer
  }

  private storeOf(buffer: BindingBuffer): Uint8Array {
    this.checkAlive()
    if (buffer.freed || buffer.store === undefined) throw new TensorError('DISPOSED', 'this buffer was freed')
    return buffer.store
  }

  private checkAlive(): void {
    if (this.disposed) throw disposedError(this)
  }
}

/** Puts a result into its buffer, without a copy when it fills the buffer exactly. */
function store(buffer: BindingBuffer, data: ArrayBufferView): void {
  const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
  // A view over the whole of its memory is nobody else's; anything else (a slice of the wasm heap) is copied.
  if (bytes.byteLength === buffer.bytes && data.buffer.byteLength === buffer.bytes && data.buffer instanceof ArrayBuffer)
    buffer.store = bytes
  else buffer.store!.set(bytes)
}

function failure(cause: unknown, doing: string): TensorError {
  const message = cause instanceof Error ? cause.message : String(cause)
  if (/failed to allocate|bad_alloc|out of memory/i.test(message))
    return new TensorError('OUT_OF_MEMORY', `onnxruntime ran out of memory ${doing}: ${message}`, { cause })
  return new TensorError('RUNTIME', `onnxruntime failed ${doing}: ${message}`, { cause })
}

const aborted = (signal: AbortSignal): TensorError =>
  new TensorError('ABORTED', 'the run was aborted by its signal', { cause: signal.reason })
