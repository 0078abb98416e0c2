import { currentPlace } from './debug/leaks.js'
import type { Device, DeviceName } from './device/device.js'
import { resolveDevice } from './device/registry.js'
import { integerRange, isFloat, isSigned } from './dtype.js'
import { ElementwiseTensor } from './elementwise.js'
import { TensorError } from './errors.js'
import { emit, emitAll, installOps } from './graph/build.js'
import type { Attrs, Value } from './graph/node.js'
import * as p from './graph/primitives.js'
import { realize } from './handle.js'
import { checkIndices } from './indices.js'
import { named } from './naming.js'
import type { OpRow } from './ops/row.js'
import { checkFloat } from './ops/check.js'
import { opTable } from './ops/table.js'
import { dimMax, normalizeAxis, printShape, type Dim, type Index, type Shape, type Sym } from './shape.js'
import { Storage, storageOf } from './storage.js'
import type { RealizeOptions } from './transform/realize.js'

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

/** What every reduction may do. */
export interface ReduceOptions {
  /** Leave the reduced axes in place with length 1; default false. */
  readonly keepDims?: boolean
}

const axesOf = (op: string, axes: number | readonly number[] | undefined, rank: number): number[] => {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i)
  const list = (typeof axes === 'number' ? [axes] : axes).map((axis) => normalizeAxis(op, axis, rank))
  if (new Set(list).size !== list.length) throw new TensorError('SHAPE', `${op}: an axis is given twice in [${list.join(', ')}]`)
  return list.sort((a, b) => a - b)
}

function fixedLength(op: string, shape: Shape, axis: number, dim: Dim): number {
  if (typeof dim === 'number') return dim
  throw new TensorError(
    'SHAPE',
    `${op}: axis ${axis} of ${printShape(shape)} has a length known only at run time; keep the full length and mask what lies past '${dim.name}' with where(), or divide sums by symbolValue(${dim.name})`,
  )
}

/**
 * An n-dimensional array on a device. Operations are lazy: they record a graph and check shapes at once; work starts
 * at `data()`, `realize()` or a call of a jitted function.
 *
 * Whoever makes a tensor from data, or gets one from a realised call, owns its memory: `using` or `dispose()`.
 * Intermediate results need neither.
 */
export class Tensor extends ElementwiseTensor {
  protected wrap(value: Value): Tensor {
    return new Tensor(value)
  }

