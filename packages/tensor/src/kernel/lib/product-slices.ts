/**
 * Products of few rows, as in decoding, which read much and compute little: the threads of a workgroup share the inner index of a few tiles, each taking every so many steps,
 * and add up what they found. Neighbours read what lies side by side: along the inner index where that runs along memory, else in tiles side by side.
 */
import type { Node } from '../../graph/node.js'
import { f32, u32, type KernelBuilder } from '../builder.js'
import type { Expr, Shared } from '../ir.js'
import { asExpr, plus, type Amount } from './indexing.js'
import {
  groupColumns,
  indicesOf,
  numbersTo,
  operand,
  operandLayouts,
  productOfNode,
  withProduct,
  type OperandLayout,
  type ProductContext,
  type Split,
  type Sums,
  type Tile,
  type TilePlace,
} from './products.js'
import { packedWords, type PackedWords } from './quantised.js'

/** Where a tile lies that threads share, and which part of it this one has. */
export interface SlicePlace extends TilePlace {
  readonly slice: Expr
  /** Which of the tiles of the workgroup it is. */
  readonly lane: Expr
}

/** Which tile of the workgroup with a number is that of this thread. */
export function slicePlace(
  b: KernelBuilder,
  group: Expr,
  { across, down }: { readonly across: Amount; readonly down: Amount },
  tile: Tile,
  split: Split,
): SlicePlace {
  const lane = b.let('lane', b.localIndex().rem(split.across))
  const rest = b.let('rest', group.div(asExpr(across)))
  return {
    lane,
    slice: b.let('slice', b.localIndex().div(split.across)),
    column: b.let('column', group.rem(asExpr(across)).mul(groupColumns(tile)).add(lane.mul(tile.columns))),
    row: b.let('row', rest.rem(asExpr(down)).mul(tile.rows)),
    batch: b.let('batch', rest.div(asExpr(down))),
    rows: numbersTo(tile.rows),
    columns: numbersTo(tile.columns),
  }
}

/** Words of shared memory that sums are handed over in, at most: the least that WebGPU allows a workgroup. */
const MOST_WORDS = 4096

/** Sums of each thread that are handed over at a time. */
const cellsAtATime = ({ rows, columns }: Tile, { slices, across }: Split): number =>
  Math.min(rows * columns, Math.floor(MOST_WORDS / (slices * across)))

/** Words of shared memory that threads hand their sums over in. */
export const sliceWords = (tile: Tile, split: Split): number => cellsAtATime(tile, split) * split.slices * split.across

/** Numbers of each row that are read before the first is used: as many as registers have room for. */
const readsAhead = ({ rows }: Tile): number => (rows === 1 ? 4 : rows <= 4 ? 2 : 1)

/** The sums that one thread adds up at a time. */
const MOST_TAKEN = 16

/** Adds this thread's part of a product to its sums. */
export function addSlice(
  context: ProductContext,
  node: Node,
  sums: Sums,
  { tile, split }: { readonly tile: Tile; readonly split: Split },
  place: SlicePlace,
): void {
  const { b, elements } = context
  const product = productOfNode(node)
  const { packed } = product
  const layouts = operandLayouts(context, product, tile, place)
  const { length, depth } = layouts
  const left = operand(context, node.inputs[0]!, { ...layouts.left(), halves: true })
  const layout: OperandLayout = { ...layouts.right(), among: groupColumns(tile), halves: true }
  const right =
    packed === undefined ? operand(context, node.inputs[1]!, layout).read : packedWords(context, node, packed, layout, indicesOf(b, layout))
  const stride = depth * split.slices
  const first = b.let('firstStep', place.slice.mul(depth))
  const steps = (from: Expr, to: Expr, ahead: number): void =>
    b.for('k', from, to, stride * ahead, (k) =>
      elements.inside(() => {
        const read = numbersTo(ahead).map((i) => {
          const own = i === 0 ? k : b.let('k', k.add(i * stride))
          return [left.read(own), right(own)] as const
        })
        for (const [a, across] of read) addProducts(b, sums, tile, a, across)
      }),
    )
  const ahead = readsAhead(tile)
  const whole = ahead * stride
  const main = typeof length === 'number' ? Math.floor(length / whole) * whole : b.let('main', length.div(whole).mul(whole))
  if (main !== 0) steps(first, asExpr(main), ahead)
  if (main !== length) steps(asExpr(plus(main, first)), asExpr(length), 1)
}

function addProducts(
  b: KernelBuilder,
  sums: Sums,
  tile: Tile,
  left: readonly (readonly Expr[])[],
  right: readonly (readonly Expr[])[] | PackedWords,
): void {
  if (!('scale' in right)) {
    left.forEach((a, step) =>
      sums.forEach((row, i) => row.forEach((sum, j) => sum.set(withProduct(sum.value, a[i]!, right[step]![j]!, tile)))),
    )
    return
  }
  const { values, scale, least } = right
  values.forEach((own, j) => {
    const weights = own.map((value) => b.let('weight', value))
    sums.forEach((row, i) => {
      const part = weights.reduce<Expr | undefined>(
        (sum, weight, step) => (sum === undefined ? weight.mul(left[step]![i]!) : withProduct(sum, left[step]![i]!, weight, tile)),
        undefined,
      )!
      row[j]!.set(withProduct(row[j]!.value, b.let('part', part), scale[j]!, tile))
    })
  })
  if (least === undefined) return
  sums.forEach((row, i) => {
    const total = b.let(
      'total',
      left.slice(1).reduce((sum, a) => sum.add(a[i]!), left[0]![i]!),
    )
    row.forEach((sum, j) => sum.set(sum.value.sub(total.mul(least[j]!))))
  })
}

/** Adds up the sums of all slices, always in the same order; the first slice gets what it gives. All threads of the workgroup must come by. */
export function gather(
  { b, elements }: ProductContext,
  sums: Sums,
  { tile, split, memory }: { readonly tile: Tile; readonly split: Split; readonly memory: Shared },
  { slice }: SlicePlace,
): Sums {
  const whole = sums.map((row) => row.map(() => b.var('whole', f32(0))))
  const [cells, results] = [sums.flat(), whole.flat()]
  const thread = b.localIndex()
  const at = (which: number, from = 0): Expr => {
    const offset = which * split.slices * split.across + from * split.across
    return offset === 0 ? thread : thread.add(offset)
  }
  // In a loop, since written out for every sum it would be most of the kernel's text.
  const total = (which: number, count: number, apart: number): Expr => {
    const sum = b.var('sum', b.load(memory, at(which)))
    b.for('other', at(which, apart), at(which, count * apart), apart * split.across, (other) =>
      elements.inside(() => sum.set(sum.value.add(b.load(memory, other)))),
    )
    return sum.value
  }
  const some = cellsAtATime(tile, split)
  for (let start = 0; start < cells.length; start += some) {
    const own = cells.slice(start, start + some)
    // What was handed over here before has been read.
    b.barrier()
    own.forEach((cell, which) => b.store(memory, at(which), cell.value))
    b.barrier()
    let left = split.slices
    while (left > MOST_TAKEN) {
      const next = left / MOST_TAKEN
      b.if(slice.lt(u32(next)), () =>
        elements.inside(() => own.forEach((_, which) => b.store(memory, at(which), total(which, MOST_TAKEN, next)))),
      )
      b.barrier()
      left = next
    }
    b.if(slice.eq(0), () => elements.inside(() => own.forEach((_, which) => results[start + which]!.set(total(which, left, 1)))))
  }
  return whole
}
