import { typeBytes } from './compile/plan.js'
import type { Device } from './device/device.js'
import { adoptStorage, byteSize, castNumber, isFloat, type DType, type NumericArray } from './dtype.js'
import { TensorError } from './errors.js'
import type { Value } from './graph/node.js'
import { dtypeOf, shapeOf } from './graph/node.js'
import { constant } from './graph/primitives.js'
import { printShape, resolveShape, type Shape } from './shape.js'
import { Use, storageOf, type Storage } from './storage.js'
import { activeTrace } from './transform/trace.js'
import { realizeValues, type RealizeOptions } from './transform/realize.js'

/**
 * The part of a tensor that owns memory: a handle on a graph value and, once realised, on a storage. `Tensor` adds
 * the operations.
 */
export class Handle {
  private current: Value
  private owned: Storage | undefined
  private gone = false

  /** @internal Use `tensor()`, `zeros()` and the like. */
  constructor(value: Value, owned?: Storage) {
    this.current = value
    this.owned = owned
  }

  /** @internal The graph value behind the handle. */
  get value(): Value {
    if (this.gone)
      throw new TensorError('DISPOSED', `tensor ${this.describe()} was disposed; keep the handle until its last use, or clone() it first`)
    return this.current
  }

  /** @internal The storage this handle owns. */
  get storage(): Storage | undefined {
    return this.owned
  }

  /** Dimensions; a {@link Sym} where the length is known only at run time. */
  get shape(): Shape {
    return shapeOf(this.current)
  }

  get dtype(): DType {
    return dtypeOf(this.current)
  }

  get rank(): number {
    return this.shape.length
  }

  /** Number of elements, symbols counted at their maximum. */
  get size(): number {
    return typeBytes({ shape: this.shape, dtype: this.dtype }) / byteSize(this.dtype)
  }

  /** The device that holds the values; undefined before they were computed or uploaded. */
  get device(): Device | undefined {
    return storageOf(this.current.node)?.device
  }

  /** Whether the values exist, on a device or waiting on the host. */
  get realized(): boolean {
    return storageOf(this.current.node) !== undefined
  }

  get disposed(): boolean {
    return this.gone || (this.owned !== undefined && this.owned.state !== 'live')
  }

  /** @internal The realisation under way for this handle, which others wait for instead of computing twice. */
  pending: Promise<void> | undefined

  /** @internal Takes over a computed storage. */
  adopt(storage: Storage): void {
    if (this.gone) return storage.dispose()
    this.current = storage.value
    this.owned = storage
  }