  /** The same values in another shape, row-major; one dimension may be -1. Errors: SHAPE when the sizes differ. */
  reshape(...shape: readonly Dim[]): Tensor {
    const hole = shape.indexOf(-1)
    if (hole < 0) return this.emit('reshape', { shape })
    const rest = shape.reduce<number>((product, dim, i) => (i === hole ? product : product * dimMax(dim)), 1)
    if (rest === 0 || this.size % rest !== 0 || shape.indexOf(-1, hole + 1) >= 0)
      throw new TensorError(
        'SHAPE',
        `reshape: ${printShape(this.shape)} has ${this.size} elements, which do not fill ${printShape(shape)}; one -1 at most, and the rest must divide the size`,
      )
    return this.emit('reshape', { shape: shape.map((dim, i) => (i === hole ? this.size / rest : dim)) })
  }
  /** The axes from `start` to `end`, both included, as one. */
  flatten(start = 0, end = -1): Tensor {
    if (this.rank === 0) return this.emit('reshape', { shape: [1] })
    const [from, to] = [normalizeAxis('flatten', start, this.rank), normalizeAxis('flatten', end, this.rank)]
    if (from > to) throw new TensorError('SHAPE', `flatten: axis ${start} comes after axis ${end} in ${printShape(this.shape)}`)
    const { shape } = this
    if (from === to) return this.wrap(this.value)
    const joined = shape.slice(from, to + 1).reduce<number>((product, dim, i) => product * fixedLength('flatten', shape, from + i, dim), 1)
    return this.emit('reshape', { shape: [...shape.slice(0, from), joined, ...shape.slice(to + 1)] })
  }
  /** Axes in another order: axis i of the result is axis perm[i] of this. */
  permute(...perm: readonly number[]): Tensor {
    return this.emit('permute', { perm: perm.map((axis) => normalizeAxis('permute', axis, this.rank)) })
  }
  /** Swaps two axes; the last two unless given. */
  transpose(a = -2, b = -1): Tensor {
    const perm = this.shape.map((_, i) => i)
    const [i, j] = [normalizeAxis('transpose', a, this.rank), normalizeAxis('transpose', b, this.rank)]
    perm[i] = j
    perm[j] = i
    return this.emit('permute', { perm })
  }
  /** Repeats axes of length 1 (and missing leading ones) to the given shape, without copying more than a device must. */
  expand(...shape: readonly Dim[]): Tensor {
    return this.emit('expand', { shape })
  }
  /** The tensor `counts[i]` times along axis i, as NumPy's tile; missing leading axes are 1. */
  repeat(...counts: readonly number[]): Tensor {
    return named('repeat', () => {
      const wrong = counts.find((count) => !Number.isSafeInteger(count) || count < 0)
      if (wrong !== undefined || counts.length < this.rank)
        throw new TensorError(
          'SHAPE',
          `repeat: expected a count ≥ 0 for each axis of ${printShape(this.shape)}, got [${counts.join(', ')}]`,
        )
      const shape: Dim[] = [...Array.from({ length: counts.length - this.rank }, () => 1), ...this.shape]
      // Each axis of n becomes [count, n]: the new one is repeated, and the two are read as one.
      const split = shape.flatMap((dim, i) => (counts[i] === 1 ? [dim] : [1, dim]))
      const repeated = shape.flatMap((dim, i) => (counts[i] === 1 ? [dim] : [counts[i]!, dim]))
      const joined = shape.map((dim, i) => (counts[i] === 1 ? dim : counts[i]! * fixedLength('repeat', shape, i, dim)))
      return this.reshape(...split)
        .expand(...repeated)
        .reshape(...joined)
    })
  }
  /** Drops an axis of length 1. */
  squeeze(axis: number): Tensor {
    const at = normalizeAxis('squeeze', axis, this.rank)
    if (this.shape[at] !== 1) throw new TensorError('SHAPE', `squeeze: axis ${axis} of ${printShape(this.shape)} is not 1`)
    return this.emit('reshape', { shape: this.shape.filter((_, i) => i !== at) })
  }
  /** Puts an axis of length 1 before `axis`; -1 puts it last. */
  unsqueeze(axis: number): Tensor {
    const at = normalizeAxis('unsqueeze', axis, this.rank + 1)
    return this.emit('reshape', { shape: [...this.shape.slice(0, at), 1, ...this.shape.slice(at)] })
  }
  /** Constant elements around: `pads` is [before, after] for each axis. */
  pad(pads: readonly (readonly [number, number])[], value = 0): Tensor {
    return this.emit('pad', { pads, value })
  }
  /**
   * Part of one axis, start ≤ i < end, every `step`-th; negative numbers count from the end. Bounds may be symbols:
   * 0 to a symbol gives the axis that symbol as its length. Errors: SHAPE when the range is not inside the axis.
   */
  slice(axis: number, start: Index, end?: Index, step = 1): Tensor {
    const at = normalizeAxis('slice', axis, this.rank)
    const length = this.shape[at]!
    const bound = (index: Index): Index => {
      if (typeof index !== 'number' || index >= 0) return index
      if (typeof length !== 'number')
        throw new TensorError(
          'SHAPE',
          `slice: axis ${axis} of ${printShape(this.shape)} has no fixed length to count ${index} from; give a bound ≥ 0`,
        )
      if (index < -length)
        throw new TensorError(
          'SHAPE',
          `slice: ${index} counts back past the start of axis ${axis} of ${printShape(this.shape)}; expected ${-length} to ${length}`,
        )
      return index + length
    }
    const starts = this.shape.map((_, i) => (i === at ? bound(start) : 0))
    const ends = this.shape.map((dim, i) => (i === at ? (end === undefined ? dim : bound(end)) : dim))
    return this.emit('slice', step === 1 ? { starts, ends } : { starts, ends, steps: this.shape.map((_, i) => (i === at ? step : 1)) })
  }
  /** Parts of an axis of fixed length: pieces of `size` elements, the last one shorter, or of the sizes in a list. */
  split(size: number | readonly number[], axis = 0): Tensor[] {
    const at = normalizeAxis('split', axis, this.rank)
    const length = fixedLength('split', this.shape, axis, this.shape[at]!)
    if (typeof size === 'number' && (!Number.isSafeInteger(size) || size < 1))
      throw new TensorError('VALUE', `split: expected pieces of at least one element, got ${size}`)
    const sizes =
      typeof size === 'number' ? Array.from({ length: Math.ceil(length / size) }, (_, i) => Math.min(size, length - i * size)) : size
    if (sizes.reduce((sum, piece) => sum + piece, 0) !== length)
      throw new TensorError('SHAPE', `split: pieces of [${sizes.join(', ')}] do not make up axis ${axis} of ${printShape(this.shape)}`)
    let from = 0
    return sizes.map((piece) => named('split', () => this.slice(at, from, (from += piece))))
  }
  /** The elements in reverse along some axes; along all unless given. */
  flip(...axes: readonly number[]): Tensor {
    return this.emit('flip', { axes: axesOf('flip', axes.length === 0 ? undefined : axes, this.rank) })
  }

