import { typeBytes } from './compile/plan.js'
import type { Device } from './device/device.js'
import { byteSize, castNumber, decodeStorage, isFloat, type DType, type NumericArray } from './dtype.js'
import { TensorError } from './errors.js'
import type { Value } from './graph/node.js'
import { dtypeOf, shapeOf } from './graph/node.js'
import { constant } from './graph/primitives.js'
import { printShape, resolveShape, type Shape } from './shape.js'
import { Storage, storageOf } from './storage.js'
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
    if (this.gone) throw new TensorError('DISPOSED', `tensor ${this.describe()} was disposed; keep the handle until its last use, or clone() it first`)
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
   */
  async data(options?: RealizeOptions): Promise<NumericArray> {
    return decodeStorage(this.dtype, await this.bytes(options))
  }

  /** The raw storage bytes, little endian. Always a copy. */
  async bytes(options?: RealizeOptions): Promise<Uint8Array> {
    await realize([this], options)
    const storage = storageOf(this.current.node)!
    storage.check()
    if (storage.buffer === undefined) return storage.host === undefined ? new Uint8Array(storage.bytes) : storage.host.slice()
    return storage.buffer.device.read(storage.buffer, storage.bytes)
  }

  /** The value of a one-element tensor. */
  async item(options?: RealizeOptions): Promise<number> {
    if (this.size !== 1) throw new TensorError('SHAPE', `item: expected one element, got ${this.describe()}; use data()`)
    return (await this.data(options))[0]!
  }

  /** The values nested by shape; bool as 0 and 1. */
  async toArray(options?: RealizeOptions): Promise<NestedNumbers> {
    const values = await this.data(options)
    const shape = resolveShape(this.shape, storageOf(this.current.node)!.symbols)
    let next = 0
    const build = (axis: number): NestedNumbers => (axis === shape.length ? values[next++]! : Array.from({ length: shape[axis]! }, () => build(axis + 1)))
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
    throw new TensorError('TRACE', `tensor ${this.describe()} was used as a number; its value is known only after await t.item(). Inside jit, choose with where(), or name the argument in static`)
  }
}

export type NestedNumbers = number | NestedNumbers[]

/**
 * Computes tensors, all in one program, so that what they share runs once. Afterwards each handle owns its values.
 * Errors: TRACE inside jit.
 */
export async function realize(handles: readonly Handle[], options: RealizeOptions = {}): Promise<void> {
  if (activeTrace() !== undefined)
    throw new TensorError('TRACE', 'values were asked for inside a function that jit is tracing; return the tensor and read it after the call')
  // A second handle on values that exist reads them where they are.
  const todo = handles.filter((handle) => storageOf(handle.value.node) === undefined)
  if (todo.length === 0) return
  const storages = await realizeValues(todo.map((handle) => handle.value), options)
  storages.forEach((storage, i) => todo[i]!.adopt(storage))
}

/** The value of a tensor, or a constant of the dtype beside it for a number. */
export function operand(op: string, input: Handle | number, dtype: DType): Value {
  if (typeof input !== 'number') return input.value
  if (!isFloat(dtype) && castNumber(dtype, input) !== input)
    throw new TensorError('DTYPE', `${op}: the number ${input} cannot be held by ${dtype}; cast the tensor to f32, or give an integer in range`)
  return constant(input, dtype)
}
