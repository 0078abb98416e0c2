/**
 * Index arithmetic of the reference implementations. An offset list turns an n-dimensional walk into one flat loop
 * without allocating per element, which keeps the references readable and still quick enough to run a small model.
 */
import type { NumericArray } from '../dtype.js'
import { stridesOf } from '../shape.js'

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1)

/** For each position of `shape` in row-major order, `base` plus the dot product of its coordinates and `strides`. */
export function offsetsOf(shape: readonly number[], strides: readonly number[], base = 0): Int32Array {
  const count = sizeOf(shape)
  const offsets = new Int32Array(count)
  const rank = shape.length
  if (rank === 0) offsets[0] = base
  if (rank === 0 || count === 0) return offsets
  const innerSize = shape[rank - 1]!
  const innerStride = strides[rank - 1]!
  const coordinates = new Int32Array(rank)
  let row = base
  let i = 0
  while (i < count) {
    for (let j = 0, offset = row; j < innerSize; j++, offset += innerStride) offsets[i++] = offset
    for (let axis = rank - 2; axis >= 0; axis--) {
      row += strides[axis]!
      coordinates[axis]!++
      if (coordinates[axis]! < shape[axis]!) break
      row -= strides[axis]! * shape[axis]!
      coordinates[axis] = 0
    }
  }
  return offsets
}

/** Strides with which a tensor of `shape` is read as if it had the shape `to`: 0 along axes that are broadcast. */
export function broadcastStrides(shape: readonly number[], to: readonly number[]): number[] {
  const own = stridesOf(shape)
  const extra = to.length - shape.length
  return to.map((_, axis) => (axis < extra || shape[axis - extra] === 1 ? 0 : own[axis - extra]!))
}

/** Where each element of a broadcast result comes from; undefined when nothing is broadcast. */
export function broadcastOffsets(shape: readonly number[], to: readonly number[]): Int32Array | undefined {
  return sizeOf(shape) === sizeOf(to) ? undefined : offsetsOf(to, broadcastStrides(shape, to))
}

/** One side of {@link copyBox}: a row-major tensor, the corner of the box in it, and the distance between its elements. */
export interface BoxSide {
  readonly data: NumericArray
  readonly shape: readonly number[]
  readonly start: readonly number[]
  readonly steps?: readonly number[]
}

/** Copies a box of the given size from one tensor into another. */
export function copyBox(box: readonly number[], from: BoxSide, to: BoxSide): void {
  const source = sideOffsets(box, from)
  const target = sideOffsets(box, to)
  const read = from.data
  const write = to.data
  for (let i = 0; i < source.length; i++) write[target[i]!] = read[source[i]!]!
}

function sideOffsets(box: readonly number[], side: BoxSide): Int32Array {
  const strides = stridesOf(side.shape)
  const base = strides.reduce((sum, stride, axis) => sum + stride * side.start[axis]!, 0)
  const { steps } = side
  return offsetsOf(box, steps === undefined ? strides : strides.map((stride, axis) => stride * steps[axis]!), base)
}

/** A row-major tensor seen as [outer, size, inner] around one axis. */
export function aroundAxis(
  shape: readonly number[],
  axis: number,
): { readonly outer: number; readonly size: number; readonly inner: number } {
  return { outer: sizeOf(shape.slice(0, axis)), size: shape[axis]!, inner: sizeOf(shape.slice(axis + 1)) }
}
