/**
 * Products of matrices by workgroups: the threads of one load blocks of both matrices into memory that they share, and each works out a tile of registers from there, so that
 * memory is read once for as many products as the block is wide or high. While a block is multiplied the next one is on its way: it is read into registers, and from
 * there written into the second half of the shared memory.
 */
import type { Node } from '../../graph/node.js'
import type { Shape } from '../../shape.js'
import { f32, u32, type KernelBuilder } from '../builder.js'
import { vector, type Expr, type Shared } from '../ir.js'
import { quadsOf, readerOf, type Source } from './block-loads.js'
import { asExpr, broadcastIndex, times, type Amount } from './indexing.js'
import {
  groupColumns,
  groupRows,
  numbersTo,
  productOfNode,
  withProduct,
  type Block,
  type Product,
  type ProductContext,
  type Sums,
  type Tile,
  type TilePlace,
} from './products.js'

/** Where the block of a workgroup lies, and the tile of this thread in it. */
export interface BlockPlace extends TilePlace {
  /** The first row and column of the block. */
  readonly top: Expr
  readonly left: Expr
  /** Which slice of the inner index the thread has, its number among those of the slice, and where it stands among them. */
  readonly slice: Expr
  readonly thread: Expr
  readonly down: Expr
  readonly across: Expr
  readonly runs: Runs
}

/** Rows and columns of a thread that lie side by side. */
export interface Runs {
  readonly rows: number
  readonly columns: number
}

/**
 * Where a matrix has its steps side by side, as in rows of a left one, threads take single rows in turns: quads of steps that neighbours read then lie in different banks.
 * Else they take four at a time, which they read as one quad. Products that are worked out together have their tiles at the same places.
 *
 * @param together columns that one thread has to have, since they share a word
 */
export const runsOf = (products: readonly Product[], together: number): Runs => ({
  rows: products.some(({ attrs }) => attrs.transA === true) ? 4 : 1,
  columns: products.some(({ attrs }) => attrs.transB !== true) ? 4 : together,
})

/** Threads that run in step, and how many of them stand side by side: 4 by 8 read the fewest different numbers. */
const WARP = 32
const WARP_ACROSS = 8

/** Which block is that of a workgroup with a number. */
export function blockPlace(
  b: KernelBuilder,
  group: Expr,
  {
    across,
    down,
    tile,
    block,
    runs,
  }: { readonly across: Amount; readonly down: Amount; readonly tile: Tile; readonly block: Block; readonly runs: Runs },
): BlockPlace {
  const own = block.down * block.across
  const isWhole = slicesOf(block) === 1
  const thread = b.let('member', isWhole ? b.localIndex() : b.localIndex().rem(own))
  const [wide, high] = [asExpr(across), asExpr(down)]
  const rest = b.let('rest', group.div(wide))
  const left = b.let('left', group.rem(wide).mul(groupColumns(tile)))
  const top = b.let('top', rest.rem(high).mul(groupRows(tile)))
  // Of any two neighbours, and of any two that are two apart, one pair reads the same of the left matrix and the other the same of the right one, which lets NVIDIA's
  // memory serve 16 threads at a time. Source: the interleaved lanes of CUTLASS's SIMT products.
  const warp = b.let('warp', thread.div(WARP))
  const warpsAcross = block.across / WARP_ACROSS
  const gridColumn = b.let(
    'across',
    warp
      .rem(warpsAcross)
      .mul(WARP_ACROSS)
      .add(thread.and(1).or(thread.shr(1).and(6))),
  )
  const gridRow = b.let(
    'down',
    warp
      .div(warpsAcross)
      .mul(WARP / WARP_ACROSS)
      .add(thread.shr(1).and(1).or(thread.shr(3).and(2))),
  )
  return {
    slice: isWhole ? u32(0) : b.let('slice', b.localIndex().div(own)),
    thread,
    top,
    left,
    runs,
    down: gridRow,
    across: gridColumn,
    batch: b.let('batch', rest.div(high)),
    column: b.let('column', left.add(gridColumn.mul(runs.columns))),
    row: b.let('row', top.add(gridRow.mul(runs.rows))),
    rows: offsetsOf(tile.rows, runs.rows, block.down),
    columns: offsetsOf(tile.columns, runs.columns, block.across),
  }
}

const offsetsOf = (count: number, run: number, threads: number): number[] =>
  numbersTo(count).map((i) => (i % run) + run * threads * Math.floor(i / run))

const slicesOf = ({ slices = 1 }: Block): number => slices

/** Memory for two blocks of each matrix and slice, for one product after another. */
export interface BlockMemory {
  readonly left: Shared
  readonly right: Shared
}

