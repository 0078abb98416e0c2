/**
 * Products of few rows, as in decoding, which read much and compute little: the threads of a workgroup share the inner index of a few tiles, each taking every so many steps,
 * and add up what they found. Neighbours read what lies side by side: along the inner index where that runs along memory, else in tiles side by side.
 */
import type { Node } from '../../graph/node.js'
import { f32, type Cell, type KernelBuilder } from '../builder.js'
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

/** How the threads of a workgroup hand over their sums. */
export interface Handing {
  readonly tile: Tile
  readonly split: Split
  /** Threads of a subgroup, numbered one after another; 0 where a device does not say. */
  readonly subgroup: 0 | 32
}

/** Words of shared memory that sums are handed over in, at most: the least that WebGPU allows a workgroup. */
const MOST_WORDS = 4096

/** Threads of which each hands over what it, or its subgroup, has of a tile. */
const handers = ({ split: { slices, across }, subgroup }: Handing): number =>
  subgroup === 0 ? slices * across : Math.ceil((slices * across) / subgroup) * across

/** Sums of each thread that are handed over at a time. */
const cellsAtATime = (handing: Handing): number =>
  Math.min(handing.tile.rows * handing.tile.columns, Math.floor(MOST_WORDS / handers(handing)))

/** Words of shared memory that threads hand their sums over in. */
export const sliceWords = (handing: Handing): number => cellsAtATime(handing) * handers(handing)

/** Numbers of each row that are read before the first is used: as many as registers have room for. */
const readsAhead = ({ rows }: Tile): number => (rows === 1 ? 4 : rows <= 4 ? 2 : 1)

/** Sums of one thread. */
type Cells = readonly Cell[]

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
export function gather(context: ProductContext, sums: Sums, handing: Handing & { readonly memory: Shared }, place: SlicePlace): Sums {
  const { b } = context
  const whole = sums.map((row) => row.map(() => b.var('whole', f32(0))))
  const [cells, results] = [sums.flat(), whole.flat()]
  const some = cellsAtATime(handing)
  const join = handing.subgroup === 0 ? joinByMemory : joinBySubgroups
  for (let start = 0; start < cells.length; start += some)
    join(context, cells.slice(start, start + some), results.slice(start, start + some), handing, place)
  return whole
}

type Joining = Handing & { readonly memory: Shared }

/** Each thread takes some of what was handed over, of some of the sums. */
function joinByMemory(
  { b, elements }: ProductContext,
  own: Cells,
  results: Cells,
  { split, memory }: Joining,
  { slice, lane }: SlicePlace,
): void {
  const { slices, across } = split
  const thread = b.localIndex()
  const size = slices * across
  // In a loop, since written out for every sum it would be most of the kernel's text.
  const total = (from: Expr, count: number, apart: number): Expr => {
    const first = b.let('from', from)
    const sum = b.var('sum', b.load(memory, first))
    b.for('other', first.add(apart * across), first.add(count * apart * across), apart * across, (other) =>
      elements.inside(() => sum.set(sum.value.add(b.load(memory, other)))),
    )
    return sum.value
  }
  // What was handed over here before has been read.
  b.barrier()
  own.forEach((cell, which) => b.store(memory, which === 0 ? thread : thread.add(which * size), cell.value))
  b.barrier()
  let left = slices
  while (left > MOST_TAKEN) {
    const next = left / MOST_TAKEN
    const groups = slices / next
    // Threads that have the same part of a sum take turns in which sums they add up.
    const at = b.let('at', slice.div(next).mul(size).add(slice.rem(next).mul(across)).add(lane))
    for (let first = 0; first < own.length; first += groups) {
      const add = (): void =>
        elements.inside(() => {
          const to = first === 0 ? at : b.let('to', at.add(first * size))
          b.store(memory, to, total(to, MOST_TAKEN, next))
        })
      if (first + groups <= own.length) add()
      else b.if(slice.lt((own.length - first) * next), add)
    }
    b.barrier()
    left = next
  }
  b.if(slice.eq(0), () => elements.inside(() => results.forEach((result, which) => result.set(total(thread.add(which * size), left, 1)))))
}

/** Subgroups add up what their threads have by themselves, and hand over the rest. */
function joinBySubgroups({ b, elements }: ProductContext, own: Cells, results: Cells, handing: Joining, { slice, lane }: SlicePlace): void {
  const { split, memory, subgroup } = handing
  const { slices, across } = split
  const groups = (slices * across) / subgroup
  const joined = own.map((cell) => {
    let sum = b.let('sum', cell.value)
    for (let mask = across; mask < subgroup; mask *= 2) sum = b.let('sum', sum.add(b.subgroup('shuffleXor', sum, mask)))
    return sum
  })
  if (groups === 1) return results.forEach((result, which) => result.set(joined[which]!))
  const size = groups * across
  const thread = b.localIndex()
  // What was handed over here before has been read.
  b.barrier()
  b.if(thread.and(subgroup - 1).lt(across), () => {
    const at = b.let('at', thread.div(subgroup).mul(across).add(lane))
    joined.forEach((sum, which) => b.store(memory, which === 0 ? at : at.add(which * size), sum))
  })
  b.barrier()
  b.if(slice.eq(0), () =>
    elements.inside(() =>
      results.forEach((result, which) => {
        let sum = b.load(memory, lane.add(which * size))
        for (let group = 1; group < groups; group++) sum = b.let('sum', sum.add(b.load(memory, lane.add(which * size + group * across))))
        result.set(sum)
      }),
    ),
  )
}
