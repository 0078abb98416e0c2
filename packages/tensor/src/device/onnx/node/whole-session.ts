/** A model from a file through the C API: inputs in memory of ours, outputs copied out of ONNX Runtime's, whose sizes only it knows. */
import { TensorError } from '../../../errors.js'
import { elementBytes, type RawTensor, type WholeModel, type WholeModelSession } from '../whole-model.js'
import type { TaskQueue } from '../queue.js'
import type { BufferPool, OnnxBuffer } from './buffers.js'
import type { OrtApi } from './c-api.js'
import { cStrings, NativeBlock } from './ffi.js'
import type { FrozenInput, SessionFactory } from './session.js'

export interface WholeSessionParts {
  readonly api: OrtApi
  readonly pool: BufferPool
  readonly sessions: SessionFactory
  readonly queue: TaskQueue
  readonly threads: number
  /** Run options that can be terminated, shared by all runs of the device, of which one is under way at most. */
  readonly terminable: () => number
  readonly onDispose: (session: WholeSession) => void
}

export class WholeSession implements WholeModelSession {
  private pending = 0
  private disposed = false
  private released = false
  /** What a run on another thread reads, held so that it cannot be collected. */
  private readonly inFlight = new Set<object>()

  private constructor(
    private readonly parts: WholeSessionParts,
    private readonly session: number,
    private readonly frozen: readonly FrozenInput[],
    private readonly buffers: readonly OnnxBuffer[],
  ) {}

  static async open(model: WholeModel, parts: WholeSessionParts): Promise<WholeSession> {
    const { pool, sessions, threads } = parts
    const buffers: OnnxBuffer[] = []
    const frozen: FrozenInput[] = []
    try {
      for (const { name, elementType, dims, bytes } of model.external) {
        const buffer = pool.alloc(bytes.byteLength)
        buffers.push(buffer)
        const block = buffer.block!
        block.view.set(bytes)
        frozen.push({ name, block, value: pool.createValue(block.address, bytes.byteLength, elementType, dims) })
      }
      const session = await sessions.create(model.bytes, { threads, large: true, keepsDuplicates: false, frozen })
      return new WholeSession(parts, session, frozen, buffers)
    } catch (error) {
      for (const { value } of frozen) parts.api.call.ReleaseValue(value)
      for (const buffer of buffers) pool.release(buffer)
      throw error
    }
  }

  run(
    feeds: ReadonlyMap<string, RawTensor>,
    outputs: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, RawTensor>> {
    if (this.disposed) return Promise.reject(new TensorError('DISPOSED', 'run: this ONNX model was disposed'))
    this.pending++
    return new Promise((resolve, reject) => {
      this.parts.queue.push((done) => {
        const end = (result: ReadonlyMap<string, RawTensor> | undefined, error?: unknown): void => {
          this.pending--
          done()
          if (this.disposed) this.release()
          if (result === undefined) reject(error as Error)
          else resolve(result)
        }
        if (signal?.aborted === true) return end(undefined, aborted(signal))
        try {
          this.launch(feeds, outputs, signal, end)
        } catch (error) {
          end(undefined, error)
        }
      })
    })
  }

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    if (this.pending === 0) this.release()
  }

  /** Releases the session; only while nothing of it runs. */
  release(): void {
    if (this.released || this.pending > 0) return
    this.disposed = true
    this.released = true
    const { api, sessions, pool, onDispose } = this.parts
    sessions.release(this.session, this.frozen)
    for (const { value } of this.frozen) api.call.ReleaseValue(value)
    for (const buffer of this.buffers) pool.release(buffer)
    onDispose(this)
  }

