import { currentPlace } from './debug/leaks.js'
import type { Device, DeviceName } from './device/device.js'
import { resolveDevice } from './device/registry.js'
import { byteSize, integerRange, isFloat, isSigned, type DType } from './dtype.js'
import { TensorError } from './errors.js'
import { emit, emitAll, installOps } from './graph/build.js'
import type { Attrs, Value } from './graph/node.js'
import * as p from './graph/primitives.js'
import { Handle, operand, realize } from './handle.js'
import type { OpRow } from './ops/row.js'
import { opTable } from './ops/table.js'
import { dimMax, normalizeAxis, printShape, type Dim, type Index, type Sym } from './shape.js'
import { Storage, storageOf } from './storage.js'

/** A tensor, or a number that takes the tensor's dtype. */
export type Operand = Tensor | number

/** What `matmul` may do beside the product. */
export interface MatmulOptions {
  /** Added to each row, shape [N]. */
  readonly bias?: Tensor
  /** Take the last two axes of this operand swapped. */
  readonly transA?: boolean
  readonly transB?: boolean
  /** Factor on the product, before the bias; default 1. */
  readonly alpha?: number
  readonly activation?: 'gelu' | 'geluTanh' | 'relu' | 'silu'
}

/** Every operation by name: the table that devices, tests and the reference page are made from. */
export const operations: ReadonlyMap<string, OpRow> = opTable

// Again here, beside the class that every use goes through: the package is marked free of side effects, so a bundler drops a module
// of which nothing is used, and the table with it.
installOps(opTable)

/** @internal Wraps a graph value. */
export const wrap = (value: Value): Tensor => new Tensor(value)

const positive = (op: string, axes: number | readonly number[] | undefined, rank: number): number[] => {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i)
  const list = (typeof axes === 'number' ? [axes] : axes).map((axis) => normalizeAxis(op, axis, rank))
  if (new Set(list).size !== list.length) throw new TensorError('SHAPE', `${op}: an axis is given twice in [${list.join(', ')}]`)
  return list.sort((a, b) => a - b)
}

/**
 * An n-dimensional array on a device. Operations are lazy: they record a graph and check shapes at once; work starts
 * at `data()`, `realize()` or a call of a jitted function.
 *
 * Whoever makes a tensor from data, or gets one from a realised call, owns its memory: `using` or `dispose()`.
 * Intermediate results need neither.
 */
export class Tensor extends Handle {
  private binary(op: string, other: Operand): Tensor {
    return wrap(emit(op, [this.value, operand(op, other, this.dtype)]))
  }
  private unary(op: string, attrs?: Attrs): Tensor {
    return wrap(emit(op, [this.value], attrs))
  }

