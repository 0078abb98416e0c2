/**
 * Operations over the last axis that look at a row several times: softmax, norms, cross entropy and their gradients. One kernel goes through a row as often as it has to,
 * instead of one kernel for each step. A row belongs to one thread, or to the threads of a workgroup, which share what they found.
 */
import type { Attrs, TensorType } from '../../graph/node.js'
import { isFloat } from '../../dtype.js'
import { f32, u32, type KernelBuilder } from '../builder.js'
import { constant, type Expr } from '../ir.js'
import { asExpr, type Amount, type SymbolUniforms } from './indexing.js'
import { isNaNExpr, perWord } from './pack.js'

/** How a row operation reads its row, and what it may ask of all of it. */
export interface RowContext {
  readonly b: KernelBuilder
  readonly symbols: SymbolUniforms
  readonly attrs: Attrs
  readonly inputs: readonly TensorType[]
  /** The row's number. */
  readonly row: Expr
  /** Elements of the row. */
  readonly size: Amount
  /** Element `i` of this row of an input whose last axis is the row. */
  readonly at: (input: number, i: Expr) => Expr
  /** The one element that an input has for this row, [...] or [..., 1]. */
  readonly single: (input: number) => Expr
  /** Element `i` of an input of one axis, the same for all rows. */
  readonly shared: (input: number, i: Expr) => Expr
  /** Σ over the row of some values. */
  readonly sum: (...of: readonly ((i: Expr) => Expr)[]) => readonly Expr[]
  /** The largest of the row, NaN where one is, −∞ of none. */
  readonly max: (of: (i: Expr) => Expr) => Expr
}

/** What a row operation gives: elements of its first output, or one number for each row, as the output's shape says. */
export type RowResult = { readonly kind: 'elements'; readonly at: (i: Expr) => Expr } | { readonly kind: 'single'; readonly value: Expr }
export type RowRule = (context: RowContext) => readonly RowResult[]

const elements = (at: (i: Expr) => Expr): RowResult => ({ kind: 'elements', at })
const single = (value: Expr): RowResult => ({ kind: 'single', value })
const exp = (x: Expr): Expr => isNaNExpr(x).select(x, x.unary('exp'))
/** Of a sum that is positive, or NaN or 0. */
const logOf = (x: Expr): Expr => isNaNExpr(x).select(x, x.eq(0).select(f32(-Infinity), x.unary('log')))

const softmax: RowRule = ({ b, at, sum, max }) => {
  const peak = max((i) => at(0, i))
  const power = (i: Expr): Expr => exp(b.let('shifted', at(0, i).sub(peak)))
  const [total] = sum(power) as [Expr]
  return [elements((i) => power(i).div(total))]
}

const logSoftmax: RowRule = ({ b, at, sum, max }) => {
  const peak = max((i) => at(0, i))
  const [total] = sum((i) => exp(b.let('shifted', at(0, i).sub(peak)))) as [Expr]
  const log = b.let('log', logOf(total))
  return [elements((i) => at(0, i).sub(peak).sub(log))]
}

const softmaxGrad: RowRule = ({ at, sum }) => {
  const [dot] = sum((i) => at(0, i).mul(at(1, i))) as [Expr]
  return [elements((i) => at(0, i).mul(at(1, i).sub(dot)))]
}

const perElement = (size: Amount): Expr => (typeof size === 'number' ? f32(1 / Math.max(1, size)) : f32(1).div(size.max(1).to('f32')))

const layerNorm: RowRule = ({ b, attrs, inputs, size, at, shared, sum }) => {
  const [total] = sum((i) => at(0, i)) as [Expr]
  const mean = b.let('mean', total.mul(perElement(size)))
  const [squares] = sum((i) => {
    const centered = b.let('centered', at(0, i).sub(mean))
    return centered.mul(centered)
  }) as [Expr]
  const rstd = b.let('rstd', rootOf(squares.mul(perElement(size)), attrs['eps'] as number))
  const scaled = (i: Expr): Expr => at(0, i).sub(mean).mul(rstd).mul(shared(1, i))
  return [elements((i) => (inputs.length > 2 ? scaled(i).add(shared(2, i)) : scaled(i))), single(mean), single(rstd)]
}

const rmsNorm: RowRule = ({ b, attrs, size, at, shared, sum }) => {
  const [squares] = sum((i) => {
    const x = at(0, i)
    return x.mul(x)
  }) as [Expr]
  const rstd = b.let('rstd', rootOf(squares.mul(perElement(size)), attrs['eps'] as number))
  return [elements((i) => at(0, i).mul(rstd).mul(shared(1, i))), single(rstd)]
}

/** 1 / sqrt(mean square + eps); of a division and a root, which devices give to more digits than the reciprocal root. */
const rootOf = (meanSquare: Expr, eps: number): Expr => f32(1).div(meanSquare.add(eps).unary('sqrt'))

const crossEntropy: RowRule = (context) => {
  const { b, attrs, size, at, single: one, sum, max } = context
  const peak = max((i) => at(0, i))
  const [total] = sum((i) => exp(b.let('shifted', at(0, i).sub(peak)))) as [Expr]
  const label = one(1)
  const picked = b.let('picked', at(0, clampedLabel(b, label, size)))
  const loss = b.let('loss', peak.sub(picked).add(logOf(total)))
  return [single(ignored(attrs, label, loss))]
}