  /** Sum over axes; all of them unless given. 0 over nothing. */
  sum(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return named('sum', () => this.emit('reduceSum', this.reduction('sum', axes, options)))
  }
  /** Mean over axes of fixed length; all of them unless given. Half types are summed in f32. */
  mean(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return named('mean', () => {
      checkFloat('mean', this)
      const list = axesOf('mean', axes, this.rank)
      return this.widened((x) => x.sum(list, options).mul(1 / this.countAlong('mean', list)))
    })
  }
  /** Largest value over axes; all of them unless given. NaN wins; the lowest value over nothing. */
  max(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return named('max', () => this.emit('reduceMax', this.reduction('max', axes, options)))
  }
  /** Smallest value over axes; all of them unless given. NaN wins; the highest value over nothing. */
  min(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return named('min', () => this.reversed((x) => x.max(axes, options), true))
  }
  /** Mean squared distance from the mean over axes of fixed length. `correction` 1 divides by n − 1; default 0. */
  variance(axes?: number | readonly number[], options: ReduceOptions & { readonly correction?: number } = {}): Tensor {
    return named('variance', () => {
      checkFloat('variance', this)
      const list = axesOf('variance', axes, this.rank)
      const count = this.countAlong('variance', list) - (options.correction ?? 0)
      return this.widened((x) =>
        x
          .sub(x.mean(list, { keepDims: true }))
          .square()
          .sum(list, options)
          .mul(1 / count),
      )
    })
  }
  /** Standard deviation: the square root of {@link variance}. */
  std(axes?: number | readonly number[], options: ReduceOptions & { readonly correction?: number } = {}): Tensor {
    return named('std', () => this.widened((x) => x.variance(axes, options).sqrt()))
  }
  /** Whether any element along the axes is not 0 (all axes unless given); bool, false over nothing. */
  any(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return named('any', () => this.ne(0).cast('i32').sum(axes, options).gt(0))
  }
  /** Whether no element along the axes is 0 (all axes unless given); bool, true over nothing. */
  all(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return named('all', () => this.eq(0).cast('i32').sum(axes, options).eq(0))
  }
  /** i32 index of the first largest value along an axis; NaN counts as the largest. */
  argMax(axis = -1, options: ReduceOptions = {}): Tensor {
    return this.emit('argMax', { axis: normalizeAxis('argMax', axis, this.rank), keepDims: options.keepDims ?? false })
  }
  /** i32 index of the first smallest value along an axis; NaN counts as the smallest. */
  argMin(axis = -1, options: ReduceOptions = {}): Tensor {
    return named('argMin', () => this.reversed((x) => x.argMax(axis, options), false))
  }
  /** Running sum along an axis: without the element itself when exclusive, from the end when reverse. */
  cumsum(axis: number, options: { readonly exclusive?: boolean; readonly reverse?: boolean } = {}): Tensor {
    return this.emit('cumsum', {
      axis: normalizeAxis('cumsum', axis, this.rank),
      exclusive: options.exclusive ?? false,
      reverse: options.reverse ?? false,
    })
  }