  /** Sum, NumPy broadcasting, equal dtypes. */
  add(other: Operand): Tensor {
    return this.binary('add', other)
  }
  sub(other: Operand): Tensor {
    return this.binary('sub', other)
  }
  mul(other: Operand): Tensor {
    return this.binary('mul', other)
  }
  /** Quotient. Integers truncate toward zero, and x / 0 is 0. */
  div(other: Operand): Tensor {
    return this.binary('div', other)
  }
  /** Remainder with the divisor's sign. */
  mod(other: Operand): Tensor {
    return this.binary('mod', other)
  }
  maximum(other: Operand): Tensor {
    return this.binary('max', other)
  }
  minimum(other: Operand): Tensor {
    return this.binary('min', other)
  }
  /** Limits values to low..high. */
  clip(low: number, high: number): Tensor {
    return this.maximum(low).minimum(high)
  }
  /** Power with a constant exponent: small integers by multiplication, otherwise exp(e · log x), for x > 0. */
  pow(exponent: number): Tensor {
    if (exponent === 0) return this.mul(0).add(1)
    if (exponent < 0) return this.pow(-exponent).recip()
    if (exponent === 0.5) return this.sqrt()
    if (Number.isInteger(exponent) && exponent <= 16) {
      let result: Tensor | undefined
      let square: Tensor = this
      for (let bits = exponent; ; square = square.mul(square)) {
        if (bits & 1) result = result === undefined ? square : result.mul(square)
        bits >>= 1
        if (bits === 0) return result!
      }
    }
    return this.log().mul(exponent).exp()
  }
  and(other: Operand): Tensor {
    return this.binary('and', other)
  }
  or(other: Operand): Tensor {
    return this.binary('or', other)
  }
  xor(other: Operand): Tensor {
    return this.binary('xor', other)
  }
  /** Shift left; the amount is taken modulo 32. */
  shl(other: Operand): Tensor {
    return this.binary('shl', other)
  }
  /** Shift right: arithmetic for i32, logical for u32. */
  shr(other: Operand): Tensor {
    return this.binary('shr', other)
  }
  /** Comparisons give bool and are false where either side is NaN. */
  lt(other: Operand): Tensor {
    return this.binary('lt', other)
  }
  gt(other: Operand): Tensor {
    return wrap(emit('lt', [operand('gt', other, this.dtype), this.value]))
  }
  le(other: Operand): Tensor {
    return wrap(p.le(this.value, operand('le', other, this.dtype)))
  }
  ge(other: Operand): Tensor {
    return wrap(p.le(operand('ge', other, this.dtype), this.value))
  }
  eq(other: Operand): Tensor {
    return this.binary('eq', other)
  }
  ne(other: Operand): Tensor {
    return wrap(p.not(emit('eq', [this.value, operand('ne', other, this.dtype)])))
  }
  /** Logical complement of a bool tensor. */
  not(): Tensor {
    return wrap(p.not(this.value))
  }

  neg(): Tensor {
    return this.unary('neg')
  }
  exp(): Tensor {
    return this.unary('exp')
  }
  /** Natural logarithm. */
  log(): Tensor {
    return this.unary('log')
  }
  sin(): Tensor {
    return this.unary('sin')
  }
  cos(): Tensor {
    return this.unary('cos')
  }
  sqrt(): Tensor {
    return this.unary('sqrt')
  }
  rsqrt(): Tensor {
    return this.sqrt().recip()
  }
  /** 1 / x. */
  recip(): Tensor {
    return this.unary('recip')
  }
  floor(): Tensor {
    return this.unary('floor')
  }
  tanh(): Tensor {
    return this.unary('tanh')
  }
  erf(): Tensor {
    return this.unary('erf')
  }
  abs(): Tensor {
    return this.unary('abs')
  }
  square(): Tensor {
    return this.mul(this)
  }
  relu(): Tensor {
    return this.unary('relu')
  }
  sigmoid(): Tensor {
    return this.unary('sigmoid')
  }
  silu(): Tensor {
    return this.unary('silu')
  }
  softplus(): Tensor {
    return this.unary('softplus')
  }
  /** x · Φ(x), exact; `approximate: 'tanh'` is GPT-2's form. */
  gelu(options: { readonly approximate?: 'none' | 'tanh' } = {}): Tensor {
    return this.unary('gelu', { approximate: options.approximate ?? 'none' })
  }

  /** The values in another dtype: integers saturate, NaN becomes 0. */
  cast(dtype: DType): Tensor {
    return dtype === this.dtype ? this : this.unary('cast', { dtype })
  }
  /** The same bits read as another dtype of equal size. */
  bitcast(dtype: DType): Tensor {
    if (byteSize(dtype) !== byteSize(this.dtype)) throw new TensorError('DTYPE', `bitcast: ${this.dtype} has ${byteSize(this.dtype)} bytes an element, ${dtype} ${byteSize(dtype)}`)
    return dtype === this.dtype ? this : this.unary('bitcast', { dtype })
  }