const crossEntropyGrad: RowRule = ({ b, attrs, size, at, single: one, sum, max }) => {
  const peak = max((i) => at(0, i))
  const power = (i: Expr): Expr => exp(b.let('shifted', at(0, i).sub(peak)))
  const [total] = sum(power) as [Expr]
  const label = one(1)
  const weight = b.let('weight', ignored(attrs, label, one(2)))
  const place = b.let('place', clampedLabel(b, label, size))
  const scale = b.let('scale', weight.div(total))
  return [
    elements((i) =>
      power(i)
        .mul(scale)
        .sub(i.eq(place).select(weight, f32(0))),
    ),
  ]
}

/** An index as it is used: not below 0 and not beyond the last. */
function clampedLabel(b: KernelBuilder, label: Expr, size: Amount): Expr {
  const last = typeof size === 'number' ? u32(Math.max(1, size) - 1) : size.max(1).sub(1)
  return b.let('label', label.type.scalar === 'u32' ? label.min(last) : label.max(0).bits('u32').min(last))
}

function ignored(attrs: Attrs, label: Expr, value: Expr): Expr {
  const index = attrs['ignoreIndex'] as number | undefined
  return index === undefined ? value : label.eq(constant(index, label.type.scalar)).select(f32(0), value)
}

/** A row operation: how it is computed, and which inputs are rows; others have one element for each row, or one row for all. */
export interface RowOp {
  readonly rule: RowRule
  /** Inputs that are read again and again. */
  readonly rows: readonly number[]
}

export const rowOps: ReadonlyMap<string, RowOp> = new Map<string, RowOp>([
  ['softmax', { rule: softmax, rows: [0] }],
  ['logSoftmax', { rule: logSoftmax, rows: [0] }],
  ['softmaxGrad', { rule: softmaxGrad, rows: [0, 1] }],
  ['layerNorm', { rule: layerNorm, rows: [0, 1, 2] }],
  ['rmsNorm', { rule: rmsNorm, rows: [0, 1] }],
  ['crossEntropy', { rule: crossEntropy, rows: [0] }],
  ['crossEntropyGrad', { rule: crossEntropyGrad, rows: [0] }],
])

/** Whether a row operation is of the form that its kernel takes: over the last axis, rows of whole words. */
export function hasRows(op: string, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: Attrs): boolean {
  if (!rowOps.has(op)) return false
  const { shape } = inputs[0]!
  if ((attrs['axis'] as number | undefined) !== undefined && attrs['axis'] !== shape.length - 1) return false
  const last = shape.at(-1)!
  const whole = ({ dtype, shape: own }: TensorType): boolean =>
    own.at(-1) !== last || perWord(dtype) === 1 || Number(last) % perWord(dtype) === 0
  return typeof last === 'number' && last > 0 && outputs.every((output) => isFloat(output.dtype) && whole(output))
}

/** Finds sums and maxima of a row: by one thread, or by the threads of a workgroup, each of which looks at every so many elements. */
export class RowReader {
  private readonly lane: Expr
  private readonly memory: ReturnType<KernelBuilder['sharedArray']> | undefined

  /**
   * @param threads of a workgroup for each row; 1 where a thread has a row for itself
   * @param inside runs statements of a loop: what they name is forgotten behind it
   */
  constructor(
    private readonly b: KernelBuilder,
    private readonly size: Amount,
    private readonly threads: number,
    private readonly inside: (body: () => void) => void,
  ) {
    this.lane = threads === 1 ? u32(0) : b.localIndex()
    this.memory = threads === 1 ? undefined : b.sharedArray('found', 'f32', threads)
  }

  /** Each element that this thread looks at. */
  each(body: (i: Expr) => void, size: Amount = this.size): void {
    this.b.for('i', this.lane, asExpr(size), this.threads, (i) => this.inside(() => body(i)))
  }

  sum(of: readonly ((i: Expr) => Expr)[]): Expr[] {
    const sums = of.map(() => this.b.var('sum', f32(0)))
    this.each((i) => of.forEach((value, which) => sums[which]!.set(sums[which]!.value.add(value(i)))))
    return sums.map((sum) => this.combined(sum.value, (a, b) => a.add(b)))
  }

  max(of: (i: Expr) => Expr): Expr {
    const most = this.b.var('most', f32(-Infinity))
    this.each((i) => most.set(larger(most.value, this.b.let('element', of(i)))))
    return this.combined(most.value, larger)
  }

  /** Halves the threads that still have something to say until one has it all, and lets everybody read that. */
  private combined(own: Expr, combine: (a: Expr, b: Expr) => Expr): Expr {
    const { b, memory, lane, threads } = this
    if (memory === undefined) return b.let('whole', own)
    b.store(memory, lane, own)
    b.barrier()
    for (let half = threads / 2; half >= 1; half /= 2) {
      b.if(lane.lt(half), () => {
        const [mine, other] = [b.load(memory, lane), b.load(memory, lane.add(half))]
        b.store(memory, lane, combine(mine, other))
      })
      b.barrier()
    }
    const whole = b.load(memory, u32(0))
    // Nobody writes the next before everybody has read this.
    b.barrier()
    return whole
  }
}

const larger = (a: Expr, b: Expr): Expr => isNaNExpr(a).select(a, isNaNExpr(b).select(b, a.max(b)))

/** Rows of a tensor whose last axis is one. */
export const rowCount = (symbols: SymbolUniforms, { shape }: TensorType): Amount => symbols.count(shape.slice(0, -1))