  private reduction(op: string, axes: number | readonly number[] | undefined, { keepDims = false }: ReduceOptions): Attrs {
    return { axes: axesOf(op, axes, this.rank), keepDims }
  }
  private countAlong(op: string, axes: readonly number[]): number {
    return axes.reduce((product, axis) => product * fixedLength(op, this.shape, axis, this.shape[axis]!), 1)
  }
  /** Computes in f32 what half types would round, or overflow, on the way. */
  private widened(build: (x: Tensor) => Tensor): Tensor {
    return this.dtype === 'f16' || this.dtype === 'bf16' ? build(this.cast('f32')).cast(this.dtype) : build(this)
  }
  /** Works on the values in reverse order, and puts values that come out back. */
  private reversed(build: (x: Tensor) => Tensor, back: boolean): Tensor {
    // Negation overflows at the ends of an integer range; complementing all bits reverses the order without that.
    const reverse = isFloat(this.dtype)
      ? (x: Tensor): Tensor => x.neg()
      : (x: Tensor): Tensor => x.xor(isSigned(x.dtype) ? -1 : integerRange(x.dtype)[1])
    const out = build(reverse(this))
    return back ? reverse(out) : out
  }

  /**
   * Slices along `axis` at i32 or u32 indices of any shape: shape[:axis] + indices.shape + shape[axis+1:].
   *
   * Errors: VALUE for an index outside the axis, where the indices still wait on the host; on a device it counts as the
   * nearest one inside. The same holds for the other methods that take indices.
   */
  gather(indices: Tensor, axis = 0): Tensor {
    return this.indexed('gather', indices, axis, (at) => p.gather(this.value, indices.value, at))
  }
  /** This with `updates` (shaped as gather's result) added at `indices`. Deterministic. */
  scatterAdd(indices: Tensor, updates: Tensor, axis = 0): Tensor {
    return this.indexed('scatterAdd', indices, axis, (at) => p.scatterAdd(this.value, indices.value, updates.value, at))
  }
  /** One element per index along `axis`; the other axes agree (NumPy's take_along_axis, PyTorch's gather). */
  gatherAlong(indices: Tensor, axis: number): Tensor {
    return this.indexed('gatherAlong', indices, axis, (at) => p.gatherAlong(this.value, indices.value, at))
  }
  /** This with `updates` (shaped as `indices`) added at one place each along `axis`. Deterministic. */
  scatterAddAlong(indices: Tensor, updates: Tensor, axis: number): Tensor {
    return this.indexed('scatterAddAlong', indices, axis, (at) => p.scatterAddAlong(this.value, indices.value, updates.value, at))
  }
  private indexed(op: string, indices: Tensor, axis: number, build: (at: number) => Value): Tensor {
    const at = normalizeAxis(op, axis, this.rank)
    const result = this.wrap(build(at))
    checkIndices(op, indices, this.shape[at]!)
    return result
  }
  /** This with the block that starts at `starts` (one for each axis) replaced; in place when donated. */
  updateSlice(update: Tensor, starts: readonly Index[]): Tensor {
    return this.wrap(p.updateSlice(this.value, update.value, starts))
  }
  /** Stable sort along an axis: values and i32 indices. */
  sort(axis = -1, options: { readonly descending?: boolean } = {}): { values: Tensor; indices: Tensor } {
    const [values, indices] = p.sort(this.value, normalizeAxis('sort', axis, this.rank), options.descending ?? false)
    return { values: this.wrap(values!), indices: this.wrap(indices!) }
  }
  /** The k largest along an axis, in descending order, with their i32 indices; ties by lower index. */
  topK(k: number, axis = -1): { values: Tensor; indices: Tensor } {
    const [values, indices] = emitAll('topK', [this.value], { k, axis: normalizeAxis('topK', axis, this.rank) })
    return { values: this.wrap(values!), indices: this.wrap(indices!) }
  }

