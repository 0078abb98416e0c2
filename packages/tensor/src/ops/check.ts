/**
 * Checks shared by the rows' `infer`. Each throws a TensorError that names the operation, what was given and what was
 * expected. Primitives are strict so that devices need not be lenient: axes count from 0, shapes are fully known.
 */
import { isFloat, isInteger, type DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import type { TensorType } from '../graph/node.js'
import { isSym, printIndex, printShape, symbolNote, type Dim, type Shape } from '../shape.js'

/** The operation takes floats only. */
export function checkFloat(op: string, type: TensorType): void {
  if (!isFloat(type.dtype))
    throw new TensorError('DTYPE', `${op}: takes floats (f64, f32, f16, bf16), got ${type.dtype} ${printShape(type.shape)}; cast it first`)
}

/** The operation takes floats and integers but not bool. */
export function checkNumber(op: string, type: TensorType, instead = 'cast it first'): void {
  if (type.dtype === 'bool')
    throw new TensorError('DTYPE', `${op}: takes floats and integers, got bool ${printShape(type.shape)}; ${instead}`)
}

/** The operation takes i8, u8, i32 or u32. */
export function checkInteger(op: string, type: TensorType): void {
  if (!isInteger(type.dtype))
    throw new TensorError('DTYPE', `${op}: takes integers (i32, u32, i8, u8), got ${type.dtype} ${printShape(type.shape)}; cast it first`)
}

/** Indices are i32 or u32. */
export function checkIndices(op: string, type: TensorType): void {
  if (type.dtype !== 'i32' && type.dtype !== 'u32')
    throw new TensorError('DTYPE', `${op}: indices must be i32 or u32, got ${type.dtype} ${printShape(type.shape)}; cast them to i32`)
}

export function checkSameDtype(op: string, a: TensorType, b: TensorType): void {
  if (a.dtype !== b.dtype)
    throw new TensorError(
      'DTYPE',
      `${op}: operands must have one dtype, got ${a.dtype} ${printShape(a.shape)} and ${b.dtype} ${printShape(b.shape)}; cast one of them`,
    )
}

/** Axes of primitives count from 0; `normalizeAxis` turns one that counts from the end into that form. */
export function checkAxis(op: string, axis: number, shape: Shape): void {
  if (Number.isInteger(axis) && axis >= 0 && axis < shape.length) return
  const expected = shape.length === 0 ? 'a scalar has no axes' : `expected 0 to ${shape.length - 1} (primitives count axes from the front)`
  throw new TensorError('SHAPE', `${op}: axis ${axis} is out of range for shape ${printShape(shape)}; ${expected}`)
}

/** Every axis is in range and named once. */
export function checkAxes(op: string, axes: readonly number[], shape: Shape): void {
  for (const axis of axes) checkAxis(op, axis, shape)
  if (new Set(axes).size !== axes.length)
    throw new TensorError(
      'SHAPE',
      `${op}: axes [${axes.join(', ')}] of shape ${printShape(shape)} name an axis twice; expected each at most once`,
    )
}

/** Every dimension is a non-negative integer or a symbol. */
export function checkShape(op: string, shape: Shape): void {
  for (const dim of shape)
    if (!isSym(dim) && (!Number.isSafeInteger(dim) || dim < 0))
      throw new TensorError(
        'SHAPE',
        `${op}: ${printShape(shape)} is not a shape; expected non-negative integers or symbols, got ${printIndex(dim)}`,
      )
}

/** A list that has one entry for every axis. */
export function checkPerAxis(op: string, what: string, count: number, shape: Shape): void {
  if (count !== shape.length)
    throw new TensorError(
      'SHAPE',
      `${op}: shape ${printShape(shape)} has ${shape.length} axes but ${count} ${what} were given; expected one for each axis`,
    )
}

/** Two shapes agree on every axis except perhaps one. */
export function checkAgree(op: string, names: readonly [string, string], a: Shape, b: Shape, except = -1): void {
  if (a.length !== b.length)
    throw new TensorError(
      'SHAPE',
      `${op}: ${names[0]} ${printShape(a)} and ${names[1]} ${printShape(b)} must have equal rank, got ${a.length} and ${b.length}`,
    )
  for (let axis = 0; axis < a.length; axis++)
    if (axis !== except && a[axis] !== b[axis])
      throw new TensorError(
        'SHAPE',
        `${op}: ${names[0]} ${printShape(a)} and ${names[1]} ${printShape(b)} differ on axis ${axis}: ${printIndex(a[axis]!)} and ${printIndex(b[axis]!)}` +
          (except < 0 ? '; expected equal shapes' : `; only axis ${except} may differ`) +
          symbolNote(a[axis]!, b[axis]!),
      )
}

/** The shape with some axes reduced: gone, or 1 when `keepDims`. */
export const reducedShape = (shape: Shape, axes: readonly number[], keepDims: boolean): Dim[] =>
  keepDims ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) : shape.filter((_, axis) => !axes.includes(axis))

/** The one dtype of a tensor type, for rows whose output is shaped by attributes. */
export const typed = (shape: Shape, dtype: DType): readonly TensorType[] => [{ shape, dtype }]
