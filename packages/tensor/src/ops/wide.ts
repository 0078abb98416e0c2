/**
 * What composites share: half types are storage, so a composite computes in f32 (f64 for f64) from its inputs to its
 * end and rounds once, as a kernel would.
 */
import type { DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/node.js'
import { cast, constant, expand, reduceSum } from '../graph/primitives.js'
import { isSym, printShape, type Dim, type Shape } from '../shape.js'

/** The dtype in which a float dtype is computed. */
export const wideDType = (dtype: DType): DType => (dtype === 'f64' ? 'f64' : 'f32')
/** A float value in the dtype it is computed in. */
export const widen = (x: Value): Value => cast(x, wideDType(dtypeOf(x)))
/** A computed value in the dtype of `target`. */
export const narrow = (x: Value, target: Value): Value => cast(x, dtypeOf(target))

export const lastAxis = (x: Value): number => shapeOf(x).length - 1
export const zerosLike = (x: Value): Value => expand(constant(0, dtypeOf(x)), shapeOf(x))
export const sumLast = (x: Value): Value => reduceSum(x, [lastAxis(x)], true)

/** Attributes without those that were not given, so that equal calls have equal attributes. */
export function given<T extends Readonly<Record<string, unknown>>>(attrs: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(attrs).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** Product of some dimensions as one dimension; undefined where a symbol would have to be multiplied. */
export function joinDims(dims: readonly Dim[]): Dim | undefined {
  const symbols = dims.filter(isSym)
  const product = dims.reduce<number>((total, dim) => (isSym(dim) ? total : total * dim), 1)
  if (symbols.length === 0) return product
  return symbols.length === 1 && product === 1 ? symbols[0] : undefined
}

export const describe = ({ dtype, shape }: TensorType): string => `${dtype} ${printShape(shape)}`

/** An input has exactly this rank. */
export function checkRank(op: string, name: string, type: TensorType, rank: number, axes: string): void {
  if (type.shape.length !== rank) throw new TensorError('SHAPE', `${op}: ${name} must have ${rank} axes ${axes}, got ${describe(type)}`)
}

/** An input has exactly this shape, which follows from the others. */
export function checkShapeIs(op: string, name: string, type: TensorType, shape: Shape, why: string): void {
  if (type.shape.length !== shape.length || type.shape.some((dim, axis) => dim !== shape[axis]))
    throw new TensorError('SHAPE', `${op}: ${name} must be ${printShape(shape)} (${why}), got ${describe(type)}`)
}

/** An input has one of these dtypes. */
export function checkDTypeIs(op: string, name: string, type: TensorType, dtypes: readonly DType[], why: string): void {
  if (!dtypes.includes(type.dtype))
    throw new TensorError(
      'DTYPE',
      `${op}: ${name} must be ${[...new Set(dtypes)].join(' or ')} (${why}), got ${describe(type)}; cast it first`,
    )
}

/** As many inputs as the operation takes. */
export function checkCount(op: string, inputs: readonly TensorType[], least: number, most: number, names: string): void {
  if (inputs.length < least || inputs.length > most)
    throw new TensorError(
      'VALUE',
      `${op}: takes ${least === most ? least : `${least} to ${most}`} tensors (${names}), got ${inputs.length}`,
    )
}

/** The last axis of an input, which must have a size that is known. */
export function knownLast(op: string, name: string, type: TensorType): number {
  const dim = type.shape.at(-1)
  if (dim === undefined) throw new TensorError('SHAPE', `${op}: ${name} must have at least one axis, got ${describe(type)}`)
  if (typeof dim !== 'number')
    throw new TensorError('SHAPE', `${op}: the last axis of ${name} ${describe(type)} is a symbol; its size must be known`)
  return dim
}

/** A finite number, for attributes that are compiled in. */
export function checkFinite(op: string, name: string, value: unknown, accept: (value: number) => boolean, expected: string): void {
  if (typeof value !== 'number' || !accept(value))
    throw new TensorError('VALUE', `${op}: ${name} must be ${expected}, got ${String(value)}`)
}
