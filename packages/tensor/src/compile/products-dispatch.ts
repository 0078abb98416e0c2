import type { Node } from '../graph/node.js'
import type { Expr, Storage } from '../kernel/ir.js'
import { asExpr, plus, sameOrder, times, type Amount } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord } from '../kernel/lib/pack.js'
import { blockPlace, productBlock } from '../kernel/lib/product-blocks.js'
import {
  productOfNode,
  productTile,
  tilePlace,
  tilesOf,
  threadsOf,
  type Product,
  type Tile,
  type TilePlace,
} from '../kernel/lib/products.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { dimMax, isSym, elementCountAt, type Shape, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, inVectors, kernelOf, titleOf, type KernelParts } from './kernel-parts.js'
import type { Memory } from './places.js'
import type { Part } from './units.js'

/** Products that are worked out side by side, or one alone. */
interface Cut {
  readonly node: Node
  readonly products: readonly Node[]
  readonly product: Product
  readonly tile: Tile
}

const known = (shape: Shape): number => shape.reduce<number>((product, dim) => product * (isSym(dim) ? Infinity : dimMax(dim)), 1)

/** How a value made of products is cut; undefined where tiles would not be written in whole words, or are of different matrices. */
function cutOf({ node, cores, size }: Part, tuning: Tuning): Cut | undefined {
  const { shape, dtype } = node.outputs[0]!
  const products = cores.map(productOfNode)
  const product = products[0]!
  const tile = tuning.tile({
    rows: known(product.rows),
    columns: known([product.columns]),
    inner: known([product.inner]),
    following: size - cores.length,
  })
  const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i])
  const elementsPerWord = perWord(dtype)
  const whole = elementsPerWord === 1 || (Number(product.columns) % elementsPerWord === 0 && tile.columns % elementsPerWord === 0)
  const alike =
    cores.every(({ outputs }) => sameOrder(outputs[0]!.shape, shape)) &&
    products.every(({ rows, batch, columns }) => same(rows, product.rows) && same(batch, product.batch) && columns === product.columns)
  return whole && alike ? { node, products: cores, product, tile } : undefined
}

/** Values that are worked out of products, a tile for each thread; undefined where one of them cannot be. */
export function productsDispatch(parts: readonly Part[], memory: Memory, tuning: Tuning): Dispatch | undefined {
  const cuts = parts.flatMap((part) => cutOf(part, tuning) ?? [])
  const members = cuts[0] && threadsOf(cuts[0].tile)
  // Side by side stand tiles of threads, or of workgroups of as many threads.
  if (cuts.length < parts.length || cuts.some(({ tile }) => threadsOf(tile) !== members)) return undefined
  const title = cuts.map(({ node, products }) => titleOf(node, products)).join('_')
  const { kernel, places, symbols } = inVectors((lanes) =>
    kernelOf(title, memory, members ?? ELEMENT_GROUP, (kernelParts) => {
      const { b, symbols: sizes, thread, group, when, elements } = kernelParts
      const number = members === undefined ? thread : group
      let before: Amount = 0
      for (const cut of cuts) {
        const { count } = tilesOf(sizes, cut.product, cut.tile)
        const own = before === 0 ? number : b.let('own', number.sub(asExpr(before)))
        // What comes before wraps around to something large.
        when(own, count, () => elements.inside(() => writeTile(cut, own, lanes, kernelParts)))
        before = plus(before, count)
      }
    }),
  )
  return { kernel, places, symbols, title, threads: (values) => cuts.reduce((sum, cut) => sum + threadCount(cut, values), 0) }
}

function threadCount({ product, tile }: Cut, values: SymValues): number {
  const { rows, columns, block } = tile
  const size = (shape: Shape): number => elementCountAt(shape, values)
  const tiles =
    Math.ceil(size(product.rows) / (rows * (block?.down ?? 1))) * Math.ceil(size([product.columns]) / (columns * (block?.across ?? 1)))
  return size(product.batch) * tiles * (threadsOf(tile) ?? 1)
}

/** Works out a tile and writes it, with what follows the products element by element. */
function writeTile(
  { node, products, product, tile }: Cut,
  thread: Expr,
  lanes: 1 | 4,
  { b, symbols, arrays, elements, when }: KernelParts,
): void {
  const out = arrays.of({ node, index: 0 })!
  const counts = tilesOf(symbols, product, tile)
  const vectors = (value: Node['inputs'][number]) => (lanes === 4 ? arrays.of(value, 4) : undefined)
  const context = { b, symbols, elements, vectors, words: (value: Node['inputs'][number]) => arrays.of(value)! }
  const { block } = tile
  const [at, tiles] = ((): readonly [TilePlace, Expr[][][]] => {
    if (block === undefined) {
      const own = tilePlace(b, thread, counts, tile)
      return [own, products.map((one) => productTile(context, one, tile, own))]
    }
    const own = blockPlace(b, thread, { ...counts, tile, block })
    return [own, products.map((one) => productBlock(context, one, tile, block, own))]
  })()
  const write = (): void => writeSums({ node, products, product, tile }, at, tiles, { b, symbols, elements, when, out })
  // What all threads of a workgroup have found is written by one.
  if (tile.split === undefined) write()
  else b.if(b.localIndex().eq(0), () => elements.inside(write))
}

function writeSums(
  { node, products, product, tile }: Cut,
  at: TilePlace,
  tiles: readonly Expr[][][],
  { b, symbols, elements, when, out }: Pick<KernelParts, 'b' | 'symbols' | 'elements' | 'when'> & { readonly out: Storage },
): void {
  const { dtype } = node.outputs[0]!
  const elementsPerWord = perWord(dtype)
  const [height, width] = [symbols.count(product.rows), symbols.dim(product.columns)]
  for (let i = 0; i < tile.rows; i++) {
    const row = i === 0 ? at.row : b.let('row', at.row.add(i))
    const line = b.let('line', asExpr(times(plus(times(at.batch, height), row), width)))
    for (let j = 0; j < tile.columns; j += elementsPerWord) {
      const column = j === 0 ? at.column : b.let('column', at.column.add(j))
      when(row, height, () =>
        when(column, width, () => {
          const first = b.let('first', line.add(column))
          const word = joinParts(elementsPerWord, (part) => {
            const index = part === 0 ? first : b.let('index', first.add(part))
            products.forEach((one, which) => elements.know({ node: one, index: 0 }, index, tiles[which]![i]![j + part]!))
            return b.let('bits', encodeBits(b.let('element', elements.own({ node, index: 0 }, index)), dtype))
          })
          b.store(out, elementsPerWord === 1 ? first : b.let('at', first.div(elementsPerWord)), word)
        }),
      )
    }
  }
}
