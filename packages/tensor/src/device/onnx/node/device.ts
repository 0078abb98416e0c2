/**
 * The CPU device in Node: programs run as ONNX models through ONNX Runtime's C API, every tensor bound to memory of ours,
 * so nothing is copied on the way in or out and an aliased output is written in place.
 */
import type { Program } from '../../../compile/program.js'
import { byteSize } from '../../../dtype.js'
import { TensorError } from '../../../errors.js'
import type { Attrs, TensorType } from '../../../graph/node.js'
import { elementCount, type SymValues } from '../../../shape.js'
import {
  checkOwner,
  disposedError,
  markUnstarted,
  type Device,
  type DeviceBuffer,
  type DeviceCaps,
  type DeviceMemory,
  type DeviceRoom,
  type Executable,
  type RunOptions,
} from '../../device.js'
import { elementTypeOf } from '../element-type.js'
import type { EmittedModel, emitModel, supportsNatively } from '../emit/emit.js'
import { BufferPool, type Block, type OnnxBuffer } from './buffers.js'
import { checkThreads, defaultThreads, logFatal, openEnvironment, type OrtEnvironment } from './environment.js'
import { OnnxExecutable } from './executable.js'
import { arenaPeakBytes, arenaSlackBytes } from './arena.js'
import { trimAfterPacking } from './trim.js'
import { freeMemory } from './free-memory.js'
import { JoinedWeights } from './joined-weights.js'
import { ProfileRun } from './profile.js'
import { TaskQueue } from '../queue.js'
import { dropPages, SessionFactory, type FrozenInput, type SessionOptions } from './session.js'
import type { WholeModel } from '../whole-model.js'
import { WholeSession } from './whole-session.js'

export interface OnnxDeviceOptions {
  /** Threads that a run computes with; default `os.availableParallelism()`. Results are bit-equal only for equal counts. */
  readonly threads?: number
  /** Path of an ONNX Runtime library (1.20 or newer) to use instead of onnxruntime-node's. */
  readonly library?: string
}

/** Turns programs into models. */
export interface Emitter {
  readonly emitModel: typeof emitModel
  readonly supportsNatively: typeof supportsNatively
}

const storageDtypes = ['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool'] as const

/** Opens the device. @throws TensorError DEVICE naming what is missing and the command that helps. */
export async function openOnnxDevice(emitter: Emitter, options: OnnxDeviceOptions = {}): Promise<OnnxDevice> {
  const threads = checkThreads(options.threads ?? defaultThreads())
  return new OnnxDevice(await openEnvironment({ threads, library: options.library }), emitter, threads)
}

export class OnnxDevice implements Device {
  readonly name = 'cpu'
  readonly description: string
  readonly caps: DeviceCaps
  private readonly pool: BufferPool
  private readonly sessions: SessionFactory
  private readonly joined: JoinedWeights
  private readonly queue = new TaskQueue()
  private readonly executables = new Set<OnnxExecutable>()
  private readonly models = new Set<WholeSession>()
  /** What runs on another thread right now: held here so that nothing it uses can be collected. */
  private readonly inFlight = new Set<object>()
  private readonly runOptions = new Map<'plain' | 'shrinking', number>()
  private disposed = false

  constructor(
    private readonly environment: OrtEnvironment,
    private readonly emitter: Emitter,
    threads: number,
  ) {
    this.description = `onnxruntime ${environment.api.version} (C API), ${threads} thread${threads === 1 ? '' : 's'}`
    this.caps = { dtypes: storageDtypes, alias: true, outputsInPlace: true, threads, anyLength: true, background: true }
    this.pool = new BufferPool(environment.api, environment.memoryInfo, this)
    this.joined = new JoinedWeights(this.pool)
    this.sessions = new SessionFactory(environment, this.pool)
    this.queue.onIdle = () => {
      if (this.pool.excess) this.pool.trim()
    }
  }

  supports(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
    return this.emitter.supportsNatively(op, inputs, outputs, attrs, 'node')
  }

  alloc(bytes: number): OnnxBuffer {
    this.checkAlive()
    return this.pool.alloc(bytes)
  }

  keep(bytes: Uint8Array): OnnxBuffer | undefined {
    this.checkAlive()
    return this.pool.keep(bytes)
  }

  overlap(buffer: DeviceBuffer, offset: number, bytes: number): OnnxBuffer | undefined {
    return this.pool.overlap(this.blockOf(buffer), offset, bytes)
  }

  free(buffer: DeviceBuffer): void {
    this.pool.release(this.own(buffer))
    if (this.pool.excess && this.queue.idle) this.pool.trim()
  }