export const blockMemory = (b: KernelBuilder, tile: Tile, block: Block): BlockMemory => {
  const quads = (2 * slicesOf(block) * block.depth) / 4
  return {
    left: b.sharedArray('left', 'f32', quads * groupRows(tile), 4),
    right: b.sharedArray('right', 'f32', quads * groupColumns(tile), 4),
  }
}

/** Adds a product to the sums of this thread's tile. All threads of the workgroup must come by. */
export function addBlocks(
  context: ProductContext,
  node: Node,
  sums: Sums,
  { tile, block, memory }: { readonly tile: Tile; readonly block: Block; readonly memory: BlockMemory },
  place: BlockPlace,
): void {
  const { b, symbols, elements } = context
  const product = productOfNode(node)
  const { attrs, batch, rows, columns, inner } = product
  const [height, width, length] = [symbols.count(rows), symbols.dim(columns), symbols.dim(inner)]
  const { depth } = block
  const stride = depth * slicesOf(block)
  const base = (own: Shape, size: Amount): Amount =>
    batch.length === 0 ? 0 : times(broadcastIndex(b, symbols, own, batch, place.batch), size)
  const sides = [
    sideOf(
      context,
      node,
      0,
      memory.left,
      { place, block, grid: 'down' },
      {
        base: base(product.aBatch, times(height, length)),
        first: place.top,
        count: groupRows(tile),
        outer: height,
        length,
        depth,
        stride,
        along: attrs.transA !== true,
      },
    ),
    sideOf(
      context,
      node,
      1,
      memory.right,
      { place, block, grid: 'across' },
      {
        base: base(product.bBatch, times(width, length)),
        first: place.left,
        count: groupColumns(tile),
        outer: width,
        length,
        depth,
        stride,
        along: attrs.transB === true,
      },
    ),
  ] as const
  const steps = asExpr(length)
  const load = (k: Expr): Expr[][][] => sides.map(({ loads }) => loads.map((quad) => [...quad(k)]))
  const store = (half: Expr, loaded: readonly (readonly (readonly Expr[])[])[]): void =>
    sides.forEach((side, which) => side.store(half, loaded[which]!))
  const start = b.let('start', place.slice.mul(depth))
  const first = (): void => elements.inside(() => store(u32(0), load(start)))
  if (typeof length !== 'number') b.if(length.gt(0), first)
  else if (length > 0) first()
  b.barrier()
  b.for('k', u32(0), steps, stride, (k) =>
    elements.inside(() => {
      const half = b.let('half', k.div(stride).and(1))
      const next = b.let('next', k.add(stride))
      const waiting = sides.map(({ loads }) => loads.map(() => numbersTo(4).map(() => b.var('waiting', f32(0)))))
      b.if(next.lt(steps), () =>
        elements.inside(() =>
          load(b.let('k', next.add(start))).forEach((quads, which) =>
            quads.forEach((quad, i) => quad.forEach((value, lane) => waiting[which]![i]![lane]!.set(value))),
          ),
        ),
      )
      multiply(sums, tile, depth, [sides[0].fragments(half), sides[1].fragments(half)])
      b.if(next.lt(steps), () =>
        store(
          half.xor(1),
          waiting.map((quads) => quads.map((quad) => quad.map(({ value }) => value))),
        ),
      )
      b.barrier()
    }),
  )
}

/** Adds up the sums of all slices, always in the same order; those of the first slice are whole then. All threads of the workgroup must come by. */
export function joinSlices(
  { b, elements }: ProductContext,
  sums: Sums,
  { tile, block, memory: { left } }: { readonly tile: Tile; readonly block: Block; readonly memory: BlockMemory },
  { slice, thread }: BlockPlace,
): void {
  const threads = block.down * block.across
  const quads = numbersTo((tile.rows * tile.columns) / 4)
  const cells = sums.flat()
  for (let half = slicesOf(block) / 2; half >= 1; half /= 2) {
    const at = (own: Expr, quad: number): Expr => own.add(quad * half * threads)
    b.if(slice.ge(half).and(slice.lt(2 * half)), () =>
      elements.inside(() => {
        const own = b.let('own', slice.sub(half).mul(threads).add(thread))
        for (const quad of quads) b.store(left, at(own, quad), vector(...numbersTo(4).map((i) => cells[4 * quad + i]!.value)))
      }),
    )
    b.barrier()
    b.if(slice.lt(half), () =>
      elements.inside(() => {
        const own = b.let('own', slice.mul(threads).add(thread))
        for (const quad of quads) {
          const other = b.load(left, at(own, quad))
          numbersTo(4).forEach((i) => cells[4 * quad + i]!.set(cells[4 * quad + i]!.value.add(other.lane(i))))
        }
      }),
    )
    b.barrier()
  }
}