  /** The same values in another shape; one dimension may be -1. */
  reshape(...shape: readonly Dim[]): Tensor {
    const hole = shape.indexOf(-1)
    if (hole < 0) return this.unary('reshape', { shape })
    const rest = shape.reduce<number>((product, dim, i) => (i === hole ? product : product * dimMax(dim)), 1)
    if (rest === 0 || this.size % rest !== 0 || shape.indexOf(-1, hole + 1) >= 0)
      throw new TensorError('SHAPE', `reshape: ${printShape(this.shape)} has ${this.size} elements, which do not fill ${printShape(shape)}; one -1 at most, and the rest must divide the size`)
    return this.unary('reshape', { shape: shape.map((dim, i) => (i === hole ? this.size / rest : dim)) })
  }
  /** Axes in another order. */
  permute(...perm: readonly number[]): Tensor {
    return this.unary('permute', { perm: perm.map((axis) => normalizeAxis('permute', axis, this.rank)) })
  }
  /** Swaps two axes; the last two unless given. */
  transpose(a = -2, b = -1): Tensor {
    const perm = this.shape.map((_, i) => i)
    const [i, j] = [normalizeAxis('transpose', a, this.rank), normalizeAxis('transpose', b, this.rank)]
    perm[i] = j
    perm[j] = i
    return this.unary('permute', { perm })
  }
  /** Repeats axes of length 1 (and missing leading ones) to the given shape. */
  expand(...shape: readonly Dim[]): Tensor {
    return this.unary('expand', { shape })
  }
  squeeze(axis: number): Tensor {
    const at = normalizeAxis('squeeze', axis, this.rank)
    if (this.shape[at] !== 1) throw new TensorError('SHAPE', `squeeze: axis ${axis} of ${printShape(this.shape)} is not 1`)
    return this.unary('reshape', { shape: this.shape.filter((_, i) => i !== at) })
  }
  unsqueeze(axis: number): Tensor {
    const at = normalizeAxis('unsqueeze', axis, this.rank + 1)
    return this.unary('reshape', { shape: [...this.shape.slice(0, at), 1, ...this.shape.slice(at)] })
  }
  /** `pads` is [before, after] for each axis. */
  pad(pads: readonly (readonly [number, number])[], value = 0): Tensor {
    return this.unary('pad', { pads, value })
  }
  /** Part of one axis, start ≤ i < end; negative numbers count from the end. Bounds may be symbols. */
  slice(axis: number, start: Index, end?: Index, step = 1): Tensor {
    const at = normalizeAxis('slice', axis, this.rank)
    const length = this.shape[at]!
    const bound = (index: Index): Index => {
      if (typeof index !== 'number' || index >= 0) return index
      if (typeof length !== 'number') throw new TensorError('SHAPE', `slice: axis ${axis} of ${printShape(this.shape)} has no fixed length to count ${index} from; give a bound ≥ 0`)
      return index + length
    }
    const starts = this.shape.map((_, i) => (i === at ? bound(start) : 0))
    const ends = this.shape.map((dim, i) => (i === at ? (end === undefined ? dim : bound(end)) : dim))
    return this.unary('slice', step === 1 ? { starts, ends } : { starts, ends, steps: this.shape.map((_, i) => (i === at ? step : 1)) })
  }
  flip(...axes: readonly number[]): Tensor {
    return this.unary('flip', { axes: positive('flip', axes, this.rank) })
  }

