/**
 * Products of matrices by workgroups: the threads of one load blocks of both matrices into memory that they share, and each works out a tile of registers from there, so that
 * memory is read once for as many products as the block is wide or high.
 */
import type { Node } from '../../graph/node.js'
import type { Dim, Shape } from '../../shape.js'
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import type { Expr, Shared } from '../ir.js'
import { asExpr, broadcastIndex, plus, times, type Amount } from './indexing.js'
import { packedElement } from './quantised.js'
import { finished, productOfNode, type Block, type ProductContext, type Tile, type TilePlace } from './products.js'

/** Where the block of a workgroup lies, and the tile of this thread in it. */
export interface BlockPlace extends TilePlace {
  /** The first row and column of the block. */
  readonly top: Expr
  readonly left: Expr
  /** The thread's number in its workgroup. */
  readonly thread: Expr
}

export const blockRows = (tile: Tile, block: Block): number => tile.rows * block.down
export const blockColumns = (tile: Tile, block: Block): number => tile.columns * block.across

/** Which block is that of a workgroup with a number. */
export function blockPlace(
  b: KernelBuilder,
  group: Expr,
  { across, down, tile, block }: { readonly across: Amount; readonly down: Amount; readonly tile: Tile; readonly block: Block },
): BlockPlace {
  const thread = b.let('member', b.localIndex())
  const [wide, high] = [asExpr(across), asExpr(down)]
  const rest = b.let('rest', group.div(wide))
  const left = b.let('left', group.rem(wide).mul(blockColumns(tile, block)))
  const top = b.let('top', rest.rem(high).mul(blockRows(tile, block)))
  return {
    thread,
    top,
    left,
    batch: b.let('batch', rest.div(high)),
    column: b.let('column', left.add(thread.rem(block.across).mul(tile.columns))),
    row: b.let('row', top.add(thread.div(block.across).mul(tile.rows))),
  }
}

/** The tile of a product, as `productTile` gives it. All threads of the workgroup must come by. */
export function productBlock(context: ProductContext, node: Node, tile: Tile, block: Block, place: BlockPlace): Expr[][] {
  const { b, symbols, elements } = context
  const product = productOfNode(node)
  const { attrs, batch, rows, columns, inner } = product
  const [height, width, length] = [symbols.count(rows), symbols.dim(columns), symbols.dim(inner)]
  const [blockHeight, blockWidth, { depth }] = [blockRows(tile, block), blockColumns(tile, block), block]
  const [aMemory, bMemory] = [b.sharedArray('left', 'f32', depth * blockHeight), b.sharedArray('right', 'f32', depth * blockWidth)]
  const base = (own: Shape, size: Amount): Amount =>
    batch.length === 0 ? 0 : times(broadcastIndex(b, symbols, own, batch, place.batch), size)
  const aBase = base(product.aBatch, times(height, length))
  const bBase = base(product.bBatch, times(width, length))
  const { packed } = product
  const right = (at: Expr): Expr =>
    packed === undefined
      ? elements.at(node.inputs[1]!, at)
      : packedElement(b, packed, (which, index) => elements.at(node.inputs[which]!, index), at)
  const shared = { context, threads: block.down * block.across, thread: place.thread, depth, length, inner }
  const sums: Cell[][] = Array.from({ length: tile.rows }, () => Array.from({ length: tile.columns }, () => b.var('sum', f32(0))))
  const [tileRow, tileColumn] = [b.let('tileRow', place.row.sub(place.top)), b.let('tileColumn', place.column.sub(place.left))]
  b.for('k', u32(0), asExpr(length), depth, (k) =>
    elements.inside(() => {
      loadBlock(aMemory, (at) => elements.at(node.inputs[0]!, at), {
        ...shared,
        base: aBase,
        first: place.top,
        count: blockHeight,
        outer: height,
        innerLast: attrs.transA !== true,
        k,
      })
      loadBlock(bMemory, right, {
        ...shared,
        base: bBase,
        first: place.left,
        count: blockWidth,
        outer: width,
        innerLast: attrs.transB === true,
        k,
      })
      b.barrier()
      for (let step = 0; step < depth; step++) {
        const left = sums.map((_, i) => b.load(aMemory, tileRow.add(step * blockHeight + i)))
        const right = sums[0]!.map((_, j) => b.load(bMemory, tileColumn.add(step * blockWidth + j)))
        sums.forEach((row, i) => row.forEach((sum, j) => sum.set(sum.value.add(left[i]!.mul(right[j]!)))))
      }
      // The next blocks are loaded when everybody has read these.
      b.barrier()
    }),
  )
  const { dtype } = node.outputs[0]!
  const last = asExpr(typeof width === 'number' ? Math.max(1, width) : width.max(1)).sub(1)
  return sums.map((row) =>
    row.map((sum, j) => {
      const at = product.hasBias ? b.let('at', place.column.add(j).min(last)) : place.column
      return b.let(
        'product',
        finished(b, sum.value, product, dtype, () => elements.at(node.inputs[2]!, at)),
      )
    }),
  )
}

interface BlockLoad {
  readonly context: ProductContext
  readonly threads: number
  readonly thread: Expr
  readonly depth: number
  readonly length: Amount
  readonly inner: Dim
  /** Where the matrix begins. */
  readonly base: Amount
  /** The block's first row of the left, or column of the right matrix, and how many it has. */
  readonly first: Expr
  readonly count: number
  readonly outer: Amount
  readonly innerLast: boolean
  /** The block's first step along the inner index. */
  readonly k: Expr
}

/** Copies a block into shared memory, `depth` steps of `count` numbers, with zeros for what is beyond the matrix. Neighbours read what lies side by side. */
function loadBlock(memory: Shared, elementAt: (index: Expr) => Expr, load: BlockLoad): void {
  const { context, threads, thread, depth, length, base, first, count, outer, innerLast, k } = load
  const { b, elements } = context
  for (let start = 0; start < depth * count; start += threads) {
    const number = start === 0 ? thread : b.let('number', thread.add(start))
    const step = b.let('step', innerLast ? number.rem(depth) : number.div(count))
    const place = b.let('place', innerLast ? number.div(depth) : number.rem(count))
    const [inner, outerAt] = [b.let('inner', k.add(step)), b.let('outer', first.add(place))]
    const element = b.var('element', f32(0))
    b.if(inner.lt(asExpr(length)).and(outerAt.lt(asExpr(outer))), () =>
      elements.inside(() => {
        const at = innerLast ? plus(times(outerAt, length), inner) : plus(times(inner, outer), outerAt)
        element.set(elementAt(b.let('from', asExpr(plus(base, at)))))
      }),
    )
    b.store(memory, b.let('to', step.mul(count).add(place)), element.value)
  }
}
