/**
 * Rows of caches in fewer bits: blocks of 32 numbers along a row, or fewer where its width is not a multiple, share a scale, as in the types Q8_0 and Q4_0 of GGUF (ggml's ggml-quants.c), with scales in f32.
 *
 * 8 bits, i8 [..., W]: the largest number of a block is ±127 · scale. 4 bits, u8 [..., W/2]: it is −8 · scale; byte j of a block of n holds numbers j (low) and j + n/2, each plus 8.
 */
import { TensorError } from '../errors.js'
import { dtypeOf, shapeOf, type TensorType, type Value } from '../graph/node.js'
import {
  add,
  cast,
  concat,
  constant,
  div,
  floor,
  like,
  lt,
  max,
  min,
  mul,
  neg,
  reduceMax,
  reshape,
  shr,
  and,
  slice,
  sub,
  where,
} from '../graph/primitives.js'
import { printIndex, type Dim } from '../shape.js'
import { checkDTypeIs, checkRank, checkShapeIs, describe } from './wide.js'

/** How rows of a width lie in a cache of fewer bits. */
export interface RowLayout {
  readonly bits: 4 | 8
  readonly width: number
  /** Numbers that share a scale. */
  readonly block: number
}

/** Below it a scale would be no ordinary number: blocks of nothing but zeros have it. */
export const LEAST_SCALE = 1e-30

/** The layout of a cache's rows, of which the numbers and their scales are given. */
export function rowLayout(codes: TensorType, scales: TensorType): RowLayout {
  const bits = codes.dtype === 'i8' ? 8 : 4
  const width = ((codes.shape[3] as number) * 8) / bits
  return { bits, width, block: width / (scales.shape[3] as number) }
}

/** Checks a cache of fewer bits for rows [B, H, T, W]. */
export function checkPackedCache(
  op: string,
  { cache, scales, rows }: { readonly cache: TensorType; readonly scales: TensorType; readonly rows: TensorType },
  names: { readonly cache: string; readonly scales: string; readonly rows: string },
): void {
  checkRank(op, names.cache, cache, 4, '[batch, heads, capacity, width in bytes]')
  checkRank(op, names.scales, scales, 4, '[batch, heads, capacity, blocks]')
  checkDTypeIs(op, names.cache, cache, ['i8', 'u8'], 'numbers of 8 bits, or two of 4 in a byte')
  checkDTypeIs(op, names.scales, scales, ['f32', 'f64'], 'scales of blocks')
  const width = rows.shape[3]
  const [batch, heads, capacity, bytes] = cache.shape as readonly [Dim, Dim, Dim, Dim]
  const wanted = typeof width !== 'number' ? NaN : cache.dtype === 'i8' ? width : width / 2
  if (bytes !== wanted)
    throw new TensorError(
      'SHAPE',
      `${op}: rows of ${names.cache} ${describe(cache)} must be of ${wanted} bytes, as ${names.rows} ${describe(rows)} is ${printIndex(width!)} wide`,
    )
  const blocks = scales.shape[3]
  checkShapeIs(op, names.scales, scales, [batch, heads, capacity, blocks!], `${names.cache} but for the blocks`)
  const block = typeof blocks === 'number' && blocks > 0 ? (width as number) / blocks : NaN
  if (block !== 8 && block !== 16 && block !== 32)
    throw new TensorError(
      'SHAPE',
      `${op}: ${names.scales} ${describe(scales)} must have a scale for each 8, 16 or 32 of ${printIndex(width!)} numbers`,
    )
}

const inBlocks = (x: Value, block: number): Value => {
  const shape = shapeOf(x)
  return reshape(x, [...shape.slice(0, -1), (shape.at(-1) as number) / block, block])
}
const joined = (x: Value): Value => {
  const shape = shapeOf(x)
  return reshape(x, [...shape.slice(0, -2), (shape.at(-2) as number) * (shape.at(-1) as number)])
}
/** Elements of the last axis. */
const part = (x: Value, from: number, to: number): Value => {
  const shape = shapeOf(x)
  return slice(x, [...shape.slice(0, -1).map(() => 0), from], [...shape.slice(0, -1), to])
}

/** Rows [..., W] of f32 as numbers of few bits and their scales [..., W/block]. */
export function packRows(rows: Value, { bits, block }: RowLayout): { readonly codes: Value; readonly scales: Value } {
  const x = inBlocks(rows, block)
  const last = [shapeOf(x).length - 1]
  const largest = reduceMax(x, last, true)
  const least = neg(reduceMax(neg(x), last, true))
  const nearest = (quotient: Value): Value => floor(add(quotient, like(quotient, 0.5)))
  if (bits === 8) {
    const scale = max(mul(max(largest, neg(least)), like(x, 1 / 127)), like(x, LEAST_SCALE))
    const codes = cast(min(max(nearest(div(x, scale)), like(x, -127)), like(x, 127)), 'i8')
    return { codes: joined(codes), scales: joined(scale) }
  }
  // What is farthest from zero is −8, of the 16 numbers the one without an opposite.
  const farthest = mul(where(lt(neg(least), largest), largest, least), like(x, -1 / 8))
  const size = max(max(farthest, neg(farthest)), like(x, LEAST_SCALE))
  const scale = where(lt(farthest, like(x, 0)), neg(size), size)
  const codes = min(max(add(nearest(div(x, scale)), like(x, 8)), like(x, 0)), like(x, 15))
  const bytes = add(part(codes, 0, block / 2), mul(part(codes, block / 2, block), like(x, 16)))
  return { codes: joined(cast(bytes, 'u8')), scales: joined(scale) }
}

/** What they stand for, in the dtype of the scales. */
export function unpackRows(codes: Value, scales: Value, { bits, block }: RowLayout): Value {
  const scale = reshape(scales, [...shapeOf(scales), 1])
  if (bits === 8) return joined(mul(cast(inBlocks(codes, block), dtypeOf(scales)), scale))
  const bytes = inBlocks(codes, block / 2)
  const halves = concat([and(bytes, constant(15, 'u8')), shr(bytes, constant(4, 'u8'))], shapeOf(bytes).length - 1)
  const numbers = cast(halves, dtypeOf(scales))
  return joined(mul(sub(numbers, like(numbers, 8)), scale))
}