  /** Frees the memory, after the runs that still use it. Later use throws; disposing twice does nothing. */
  dispose(): void {
    if (this.gone) return
    this.gone = true
    this.owned?.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /**
   * The values in row-major order: Float32Array for f32, f16 and bf16, Uint8Array for bool. Computes them first when
   * needed. Always a copy.
   *
   * Errors: TRACE, thrown at once, inside a function that jit traces; DISPOSED, DONATED, POISONED.
   */
  data(options?: RealizeOptions): Promise<NumericArray> {
    refuseInTrace('data()')
    return this.readData(options)
  }
  private async readData(options?: RealizeOptions): Promise<NumericArray> {
    const present = storageOf(this.value.node)
    if (present === undefined) return adoptStorage(this.dtype, await this.readBytes(options))
    present.check()
    return adoptStorage(this.dtype, await present.read())
  }

  /**
   * The values as `data()` gives them, without a copy where they lie in memory that JavaScript can see: not to be written to, and without meaning once the tensor is
   * disposed or donated. Elsewhere it is `data()`.
   */
  peek(): Promise<NumericArray> {
    refuseInTrace('peek()')
    return this.seeData()
  }
  private async seeData(): Promise<NumericArray> {
    const present = storageOf(this.value.node)
    if (present === undefined) return this.readData()
    present.check()
    return adoptStorage(this.dtype, await present.peek())
  }

  /** The raw storage bytes, little endian. Always a copy. Errors: as {@link data}. */
  bytes(options?: RealizeOptions): Promise<Uint8Array> {
    refuseInTrace('bytes()')
    return this.readBytes(options)
  }
  private async readBytes(options?: RealizeOptions): Promise<Uint8Array> {
    return (await this.valuesOf(options)).bytes
  }

  /** @internal The storage and a copy of its bytes, for a method of that name. */
  values(method: string): Promise<{ storage: Storage; bytes: Uint8Array }> {
    refuseInTrace(method)
    return this.valuesOf()
  }
  private async valuesOf(options?: RealizeOptions): Promise<{ storage: Storage; bytes: Uint8Array }> {
    using use = new Use()
    const present = storageOf(this.value.node)
    present?.check()
    // Without a turn of the event loop when the values exist, so that dispose() may follow at once.
    const storage = present ?? (await realizeAll([this], options, use))[0]!
    return { storage, bytes: await storage.read() }
  }

  /** The value of a one-element tensor. Errors: SHAPE for any other; as {@link data}. */
  item(options?: RealizeOptions): Promise<number> {
    refuseInTrace('item()')
    return this.readItem(options)
  }
  private async readItem(options?: RealizeOptions): Promise<number> {
    if (this.size !== 1) throw new TensorError('SHAPE', `item: expected one element, got ${this.describe()}; use data()`)
    return (await this.readData(options))[0]!
  }

  /** The values nested by shape; bool as 0 and 1. Errors: as {@link data}. */
  toArray(options?: RealizeOptions): Promise<NestedNumbers> {
    refuseInTrace('toArray()')
    return this.readNested(options)
  }
  private async readNested(options?: RealizeOptions): Promise<NestedNumbers> {
    const { storage, bytes } = await this.valuesOf(options)
    const values = adoptStorage(this.dtype, bytes)
    const shape = resolveShape(this.shape, storage.symbols)
    let next = 0
    const build = (axis: number): NestedNumbers =>
      axis === shape.length ? values[next++]! : Array.from({ length: shape[axis]! }, () => build(axis + 1))
    return build(0)
  }

  /** @internal dtype and shape, for messages. */
  describe(): string {
    return `${this.dtype}${printShape(this.shape)}`
  }

  toString(): string {
    return `Tensor(${this.describe()}${this.disposed ? ', disposed' : this.realized ? '' : ', lazy'})`
  }

  /** Tensors have no truth or numeric value: it is known only after an asynchronous read. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw new TensorError(
      'TRACE',
      `tensor ${this.describe()} was used as a number; its value is known only after await t.item(). Inside jit, choose with where(), or name the argument in static`,
    )
  }
}

export type NestedNumbers = number | NestedNumbers[]

function refuseInTrace(what: string): void {
  const trace = activeTrace()
  if (trace !== undefined)
    throw new TensorError(
      'TRACE',
      `${what} was called inside '${trace.name}' while jit traces it: nothing has a value yet. Return the tensor and read it after the call; choose with where(), or name the argument in static`,
    )
}

/**
 * Computes tensors, all in one program, so that what they share runs once. Afterwards each handle owns its values, and
 * later graphs start there. Called with several tensors, or with a list of them and options.
 *
 * Errors: TRACE, thrown at once, inside a function that jit traces; DISPOSED, DONATED, POISONED when something that is
 * read has no values any more; DEVICE when the tensors read lie on two devices.
 */
export function realize(...tensors: readonly Handle[]): Promise<void>
export function realize(tensors: readonly Handle[], options?: RealizeOptions): Promise<void>
export function realize(first?: Handle | readonly Handle[], ...rest: readonly (Handle | RealizeOptions | undefined)[]): Promise<void> {
  refuseInTrace('realize()')
  if (first === undefined) return Promise.resolve()
  return first instanceof Handle
    ? realizeList([first, ...(rest as readonly Handle[])])
    : realizeList(first, rest[0] as RealizeOptions | undefined)
}

async function realizeList(handles: readonly Handle[], options?: RealizeOptions): Promise<void> {
  using use = new Use()
  await realizeAll(handles, options, use)
}

/**
 * @internal {@link realize}, with the storages of the handles. `use` takes every storage before anybody can dispose
 * the handle that owns it. A handle that another call is computing is waited for rather than computed twice.
 */
export async function realizeAll(handles: readonly Handle[], options: RealizeOptions | undefined, use: Use): Promise<Storage[]> {
  const found = new Map<Handle, Storage>()
  const keep = (handle: Handle, storage: Storage): void => {
    use.take(storage)
    found.set(handle, storage)
  }
  for (let waiting = new Set(handles); waiting.size > 0;) {
    const todo: Handle[] = []
    const others: Promise<void>[] = []
    for (const handle of waiting) {
      const storage = storageOf(handle.value.node)
      if (storage !== undefined) keep(handle, storage)
      else if (handle.pending === undefined) todo.push(handle)
      else others.push(handle.pending)
    }
    if (todo.length > 0) await compute(todo, options, keep)
    // Whatever became of the other call: when it failed, for a signal of its own perhaps, this one computes.
    await Promise.allSettled(others)
    waiting = new Set([...waiting].filter((handle) => !found.has(handle)))
  }
  return handles.map((handle) => found.get(handle)!)
}

async function compute(
  handles: readonly Handle[],
  options: RealizeOptions | undefined,
  keep: (handle: Handle, storage: Storage) => void,
): Promise<void> {
  const values = handles.map((handle) => handle.value)
  const work = realizeValues(values, options).then((storages) =>
    storages.forEach((storage, i) => {
      keep(handles[i]!, storage)
      handles[i]!.adopt(storage)
    }),
  )
  for (const handle of handles) handle.pending = work
  try {
    await work
  } finally {
    for (const handle of handles) handle.pending = undefined
  }
}

/** The value of a tensor, or a constant of the dtype beside it for a number. */
export function operand(op: string, input: Handle | number, dtype: DType): Value {
  if (typeof input !== 'number') return input.value
  if (!isFloat(dtype) && castNumber(dtype, input) !== input)
    throw new TensorError(
      'DTYPE',
      `${op}: the number ${input} cannot be held by ${dtype}; cast the tensor to f32, or give an integer in range`,
    )
  return constant(input, dtype)
}