  private launch(
    feeds: ReadonlyMap<string, RawTensor>,
    outputs: readonly string[],
    signal: AbortSignal | undefined,
    end: (result: ReadonlyMap<string, RawTensor> | undefined, error?: unknown) => void,
  ): void {
    const { api, pool, terminable } = this.parts
    const buffers: OnnxBuffer[] = []
    const values: number[] = []
    const free = (): void => {
      for (const value of values) api.call.ReleaseValue(value)
      for (const buffer of buffers) pool.release(buffer)
    }
    const names = cStrings(api.koffi, [...feeds.keys(), ...outputs])
    const [inputCount, outputCount] = [feeds.size, outputs.length]
    const args = new NativeBlock(api.koffi, 16 * (inputCount + outputCount))
    const at = (slot: number): number => args.address + 8 * slot
    const outputAt = 2 * inputCount + outputCount
    try {
      let i = 0
      for (const { elementType, dims, bytes } of feeds.values()) {
        const buffer = pool.alloc(bytes.byteLength)
        buffers.push(buffer)
        buffer.block!.view.set(bytes)
        const value = pool.createValue(buffer.block!.address, bytes.byteLength, elementType, dims)
        values.push(value)
        args.setPointer(i, names.addresses[i]!)
        args.setPointer(inputCount + i, value)
        i++
      }
      for (let k = 0; k < outputCount; k++) {
        args.setPointer(2 * inputCount + k, names.addresses[inputCount + k]!)
        args.setPointer(outputAt + k, 0) // ONNX Runtime allocates
      }
    } catch (error) {
      free()
      throw error
    }
    const options = signal === undefined ? 0 : terminable()
    const onAbort = (): void => {
      api.call.RunOptionsSetTerminate(options)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    const finish = (failure: unknown, status: number): void => {
      try {
        if (signal !== undefined) {
          signal.removeEventListener('abort', onAbort)
          api.call.RunOptionsUnsetTerminate(options)
        }
        if (failure !== null && failure !== undefined) throw failure as Error
        if (signal?.aborted === true && status !== 0) {
          api.call.ReleaseStatus(status)
          throw aborted(signal)
        }
        api.check(status, 'running the model')
        for (let k = 0; k < outputCount; k++) values.push(args.words[2 * (outputAt + k)]! + args.words[2 * (outputAt + k) + 1]! * 2 ** 32)
        if (signal?.aborted === true) throw aborted(signal)
        end(new Map(outputs.map((name, k) => [name, this.read(values[inputCount + k]!)])))
      } catch (error) {
        end(undefined, error)
      } finally {
        this.inFlight.delete(memory)
        free()
      }
    }
    const memory = { names, args }
    this.inFlight.add(memory)
    api.call.Run.async(this.session, options, at(0), at(inputCount), inputCount, at(2 * inputCount), outputCount, at(outputAt), finish)
  }

  /** A copy of an OrtValue. */
  private read(value: number): RawTensor {
    const { api } = this.parts
    if (value === 0) throw new TensorError('RUNTIME', 'onnxruntime gave no value for an output; an optional one cannot be asked for')
    const info = api.make('GetTensorTypeAndShape', value)
    try {
      const doing = 'reading a result'
      const cell = new NativeBlock(api.koffi, 8)
      api.check(api.call.GetTensorElementType(info, cell.address), doing)
      const elementType = cell.words[0]!
      cell.words.fill(0)
      api.check(api.call.GetDimensionsCount(info, cell.address), doing)
      const rank = cell.words[0]!
      const shape = new NativeBlock(api.koffi, 8 * rank)
      if (rank > 0) api.check(api.call.GetDimensions(info, shape.address, rank), doing)
      const dims = Array.from({ length: rank }, (_, i) => shape.words[2 * i]! + shape.words[2 * i + 1]! * 2 ** 32)
      const size = elementBytes.get(elementType)
      if (size === undefined)
        throw new TensorError('DTYPE', `an output has elements of ONNX's type ${elementType}, which no tensor holds; ask for other outputs`)
      const bytes = dims.reduce((a, b) => a * b, size)
      if (bytes === 0) return { elementType, dims, bytes: new Uint8Array(0) }
      const address = api.make('GetTensorMutableData', value)
      return { elementType, dims, bytes: new Uint8Array(api.koffi.view(BigInt(address), bytes)).slice() }
    } finally {
      api.call.ReleaseTensorTypeAndShapeInfo(info)
    }
  }
}

const aborted = (signal: AbortSignal): TensorError =>
  new TensorError('ABORTED', 'the run was aborted by its signal', { cause: signal.reason })
