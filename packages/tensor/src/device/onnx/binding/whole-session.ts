/** A model from a file through ONNX Runtime's JavaScript bindings. */
import { TensorError } from '../../../errors.js'
import type { TaskQueue } from '../queue.js'
import type { RawTensor, WholeModelSession } from '../whole-model.js'
import type { OrtModule, OrtSession, OrtTensor } from './module.js'

type Elements = new (buffer: ArrayBufferLike, offset: number, length: number) => ArrayBufferView

/** The bindings' names of element types, with the arrays that hold them. */
const types: ReadonlyMap<number, readonly [name: string, array: Elements, bytes: number]> = new Map([
  [1, ['float32', Float32Array, 4]],
  [2, ['uint8', Uint8Array, 1]],
  [3, ['int8', Int8Array, 1]],
  [4, ['uint16', Uint16Array, 2]],
  [5, ['int16', Int16Array, 2]],
  [6, ['int32', Int32Array, 4]],
  [7, ['int64', BigInt64Array, 8]],
  [9, ['bool', Uint8Array, 1]],
  [10, ['float16', Uint16Array, 2]],
  [11, ['float64', Float64Array, 8]],
  [12, ['uint32', Uint32Array, 4]],
  [13, ['uint64', BigUint64Array, 8]],
])
const byName = new Map([...types].map(([elementType, [name]]) => [name, elementType]))

/** The bindings take the names of the outputs to compute, in one of several forms of `run`. */
interface ChoosingSession extends OrtSession {
  run(
    feeds: Readonly<Record<string, OrtTensor>>,
    outputs?: readonly string[],
    options?: { readonly logSeverityLevel: number },
  ): Promise<Readonly<Record<string, OrtTensor>>>
}

export class BindingWholeSession implements WholeModelSession {
  private pending = 0
  private disposed = false

  constructor(
    private readonly ort: OrtModule,
    private readonly session: OrtSession,
    private readonly queue: TaskQueue,
    private readonly failure: (cause: unknown, doing: string) => TensorError,
    private readonly onDispose: (session: BindingWholeSession, released: Promise<void>) => void,
  ) {}

  run(
    feeds: ReadonlyMap<string, RawTensor>,
    outputs: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, RawTensor>> {
    if (this.disposed) return Promise.reject(new TensorError('DISPOSED', 'run: this ONNX model was disposed'))
    this.pending++
    return new Promise((resolve, reject) => {
      this.queue.push((done) => {
        void this.launch(feeds, outputs, signal)
          .then(resolve, reject)
          .finally(() => {
            this.pending--
            done()
            if (this.disposed) this.release()
          })
      })
    })
  }

  dispose(): void {
    if (this.disposed) return
    this.disposed = true
    this.release()
  }

  private release(): void {
    if (this.pending === 0)
      this.onDispose(
        this,
        this.session.release().catch(() => undefined),
      )
  }

  private async launch(
    feeds: ReadonlyMap<string, RawTensor>,
    outputs: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, RawTensor>> {
    const check = (): void => {
      if (signal?.aborted === true) throw new TensorError('ABORTED', 'the run was aborted by its signal', { cause: signal.reason })
    }
    check()
    const given = Object.fromEntries(Array.from(feeds, ([name, raw]) => [name, this.give(raw)]))
    let results: Readonly<Record<string, OrtTensor>>
    try {
      results = await (this.session as ChoosingSession).run(given, outputs, { logSeverityLevel: 4 })
    } catch (cause) {
      throw this.failure(cause, 'running the model')
    }
    check()
    return new Map(outputs.map((name) => [name, take(name, results[name]!)]))
  }

  private give({ elementType, dims, bytes }: RawTensor): OrtTensor {
    const type = types.get(elementType)
    if (type === undefined)
      throw new TensorError('DTYPE', `ONNX Runtime's JavaScript bindings have no tensors of ONNX's type ${elementType}`)
    const [name, Elements, size] = type
    const own = bytes.slice() // of its own, so that it is aligned
    return new this.ort.Tensor(name as never, new Elements(own.buffer, 0, own.byteLength / size) as never, dims)
  }
}

function take(name: string, tensor: OrtTensor): RawTensor {
  const elementType = byName.get(tensor.type)
  if (elementType === undefined || !ArrayBuffer.isView(tensor.data))
    throw new TensorError('DTYPE', `output '${name}' has elements of type ${tensor.type}, which no tensor holds; ask for other outputs`)
  const { buffer, byteOffset, byteLength } = tensor.data
  const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice()
  tensor.dispose?.()
  return { elementType, dims: tensor.dims, bytes }
}
