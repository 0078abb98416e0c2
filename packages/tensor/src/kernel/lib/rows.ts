/**
 * Operations over the last axis that look at a row several times: softmax, norms, cross entropy and their gradients. One kernel goes through a row as often as it has to,
 * instead of one kernel for each step. A row belongs to one thread, or to the threads of a workgroup, which share what they found.
 */
import type { Attrs, TensorType } from '../../graph/node.js'
import { isFloat } from '../../dtype.js'
import { f32, u32, type KernelBuilder } from '../builder.js'
import { constant, type Expr } from '../ir.js'
import type { Amount, SymbolUniforms } from './indexing.js'
import { isNaNExpr, perWord } from './pack.js'
import type { Powers } from './row-reader.js'

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
  /** The same of an element at a place that is worked out. */
  readonly pick: (input: number, i: Expr) => Expr
  /** The one element that an input has for this row, [...] or [..., 1]. */
  readonly single: (input: number) => Expr
  /** Element `i` of an input of one axis, the same for all rows. */
  readonly shared: (input: number, i: Expr) => Expr
  /** Σ over the row of some values. */
  readonly sum: (...of: readonly ((i: Expr) => Expr)[]) => readonly Expr[]
  /** Powers of e of what lies below the largest of the row. */
  readonly powers: (of: (i: Expr) => Expr) => Powers
}

/** What a row operation gives: elements of its first output, or one number for each row, as the output's shape says. */
export type RowResult = { readonly kind: 'elements'; readonly at: (i: Expr) => Expr } | { readonly kind: 'single'; readonly value: Expr }
export type RowRule = (context: RowContext) => readonly RowResult[]

const elements = (at: (i: Expr) => Expr): RowResult => ({ kind: 'elements', at })
const single = (value: Expr): RowResult => ({ kind: 'single', value })
/** Of a sum that is positive, or NaN or 0. */
const logOf = (x: Expr): Expr => isNaNExpr(x).select(x, x.eq(0).select(f32(-Infinity), x.unary('log')))

const softmax: RowRule = ({ at, powers }) => {
  const { power, share } = powers((i) => at(0, i))
  return [elements((i) => share(power(i)))]
}

const logSoftmax: RowRule = ({ b, at, powers }) => {
  const { peak, total } = powers((i) => at(0, i))
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
  const { b, attrs, size, at, pick, single: one, powers } = context
  const { peak, total } = powers((i) => at(0, i))
  const label = one(1)
  const picked = b.let('picked', pick(0, clampedLabel(b, label, size)))
  const loss = b.let('loss', peak.sub(picked).add(logOf(total)))
  return [single(ignored(attrs, label, loss))]
}

const crossEntropyGrad: RowRule = ({ b, attrs, size, at, single: one, powers }) => {
  const { power, share } = powers((i) => at(0, i))
  const label = one(1)
  const weight = b.let('weight', ignored(attrs, label, one(2)))
  const place = b.let('place', clampedLabel(b, label, size))
  const scale = b.let('scale', share(weight))
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

/** Rows of a tensor whose last axis is one. */
export const rowCount = (symbols: SymbolUniforms, { shape }: TensorType): Amount => symbols.count(shape.slice(0, -1))