  /** Sum over axes; all of them unless given. */
  sum(axes?: number | readonly number[], options: { readonly keepDims?: boolean } = {}): Tensor {
    return this.unary('reduceSum', { axes: positive('sum', axes, this.rank), keepDims: options.keepDims ?? false })
  }
  /** Mean over axes of fixed length. */
  mean(axes?: number | readonly number[], options: { readonly keepDims?: boolean } = {}): Tensor {
    const list = positive('mean', axes, this.rank)
    return this.sum(list, options).mul(1 / this.countAlong('mean', list))
  }
  private countAlong(op: string, axes: readonly number[]): number {
    return axes.reduce((product, axis) => {
      const dim = this.shape[axis]!
      if (typeof dim !== 'number') throw new TensorError('SHAPE', `${op}: axis ${axis} of ${printShape(this.shape)} has a length known only at run time; divide sum() by it`)
      return product * dim
    }, 1)
  }
  /** Largest value; NaN wins. */
  max(axes?: number | readonly number[], options: { readonly keepDims?: boolean } = {}): Tensor {
    return this.unary('reduceMax', { axes: positive('max', axes, this.rank), keepDims: options.keepDims ?? false })
  }
  min(axes?: number | readonly number[], options: { readonly keepDims?: boolean } = {}): Tensor {
    if (isFloat(this.dtype)) return this.neg().max(axes, options).neg()
    // Negation overflows at the ends of an integer range; complementing all bits reverses the order without that.
    const ones = isSigned(this.dtype) ? -1 : integerRange(this.dtype)[1]
    return this.xor(ones).max(axes, options).xor(ones)
  }
  /** Mean squared distance from the mean. `correction` 1 divides by n − 1. */
  variance(axes?: number | readonly number[], options: { readonly keepDims?: boolean; readonly correction?: number } = {}): Tensor {
    const list = positive('variance', axes, this.rank)
    const count = this.countAlong('variance', list)
    const centred = this.sub(this.mean(list, { keepDims: true }))
    return centred.square().sum(list, options).mul(1 / (count - (options.correction ?? 0)))
  }
  /** i32 index of the first largest value along an axis. */
  argMax(axis = -1, options: { readonly keepDims?: boolean } = {}): Tensor {
    return this.unary('argMax', { axis: normalizeAxis('argMax', axis, this.rank), keepDims: options.keepDims ?? false })
  }
  cumsum(axis: number, options: { readonly exclusive?: boolean; readonly reverse?: boolean } = {}): Tensor {
    return this.unary('cumsum', { axis: normalizeAxis('cumsum', axis, this.rank), exclusive: options.exclusive ?? false, reverse: options.reverse ?? false })
  }

  /** Slices along `axis` at integer indices of any shape: shape[:axis] + indices.shape + shape[axis+1:]. */
  gather(indices: Tensor, axis = 0): Tensor {
    return wrap(p.gather(this.value, indices.value, normalizeAxis('gather', axis, this.rank)))
  }
  /** This with `updates` (shaped as gather's result) added at `indices`. Deterministic. */
  scatterAdd(indices: Tensor, updates: Tensor, axis = 0): Tensor {
    return wrap(p.scatterAdd(this.value, indices.value, updates.value, normalizeAxis('scatterAdd', axis, this.rank)))
  }
  /** One element per index along `axis`; the other axes agree. */
  gatherAlong(indices: Tensor, axis: number): Tensor {
    return wrap(p.gatherAlong(this.value, indices.value, normalizeAxis('gatherAlong', axis, this.rank)))
  }
  /** This with the block that starts at `starts` replaced; in place when donated. */
  updateSlice(update: Tensor, starts: readonly Index[]): Tensor {
    return wrap(p.updateSlice(this.value, update.value, starts))
  }
  /** Stable sort: values and i32 indices. */
  sort(axis = -1, options: { readonly descending?: boolean } = {}): { values: Tensor; indices: Tensor } {
    const [values, indices] = p.sort(this.value, normalizeAxis('sort', axis, this.rank), options.descending ?? false)
    return { values: wrap(values!), indices: wrap(indices!) }
  }
  /** The k largest along an axis, in descending order, with their i32 indices; ties by lower index. */
  topK(k: number, axis = -1): { values: Tensor; indices: Tensor } {
    const [values, indices] = emitAll('topK', [this.value], { k, axis: normalizeAxis('topK', axis, this.rank) })
    return { values: wrap(values!), indices: wrap(indices!) }
  }