/** One matrix of a product, as the block of a workgroup sees it. */
interface Side {
  readonly loads: ReturnType<typeof quadsOf>
  /** Writes what was loaded into one half of the shared memory. */
  readonly store: (half: Expr, quads: readonly (readonly Expr[])[]) => void
  readonly fragments: (half: Expr) => Fragments
}

/** The numbers of a thread's rows (or columns), read from shared memory: four steps of one of them, or all of one step. */
type Fragments =
  | { readonly along: true; readonly steps: (group: number, row: number) => readonly Expr[] }
  | { readonly along: false; readonly rows: (step: number) => readonly Expr[] }

function sideOf(
  context: ProductContext,
  node: Node,
  which: 0 | 1,
  memory: Shared,
  { place, block, grid }: { readonly place: BlockPlace; readonly block: Block; readonly grid: 'down' | 'across' },
  source: Source,
): Side {
  const { b } = context
  const { count, depth, along } = source
  const reader = readerOf(context, node, which, { packed: productOfNode(node).packed, source })
  const threads = block.down * block.across
  const [run, offsets] = grid === 'down' ? [place.runs.rows, place.rows] : [place.runs.columns, place.columns]
  const lane = place[grid]
  const half = (count * depth) / 4
  const slice = slicesOf(block) === 1 ? undefined : b.let('slice', place.slice.mul(2 * half))
  const inHalf = (which: Expr, at: Expr): Expr => at.add(slice === undefined ? which.mul(half) : which.mul(half).add(slice))
  const loads = quadsOf(b, reader, source, place.thread, threads)
  const quads = depth / 4
  // Eight rows in a row have their quads of the same steps in the eight quads of banks: those of each row are turned by a number of its own.
  const turnOf = (row: number): number => Math.floor(row / (8 / quads)) % quads
  const turn = (row: Expr): Expr => row.div(8 / quads).and(quads - 1)
  const to = loads.map((_, part) => {
    const number = part === 0 ? place.thread : b.let('number', place.thread.add(part * threads))
    if (!along) return number
    const row = b.let('row', number.div(quads))
    return b.let('to', row.mul(quads).add(number.rem(quads).xor(turn(row))))
  })
  const store: Side['store'] = (which, loaded) =>
    loaded.forEach((quad, part) => b.store(memory, b.let('to', inHalf(which, to[part]!)), vector(...quad)))
  const at = (base: Expr, offset: number): readonly Expr[] => {
    const quad = b.load(memory, offset === 0 ? base : base.add(offset))
    return [0, 1, 2, 3].map((i) => quad.lane(i))
  }
  if (along) {
    // The turn of a row is that of the thread's first one and that of what lies between them, which share no bit.
    const first = b.let('first', lane.mul(run))
    const bases = numbersTo(quads).map((quad) => b.let('base', first.mul(quads).add(turn(first).xor(quad))))
    return {
      loads,
      store,
      fragments: (which) => {
        const own = bases.map((base) => b.let('from', inHalf(which, base)))
        return { along, steps: (group, row) => at(own[group ^ turnOf(offsets[row]!)]!, offsets[row]! * quads) }
      },
    }
  }
  return {
    loads,
    store,
    fragments: (which) => {
      const own = b.let('from', inHalf(which, lane))
      return {
        along,
        rows: (step) => numbersTo(offsets.length / 4).flatMap((part) => at(own, (step * count) / 4 + offsets[4 * part]! / 4)),
      }
    },
  }
}

/** Adds the products of one block, so that few numbers wait in registers. */
function multiply(sums: Sums, tile: Tile, depth: number, [left, right]: readonly [Fragments, Fragments]): void {
  const add = (i: number, j: number, a: Expr, b: Expr): void => {
    const sum = sums[i]![j]!
    sum.set(withProduct(sum.value, a, b, tile))
  }
  const [rows, columns] = [numbersTo(tile.rows), numbersTo(tile.columns)]
  for (let group = 0; group < depth / 4; group++) {
    const steps = [0, 1, 2, 3].map((step) => 4 * group + step)
    if (left.along && right.along) {
      const own = rows.map((i) => left.steps(group, i))
      for (const j of columns) {
        const column = right.steps(group, j)
        for (const step of [0, 1, 2, 3]) for (const i of rows) add(i, j, own[i]![step]!, column[step]!)
      }
      continue
    }
    // What lies along the steps is read for four of them.
    const own = left.along ? rows.map((i) => left.steps(group, i)) : undefined
    const other = right.along ? columns.map((j) => right.steps(group, j)) : undefined
    for (const step of steps) {
      const a = left.along ? own!.map((row) => row[step % 4]!) : left.rows(step)
      const across = right.along ? other!.map((column) => column[step % 4]!) : right.rows(step)
      for (const i of rows) for (const j of columns) add(i, j, a[i]!, across[j]!)
    }
  }
}
