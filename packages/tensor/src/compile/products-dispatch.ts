import type { Node, Value } from '../graph/node.js'
import { vector, type Expr, type Shared, type Storage } from '../kernel/ir.js'
import { asExpr, plus, sameOrder, times, type Amount } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord } from '../kernel/lib/pack.js'
import { blockMemory, blockPlace, productBlock, runsOf } from '../kernel/lib/product-blocks.js'
import { productSlices, slicePlace, sliceWords } from '../kernel/lib/product-slices.js'
import {
  groupColumns,
  groupRows,
  isMultiple,
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
import { baseValue } from './kept.js'
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
    batch: known(product.batch),
    along: product.attrs.transB === true,
    products: cores.length,
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
  const build = (lanes: 1 | 4, outLanes: 1 | 4) =>
    kernelOf(title, memory, members ?? ELEMENT_GROUP, (kernelParts) => {
      const { b, symbols: sizes, thread, group, when, elements } = kernelParts
      const number = members === undefined ? thread : group
      const sums = sharedBy(
        cuts.map(({ tile }) => (tile.split === undefined ? 0 : sliceWords(tile, tile.split))),
        b,
      )
      let before: Amount = 0
      for (const cut of cuts) {
        const { count } = tilesOf(sizes, cut.product, cut.tile)
        const own = before === 0 ? number : b.let('own', number.sub(asExpr(before)))
        // What comes before wraps around to something large.
        when(own, count, () => elements.inside(() => writeTile(cut, own, { lanes, outLanes, sums }, kernelParts)))
        before = plus(before, count)
      }
    })
  // Blocks are written in vectors where each thread has four neighbours and what is written is read nowhere else.
  const inWholes = cuts.every(({ tile, products, product, node }) => tile.block !== undefined && hasQuads(node, products, product))
  const { kernel, places, symbols } = inVectors((outLanes) =>
    outLanes === 4 && inWholes ? build(4, 4) : inVectors((lanes) => build(lanes, 1)),
  )
  return { kernel, places, symbols, title, threads: (values) => cuts.reduce((sum, cut) => sum + threadCount(cut, values), 0) }
}

const runsOfCut = ({ node, products }: Pick<Cut, 'node' | 'products'>): ReturnType<typeof runsOf> =>
  runsOf(products.map(productOfNode), perWord(node.outputs[0]!.dtype))

const hasQuads = (node: Node, products: readonly Node[], { columns }: Product): boolean =>
  perWord(node.outputs[0]!.dtype) === 1 && isMultiple(columns, 4) && runsOfCut({ node, products }).columns === 4

/** Memory for the largest of what is worked out one after another. */
const sharedBy = (words: readonly number[], b: KernelParts['b']): Shared | undefined => {
  const most = Math.max(...words)
  return most === 0 ? undefined : b.sharedArray('sums', 'f32', most)
}

function threadCount({ product, tile }: Cut, values: SymValues): number {
  const size = (shape: Shape): number => elementCountAt(shape, values)
  const tiles = Math.ceil(size(product.rows) / groupRows(tile)) * Math.ceil(size([product.columns]) / groupColumns(tile))
  return size(product.batch) * tiles * (threadsOf(tile) ?? 1)
}

interface WriteOptions {
  /** Numbers that are read of operands, and written, at a time. */
  readonly lanes: 1 | 4
  readonly outLanes: 1 | 4
  readonly sums: Shared | undefined
}

/** Works out a tile and writes it, with what follows the products element by element. */
function writeTile(cut: Cut, number: Expr, { lanes, outLanes, sums }: WriteOptions, parts: KernelParts): void {
  const { node, products, product, tile } = cut
  const { b, symbols, arrays, elements } = parts
  const out = arrays.of({ node, index: 0 }, outLanes)!
  const counts = tilesOf(symbols, product, tile)
  const stored = (value: Value): Value => (tile.fused === true ? baseValue(value) : value)
  const vectors = (value: Value) => (lanes === 4 ? arrays.of(stored(value), 4) : undefined)
  const context = { b, symbols, elements, vectors, words: (value: Value) => arrays.of(stored(value)) }
  const write = (at: TilePlace, tiles: readonly Expr[][][]): void => writeSums(cut, at, tiles, out, parts)
  const { block, split } = tile
  if (block !== undefined) {
    const at = blockPlace(b, number, { ...counts, tile, block, runs: runsOfCut(cut) })
    const shared = { tile, block, memory: blockMemory(b, tile, block) }
    write(
      at,
      products.map((one) => productBlock(context, one, shared, at)),
    )
  } else if (split !== undefined) {
    const at = slicePlace(b, number, counts, tile, split)
    const found = products.map((one) => productSlices(context, one, { tile, split, memory: sums! }, at))
    b.if(at.slice.eq(0), () =>
      elements.inside(() =>
        write(
          at,
          found.map((whole) => whole()),
        ),
      ),
    )
  } else {
    const at = tilePlace(b, number, counts, tile)
    write(
      at,
      products.map((one) => productTile(context, one, tile, at)),
    )
  }
}

function writeSums(
  { node, products, product, tile }: Cut,
  at: TilePlace,
  tiles: readonly Expr[][][],
  out: Storage,
  { b, symbols, elements, when }: KernelParts,
): void {
  const { dtype } = node.outputs[0]!
  const elementsPerWord = perWord(dtype)
  const together = out.element.lanes * elementsPerWord
  const [height, width] = [symbols.count(product.rows), symbols.dim(product.columns)]
  const where = (index: Expr, size: Amount, ofGroup: number, body: () => void): void =>
    tile.block !== undefined && isMultiple(size, ofGroup) ? body() : when(index, size, body)
  at.rows.forEach((down, i) => {
    const row = down === 0 ? at.row : b.let('row', at.row.add(down))
    const line = b.let('line', asExpr(times(plus(times(at.batch, height), row), width)))
    for (let j = 0; j < tile.columns; j += together) {
      const column = j === 0 ? at.column : b.let('column', at.column.add(at.columns[j]!))
      where(row, height, groupRows(tile), () =>
        where(column, width, groupColumns(tile), () => {
          const first = b.let('first', line.add(column))
          const words = Array.from({ length: out.element.lanes }, (_, which) =>
            joinParts(elementsPerWord, (part) => {
              const own = which * elementsPerWord + part
              const index = own === 0 ? first : b.let('index', first.add(own))
              products.forEach((one, which) => elements.know({ node: one, index: 0 }, index, tiles[which]![i]![j + own]!))
              return b.let('bits', encodeBits(b.let('element', elements.own({ node, index: 0 }, index)), dtype))
            }),
          )
          b.store(out, together === 1 ? first : b.let('at', first.div(together)), words.length === 1 ? words[0]! : vector(...words))
        }),
      )
    }
  })
}