  /**
   * Matrix product [..., M, K] x [..., K, N] → [..., M, N]; leading axes broadcast. A vector on either side is taken
   * as a row or column, as in PyTorch.
   */
  matmul(other: Tensor, options: MatmulOptions = {}): Tensor {
    const { bias, ...attrs } = options
    if (other.rank === 1) return this.matmul(other.unsqueeze(-1), options).squeeze(-1)
    if (this.rank === 1) return this.unsqueeze(0).matmul(other, options).squeeze(-2)
    return wrap(emit('matmul', bias === undefined ? [this.value, other.value] : [this.value, other.value, bias.value], { ...attrs }))
  }
  softmax(axis = -1): Tensor {
    return this.unary('softmax', { axis: normalizeAxis('softmax', axis, this.rank) })
  }
  logSoftmax(axis = -1): Tensor {
    return this.unary('logSoftmax', { axis: normalizeAxis('logSoftmax', axis, this.rank) })
  }

  /** Cuts the gradient: a constant as far as autograd is concerned. */
  stopGradient(): Tensor {
    return this.unary('stopGradient')
  }

  /** Computes the values now, in one program; afterwards this handle owns them. */
  async realize(options?: Parameters<typeof realize>[1]): Promise<this> {
    await realize([this], options)
    return this
  }

  /** A copy with memory of its own, on the device of this. Errors: as `data()`. */
  clone(): Promise<Tensor> {
    return this.copyTo('clone()', () => this.device)
  }

  /** The same values on another device; this handle stays as it is. Errors: as `data()`; DEVICE when there is no such device. */
  to(target: DeviceName | Device): Promise<Tensor> {
    return this.copyTo('to()', () => resolveDevice(target))
  }

  private copyTo(method: string, where: () => Device | undefined | Promise<Device>): Promise<Tensor> {
    // In this order, so that the handle may be disposed as soon as this has been called.
    const [reading, place] = [this.values(method), currentPlace()]
    return reading.then(async ({ storage: { symbols }, bytes }) => {
      const device = await where()
      const copy = new Storage({ shape: this.shape, dtype: this.dtype }, { host: bytes, symbols, place })
      if (device !== undefined) copy.on(device)
      return new Tensor(copy.value, copy)
    })
  }

  /**
   * The same memory with one axis declared to have a length known only at run time: programs compiled for it serve
   * every length up to `symbol.max`. The handle borrows the memory.
   */
  symbolic(axis: number, symbol: Sym): Tensor {
    const at = normalizeAxis('symbolic', axis, this.rank)
    const storage = storageOf(this.value.node)
    const length = this.shape[at]!
    if (storage === undefined) throw new TensorError('TRACE', 'symbolic: the tensor has no values yet; realize() it first')
    if (typeof length !== 'number' || length > symbol.max)
      throw new TensorError('SHAPE', `symbolic: axis ${axis} of ${printShape(this.shape)} does not fit symbol '${symbol.name}' with maximum ${symbol.max}`)
    storage.check()
    const shape = this.shape.map((dim, i) => (i === at ? symbol : dim))
    const view = new Storage({ shape, dtype: this.dtype }, { symbols: new Map([...storage.symbols, [symbol, length]]), lender: storage })
    return new Tensor(view.value, view)
  }

  /**
   * Declares the values constant: devices may keep packed copies (quantised and prepacked weights), writes and donation
   * are refused. Programs compiled for the tensor are compiled for these very values.
   */
  freeze(): this {
    return this.setRole('freeze', 'frozen')
  }
  /** Takes a freeze back; programs that packed the values are not used for it again. */
  unfreeze(): this {
    return this.setRole('unfreeze', 'input')
  }
  private setRole(method: string, role: 'frozen' | 'input'): this {
    const { storage } = this
    if (storage === undefined) throw new TensorError('TRACE', `${method}: only the handle of a tensor with values of its own can do that; realize() it first`)
    storage.check()
    if (storage.lender !== undefined) throw new TensorError('VALUE', `${method}: ${this.describe()} is a view of another tensor's memory; ${method} that one`)
    storage.role = role
    return this
  }
  get frozen(): boolean {
    return storageOf(this.value.node)?.role === 'frozen'
  }

}