  write(buffer: DeviceBuffer, bytes: Uint8Array): void {
    const block = this.blockOf(buffer)
    if (bytes.byteLength > buffer.bytes)
      throw new TensorError('VALUE', `write: ${bytes.byteLength} bytes do not fit in a buffer of ${buffer.bytes}`)
    if (block.pins > 0)
      throw new TensorError(
        'VALUE',
        'write: this buffer holds frozen weights of a compiled program, which keeps a packed copy of them; unfreeze them first',
      )
    if (this.queue.idle) return block.view.set(bytes)
    const copy = bytes.slice()
    this.queue.push((done) => {
      block.view.set(copy)
      done()
    })
  }

  read(buffer: DeviceBuffer, bytes: number = buffer.bytes): Promise<Uint8Array> {
    return this.look(buffer, bytes, copied)
  }

  peek(buffer: DeviceBuffer, bytes: number): Promise<Uint8Array> {
    return this.look(buffer, bytes, (view) => view.subarray(0, bytes))
  }

  /** What is seen of a buffer's memory once all that was queued so far has ended. */
  private look(buffer: DeviceBuffer, bytes: number, see: (view: Uint8Array, bytes: number) => Uint8Array): Promise<Uint8Array> {
    try {
      const { view } = this.blockOf(buffer)
      if (!Number.isInteger(bytes) || bytes < 0 || bytes > buffer.bytes)
        throw new TensorError('VALUE', `read: ${bytes} bytes of a buffer of ${buffer.bytes}`)
      if (this.queue.idle) return Promise.resolve(see(view, bytes))
      return new Promise((resolve) => {
        this.queue.push((done) => {
          resolve(see(view, bytes))
          done()
        })
      })
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  async compile(program: Program): Promise<OnnxExecutable> {
    this.checkAlive()
    return this.load(program, this.emitter.emitModel(program, { initializers: true, target: 'node', joins: this.pool.keeps }))
  }

  /** {@link compile} for a model that is already emitted. */
  async load(program: Program, model: EmittedModel): Promise<OnnxExecutable> {
    const frozen = this.frozenInputs(program, model)
    let session: number
    try {
      session = await this.sessions.create(model.bytes, { ...this.sessionOptions(program), frozen })
    } catch (error) {
      this.releaseFrozen(frozen)
      throw error
    }
    if (this.disposed) {
      this.sessions.release(session, frozen)
      this.releaseFrozen(frozen)
      this.checkAlive()
    }
    const executable = new OnnxExecutable(program, model, session, frozen, this.environment.api, this.pool, (ended) => this.release(ended))
    this.executables.add(executable)
    return executable
  }

  run(
    handle: Executable,
    inputs: readonly DeviceBuffer[],
    outputs: readonly DeviceBuffer[],
    symbols: SymValues,
    options?: RunOptions,
  ): void | Promise<void> {
    const executable = handle as OnnxExecutable
    this.checkAlive()
    if (executable.disposed) throw new TensorError('DISPOSED', 'run: this program was disposed')
    const signal = options?.signal
    if (signal !== undefined && signal.aborted) throw markUnstarted(aborted(signal))
    if (executable.clock.sync && this.queue.idle && signal === undefined && options?.async !== true && options?.profile === undefined) {
      executable.resolve(this, inputs, 'input', executable.inputBlocks)
      executable.resolve(this, outputs, 'output', executable.outputBlocks)
      executable.bind(executable.inputBlocks, executable.outputBlocks, executable.resolveSymbols(symbols, executable.symbolScratch))
      const start = performance.now()
      executable.runSync(this.shrinks(executable) ? this.runOptionsOf('shrinking') : 0)
      executable.clock.record(performance.now() - start)
      if (this.pool.hasRetired) this.pool.flushRetired()
      return
    }
    const inputBlocks = executable.resolve(this, inputs, 'input', [])
    const outputBlocks = executable.resolve(this, outputs, 'output', [])
    const values = executable.resolveSymbols(symbols, [])
    return this.runQueued(executable, inputBlocks, outputBlocks, values, options)
  }

  async openModel(model: WholeModel): Promise<WholeSession> {
    this.checkAlive()
    const session = await WholeSession.open(model, {
      api: this.environment.api,
      pool: this.pool,
      sessions: this.sessions,
      queue: this.queue,
      threads: this.caps.threads,
      terminable: () => this.runOptionsOf('plain'),
      onDispose: (ended) => this.models.delete(ended),
    })
    this.models.add(session)
    if (this.disposed) {
      session.dispose()
      this.checkAlive()
    }
    return session
  }

  sync(): Promise<void> {
    return this.queue.settled()
  }

  room(): DeviceRoom {
    return { free: freeMemory(), host: true, source: 'what the system has free for this process now' }
  }

  memory(): DeviceMemory {
    const { liveBytes, liveBuffers, peakBytes } = this.pool
    const first = this.executables.values().next().value
    const arena = first === undefined ? 0 : arenaPeakBytes(this.environment, first.session)
    return { liveBytes, liveBuffers, peakBytes: peakBytes + arena, programs: this.executables.size }
  }

  async dispose(): Promise<void> {
    if (this.disposed) return
    this.disposed = true
    await this.queue.settled()
    // Sessions first, then the packed weights they share (inside release), then OrtValues, then memory.
    for (const executable of this.executables) {
      executable.disposed = true
      this.release(executable)
    }
    for (const model of this.models) model.release()
    this.pool.dispose()
    for (const options of this.runOptions.values()) this.environment.api.call.ReleaseRunOptions(options)
    this.runOptions.clear()
  }

  private runQueued(
    executable: OnnxExecutable,
    inputs: readonly Block[],
    outputs: readonly Block[],
    symbols: readonly number[],
    options: RunOptions | undefined,
  ): Promise<void> {
    executable.pending++
    return new Promise<void>((resolve, reject) => {
      this.queue.push((done) => {
        const flight = { executable, inputs, outputs }
        const end = (error: unknown): void => {
          this.inFlight.delete(flight)
          if (this.pool.hasRetired) this.pool.flushRetired()
          executable.settle()
          done()
          if (error === undefined) resolve()
          else reject(error as Error)
        }
        const signal = options?.signal
        if (signal?.aborted === true) return end(markUnstarted(aborted(signal)))
        try {
          executable.bind(inputs, outputs, symbols)
          this.inFlight.add(flight)
          if (options?.profile !== undefined) this.launchProfiled(executable, options, end)
          else this.launch(executable, signal, end)
        } catch (error) {
          end(error)
        }
      })
    })
  }

  private launch(executable: OnnxExecutable, signal: AbortSignal | undefined, end: (error: unknown) => void, session?: number): void {
    const { call } = this.environment.api
    const shrinks = this.shrinks(executable)
    const options = signal === undefined && !shrinks ? 0 : this.runOptionsOf(shrinks ? 'shrinking' : 'plain')
    const onAbort = (): void => {
      call.RunOptionsSetTerminate(options)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    const many = executable.rows > fewRows
    let dropping: NodeJS.Timeout | undefined
    const start = performance.now()
    executable.runAsync(
      options,
      (error) => {
        if (session === undefined && error === undefined) executable.clock.record(performance.now() - start)
        if (shrinks && many) void trimAfterPacking(this.environment.api.koffi)
        clearTimeout(dropping)
        if (executable.inFiles && (many || ++executable.shortRuns % dropsEach === 0)) dropPages(executable.frozen)
        if (signal !== undefined) {
          signal.removeEventListener('abort', onAbort)
          call.RunOptionsUnsetTerminate(options)
          if (signal.aborted) return end(aborted(signal, error))
        }
        end(error)
      },
      session ?? executable.session,
    )
    if (executable.inFiles && many) dropping = setTimeout(() => dropPages(executable.frozen), dropAfter)
  }

  /** Runs once on a session that records times, which costs a compilation; results are those of any run. */
  private launchProfiled(executable: OnnxExecutable, options: RunOptions, end: (error: unknown) => void): void {
    const profile = new ProfileRun(this.environment.api)
    const { program, model, frozen } = executable
    void this.sessions.create(model.bytes, { ...this.sessionOptions(program), frozen, profileTo: profile.prefix }).then(
      (session) => {
        const finish = (error: unknown): void => {
          let failure = error
          try {
            const entries = profile.end(session, model.nodeOps)
            if (failure === undefined) for (const entry of entries) options.profile!(entry)
          } catch (cause) {
            failure ??= cause
          }
          this.sessions.release(session, frozen)
          end(failure)
        }
        try {
          this.launch(executable, options.signal, finish, session)
        } catch (error) {
          finish(error)
        }
      },
      (error: unknown) => end(error),
    )
  }

  /** The device's RunOptions: at most one run is under way. Those that shrink let go what the arena does not use when the run has ended. */
  private runOptionsOf(kind: 'plain' | 'shrinking'): number {
    const known = this.runOptions.get(kind)
    if (known !== undefined) return known
    const { api } = this.environment
    const made = api.make('CreateRunOptions')
    this.runOptions.set(kind, made)
    api.check(api.call.RunOptionsSetRunLogSeverityLevel(made, logFatal), 'configuring a run')
    if (kind === 'shrinking')
      api.check(api.call.AddRunConfigEntry(made, 'memory.enable_memory_arena_shrinkage', 'cpu:0'), 'configuring a run')
    return made
  }

  /** Whether the arena is to be shrunk behind a run: what programs with ever larger temporaries leave in it is of no use to them. Of long runs that is much, and making it anew is little of their time. */
  private shrinks({ model, rows, session }: OnnxExecutable): boolean {
    return model.grows === true && (rows > fewRows || arenaSlackBytes(this.environment, session) > mostSlackBytes)
  }

  private sessionOptions(program: Program): Pick<SessionOptions, 'threads' | 'large' | 'keepsDuplicates'> {
    return { threads: this.caps.threads, large: elementsIn(program) >= largeFrom, keepsDuplicates: program.keepsDuplicates }
  }

  private frozenInputs(program: Program, model: EmittedModel): FrozenInput[] {
    const frozen: FrozenInput[] = []
    const blockOf = (input: number): Block => {
      const { frozen: buffer } = program.inputs[input]!
      if (buffer === undefined) throw new TensorError('DEVICE', `input ${input} became an initializer but has no frozen buffer`)
      return this.blockOf(buffer)
    }
    for (const { name, input, offset, bytes, shape, joined } of model.initializers) {
      const { dtype } = program.inputs[input]!
      const sizes = joined?.map((part) => elementCount(program.inputs[part]!.shape) * byteSize(dtype))
      const block = joined === undefined ? blockOf(input) : this.joined.take(joined.map(blockOf), sizes!)
      const value = this.pool.createValue(block.address + offset, bytes, elementTypeOf(dtype), shape)
      frozen.push({ name, block, value, ...(joined === undefined ? {} : { joined: true }) })
    }
    return frozen
  }

  /** Once no session holds them. */
  private releaseFrozen(frozen: readonly FrozenInput[]): void {
    for (const { value, joined, block } of frozen) {
      this.environment.api.call.ReleaseValue(value)
      if (joined === true) this.joined.giveBack(block)
    }
  }

  private release(executable: OnnxExecutable): void {
    if (!this.executables.delete(executable)) return
    this.sessions.release(executable.session, executable.frozen)
    this.releaseFrozen(executable.frozen)
    executable.releaseValues()
  }

  private own(buffer: DeviceBuffer): OnnxBuffer {
    checkOwner(this, buffer)
    return buffer as OnnxBuffer
  }

  private blockOf(buffer: DeviceBuffer): Block {
    this.checkAlive()
    const { block } = this.own(buffer)
    if (block === undefined) throw new TensorError('DISPOSED', 'this buffer was freed')
    return block
  }

  private checkAlive(): void {
    if (this.disposed) throw disposedError(this)
  }
}

/** What the arena may keep beyond what it had in use at any time. */
const mostSlackBytes = 24 * 2 ** 20
/** Rows of a run up to here are few. */
const fewRows = 16
/**
 * Milliseconds from which on a run of many rows has looked up what it looks up, and pages of files are let go. Of a table of tokens it reads a row here and there, and the system maps what lies around them, until all of the table
 * is there: GPT-2's 30 MiB behind 256 tokens.
 */
const dropAfter = 20
/** Runs of few rows between two times that pages of files are let go. */
const dropsEach = 64
/** Elements that all nodes of a program give together, from which on it counts as large: decoding a token of a small model stays below, training steps lie above. */
const largeFrom = 1 << 20

function elementsIn({ nodes }: Program): number {
  let sum = 0
  for (const node of nodes) for (const { shape } of node.outputs) sum += elementCount(shape)
  return sum
}

/** From here on, filling new memory with zeros costs more than asking Node for memory that is not. */
const unfilledFrom = 1 << 16

/** The first bytes in memory of their own. slice() fills megabytes with zeros before it writes over them. */
function copied(view: Uint8Array, bytes: number): Uint8Array {
  if (bytes < unfilledFrom) return view.slice(0, bytes)
  const out = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
  out.set(view.subarray(0, bytes))
  return out
}

function aborted(signal: AbortSignal, cause?: unknown): TensorError {
  return new TensorError('ABORTED', 'the run was aborted by its signal', { cause: signal.reason ?? cause })
}