  /**
   * Matrix product [..., M, K] x [..., K, N] → [..., M, N]; leading axes broadcast. A vector on either side is taken
   * as a row or column, as in PyTorch. Errors: SHAPE names both shapes when the inner sizes differ.
   */
  matmul(other: Tensor, options: MatmulOptions = {}): Tensor {
    const { bias, ...attrs } = options
    if (other.rank === 1) return this.matmul(other.unsqueeze(options.transB === true ? 0 : -1), options).squeeze(-1)
    if (this.rank === 1)
      return this.unsqueeze(options.transA === true ? -1 : 0)
        .matmul(other, options)
        .squeeze(-2)
    return this.wrap(emit('matmul', bias === undefined ? [this.value, other.value] : [this.value, other.value, bias.value], { ...attrs }))
  }
  /** exp(x) / Σ exp(x) along an axis. */
  softmax(axis = -1): Tensor {
    return this.emit('softmax', { axis: normalizeAxis('softmax', axis, this.rank) })
  }
  /** The logarithm of the softmax along an axis, exact also where that rounds to 0. */
  logSoftmax(axis = -1): Tensor {
    return this.emit('logSoftmax', { axis: normalizeAxis('logSoftmax', axis, this.rank) })
  }

  /** Computes the values now, in one program; afterwards this handle owns them. Errors: as the function `realize`. */
  realize(options?: RealizeOptions): Promise<this> {
    return realize([this], options).then(() => this)
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
      throw new TensorError(
        'SHAPE',
        `symbolic: axis ${axis} of ${printShape(this.shape)} does not fit symbol '${symbol.name}' with maximum ${symbol.max}`,
      )
    storage.check()
    const shape = this.shape.map((dim, i) => (i === at ? symbol : dim))
    const view = new Storage({ shape, dtype: this.dtype }, { symbols: new Map([...storage.symbols, [symbol, length]]), lender: storage })
    return new Tensor(view.value, view)
  }

  /**
   * Declares the values constant: devices may keep packed copies (quantised and prepacked weights), writes and donation
   * are refused. Programs compiled for the tensor are compiled for these very values.
   *
   * With a device the values go there now rather than when the first program reads them, so bytes that waited for it can be collected. A device may have
   * memory of another kind for what stays as it is. Errors: DEVICE where the tensor is on another.
   */
  freeze(options: { readonly device?: Device } = {}): this {
    this.setRole('freeze', 'frozen')
    if (options.device !== undefined) this.storage!.on(options.device)
    return this
  }
  /** Takes a freeze back; programs that packed the values are not used for it again. */
  unfreeze(): this {
    return this.setRole('unfreeze', 'input')
  }
  private setRole(method: string, role: 'frozen' | 'input'): this {
    const { storage } = this
    if (storage === undefined)
      throw new TensorError('TRACE', `${method}: only the handle of a tensor with values of its own can do that; realize() it first`)
    storage.check()
    if (storage.lender !== undefined)
      throw new TensorError('VALUE', `${method}: ${this.describe()} is a view of another tensor's memory; ${method} that one`)
    storage.role = role
    return this
  }
  /** Whether {@link freeze} is in force. */
  get frozen(): boolean {
    return storageOf(this.value.node)?.role === 'frozen'
  }
}
