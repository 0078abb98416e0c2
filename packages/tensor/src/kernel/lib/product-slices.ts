/**
 * Products of few rows, as in decoding, which read much and compute little: the threads of a workgroup share the inner index of a few tiles, each taking every so many steps,
 * and add up what they found. Neighbours read what lies side by side: along the inner index where that runs along memory, else in tiles side by side.
 */
import type { Node } from '../../graph/node.js'
import type { Shape } from '../../shape.js'
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import type { Expr, Shared } from '../ir.js'
import { asExpr, broadcastIndex, plus, times, type Amount } from './indexing.js'
import {
  clamped,
  finished,
  groupColumns,
  indicesOf,
  isMultiple,
  numbersTo,
  operand,
  productOfNode,
  withProduct,
  zeroSums,
  type OperandLayout,
  type ProductContext,
  type Split,
  type Tile,
  type TilePlace,
} from './products.js'
import { packedWords, perPackedWord, type PackedWords } from './quantised.js'

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

/** Words of shared memory that threads hand their sums over in. */
export const sliceWords = ({ rows, columns }: Tile, { slices, across }: Split): number => rows * columns * slices * across

/** Numbers of each row that are read before the first is used: as many as registers have room for. */
const readsAhead = ({ rows }: Tile): number => (rows <= 4 ? 2 : 1)

/** The sums that one thread adds up at a time. */
const MOST_TAKEN = 16

/** Works out the tile that threads share, and gives how the first slice gets it, as `productTile` gives it. All threads of the workgroup must come by. */
export function productSlices(
  context: ProductContext,
  node: Node,
  { tile, split, memory }: { readonly tile: Tile; readonly split: Split; readonly memory: Shared },
  place: SlicePlace,
): () => Expr[][] {
  const { b, symbols, elements } = context
  const product = productOfNode(node)
  const { attrs, batch, rows, columns, inner, packed } = product
  const [height, width, length] = [symbols.count(rows), symbols.dim(columns), symbols.dim(inner)]
  const depth = packed !== undefined ? perPackedWord(packed) : isMultiple(inner, 4) ? 4 : 1
  const base = (own: Shape, size: Amount): Amount =>
    batch.length === 0 ? 0 : times(broadcastIndex(b, symbols, own, batch, place.batch), size)
  const left = operand(context, node.inputs[0]!, {
    base: base(product.aBatch, times(height, length)),
    first: place.row,
    count: tile.rows,
    outer: height,
    length,
    innerLast: attrs.transA !== true,
    depth,
  })
  const layout: OperandLayout = {
    base: base(product.bBatch, times(width, length)),
    first: place.column,
    count: tile.columns,
    outer: width,
    length,
    innerLast: attrs.transB === true,
    depth,
    among: groupColumns(tile),
  }
  const right =
    packed === undefined ? operand(context, node.inputs[1]!, layout).read : packedWords(context, node, packed, layout, indicesOf(b, layout))
  const sums = zeroSums(b, tile)
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
  const { dtype } = node.outputs[0]!
  const gathered = gather(b, sums, { split, memory, place, inside: (body) => elements.inside(body) })
  return () => {
    const biasAt = place.columns.map((offset) =>
      product.hasBias ? clamped(b, place.column.add(offset), width, groupColumns(tile)) : place.column,
    )
    return gathered.map((row) =>
      row.map(({ value }, j) =>
        b.let(
          'product',
          finished(b, value, product, dtype, () => elements.at(node.inputs[2]!, biasAt[j]!)),
        ),
      ),
    )
  }
}

function addProducts(
  b: KernelBuilder,
  sums: readonly (readonly Cell[])[],
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

/** Adds up the sums of all slices, always in the same order; the first slice gets what it gives. */
function gather(
  b: KernelBuilder,
  sums: readonly (readonly Cell[])[],
  {
    split,
    memory,
    place: { slice },
    inside,
  }: { readonly split: Split; readonly memory: Shared; readonly place: SlicePlace; readonly inside: (body: () => void) => void },
): readonly (readonly Cell[])[] {
  const cells = sums.flat()
  const thread = b.localIndex()
  const at = (which: number, from = 0): Expr => {
    const offset = which * split.slices * split.across + from * split.across
    return offset === 0 ? thread : thread.add(offset)
  }
  // Another product may have been added up here before.
  b.barrier()
  cells.forEach((cell, which) => b.store(memory, at(which), cell.value))
  b.barrier()
  const total = (which: number, count: number, apart: number): Expr => {
    let sum = b.load(memory, at(which))
    for (let i = 1; i < count; i++) sum = b.let('sum', sum.add(b.load(memory, at(which, i * apart))))
    return sum
  }
  let left = split.slices
  while (left > MOST_TAKEN) {
    const next = left / MOST_TAKEN
    b.if(slice.lt(u32(next)), () => inside(() => cells.forEach((_, which) => b.store(memory, at(which), total(which, MOST_TAKEN, next)))))
    b.barrier()
    left = next
  }
  const whole = sums.map((row) => row.map(() => b.var('whole', f32(0))))
  b.if(slice.eq(0), () => inside(() => whole.forEach((row, i) => row.forEach((cell, j) => cell.set(total(i * row.length + j, left, 1))))))
  return whole
}
