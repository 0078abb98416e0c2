import type { Node, Value } from '../graph/node.js'
import { vector, type Expr, type Shared, type Storage } from '../kernel/ir.js'
import { asExpr, plus, sameOrder, times, type Amount } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord } from '../kernel/lib/pack.js'
import { addBlocks, blockMemory, blockPlace, joinSlices, runsOf } from '../kernel/lib/product-blocks.js'
import { addSlice, gather, slicePlace, sliceWords } from '../kernel/lib/product-slices.js'
import {
  addTile,
  finishedTile,
  groupColumns,
  groupRows,
  isMultiple,
  productOfNode,
  tilePlace,
  tilesOf,
  threadsOf,
  type Product,
  type Tile,
  type Sums,
  type TilePlace,
  zeroSums,
} from '../kernel/lib/products.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { dimMax, isSym, elementCountAt, type Shape, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, inVectors, kernelOf, titleOf, type KernelParts } from './kernel-parts.js'
import { baseValue } from './views.js'
import type { Memory } from './places.js'
import type { Part } from './units.js'

/** Products that are worked out side by side, or one alone. */
interface Cut {
  readonly node: Node
  readonly products: readonly Node[]
  readonly product: Product
  readonly tile: Tile
  /** The sum of all products, where nothing else is made of them. */
  readonly total: Node | undefined
}

/** Elements of a shape as cuts depend on them, `Infinity` where only a symbol says. */
export const known = (shape: Shape): number => shape.reduce<number>((product, dim) => product * (isSym(dim) ? Infinity : dimMax(dim)), 1)

/** How a value made of products is cut; undefined where tiles would not be written in whole words, or are of different matrices. */
function cutOf({ node, cores, size, reads }: Part, tuning: Tuning): Cut | undefined {
  const { shape, dtype } = node.outputs[0]!
  const products = cores.map(productOfNode)
  const product = products[0]!
  const total = tuning.sums ? sumOf(node, cores, reads) : undefined
  const tile = tuning.tile({
    rows: known(product.rows),
    columns: known([product.columns]),
    inner: known([product.inner]),
    batch: known(product.batch),
    leftAlong: product.attrs.transA !== true,
    along: product.attrs.transB === true,
    products: total === undefined ? cores.length : 1,
    following: size - cores.length,
  })
  const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i])
  const elementsPerWord = perWord(dtype)
  const whole = elementsPerWord === 1 || (Number(product.columns) % elementsPerWord === 0 && tile.columns % elementsPerWord === 0)
  const alike =
    cores.every(({ outputs }) => sameOrder(outputs[0]!.shape, shape)) &&
    products.every(({ rows, batch, columns }) => same(rows, product.rows) && same(batch, product.batch) && columns === product.columns)
  return whole && alike ? { node, products: cores, product, tile, total } : undefined
}

/** The value inside a kernel that is the sum of all its products and all that is made of them: they can be added up in one go. */
function sumOf(node: Node, cores: readonly Node[], reads: Part['reads']): Node | undefined {
  const plain = cores.every(
    ({ op, inputs, attrs, outputs }) =>
      op === 'matmul' &&
      inputs.length === 2 &&
      outputs[0]!.dtype === 'f32' &&
      attrs['alpha'] === undefined &&
      attrs['activation'] === undefined,
  )
  if (cores.length < 2 || !plain) return undefined
  const termsOf = (at: Node): Node[] =>
    at.op === 'add' && !cores.includes(at) && !reads.has(at) ? at.inputs.flatMap((input) => termsOf(input.node)) : [at]
  const isTotal = (at: Node): boolean => {
    const terms = termsOf(at)
    // What else is added comes behind.
    return terms.length === cores.length && new Set(terms).size === cores.length && terms.every((term) => cores.includes(term))
  }
  let total: Node | undefined
  const seen = new Set<Node>()
  const visit = (at: Node): boolean => {
    if (seen.has(at) || reads.has(at)) return true
    seen.add(at)
    if (isTotal(at)) {
      if (total !== undefined) return false
      total = at
      return true
    }
    return !cores.includes(at) && at.inputs.every((input) => visit(input.node))
  }
  return visit(node) ? total : undefined
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
      const shared = sharedBy(
        cuts.map(({ tile }) => (tile.split === undefined ? 0 : sliceWords({ tile, split: tile.split, subgroup: tuning.subgroup }))),
        b,
      )
      let before: Amount = 0
      for (const cut of cuts) {
        const { count } = tilesOf(sizes, cut.product, cut.tile)
        const own = before === 0 ? number : b.let('own', number.sub(asExpr(before)))
        // What comes before wraps around to something large.
        when(own, count, () =>
          elements.inside(() => writeTile(cut, own, { lanes, outLanes, memory: shared, subgroup: tuning.subgroup }, kernelParts)),
        )
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
  readonly memory: Shared | undefined
  readonly subgroup: Tuning['subgroup']
}

/** Works out a tile and writes it, with what follows the products element by element. */
function writeTile(cut: Cut, number: Expr, { lanes, outLanes, memory, subgroup }: WriteOptions, parts: KernelParts): void {
  const { node, products, product, tile } = cut
  const { b, symbols, arrays, elements } = parts
  const out = arrays.of({ node, index: 0 }, outLanes)!
  const counts = tilesOf(symbols, product, tile)
  const stored = (value: Value): Value => (tile.fused === true ? baseValue(value) : value)
  const vectors = (value: Value, words: 2 | 4) => (lanes === 4 ? arrays.of(stored(value), words) : undefined)
  const context = { b, symbols, elements, vectors, words: (value: Value) => arrays.of(stored(value)) ?? arrays.of(baseValue(value)) }
  const { block, split } = tile
  // What the sums of each kernel are of: one product, or all.
  const summed = cut.total === undefined ? products.map((one) => ({ value: one, of: [one] })) : [{ value: cut.total, of: products }]
  const write = (at: TilePlace, sums: readonly Sums[]): void => {
    const tiles = summed.map(({ value }, which) => ({
      value,
      tile:
        value === cut.total
          ? sums[which]!.map((row) => row.map((cell) => cell.value))
          : finishedTile(context, value, sums[which]!, tile, at),
    }))
    writeTiles(cut, at, tiles, out, parts)
  }
  const added = (add: (one: Node, sums: Sums) => void): Sums[] =>
    summed.map(({ of }) => {
      const sums = zeroSums(b, tile)
      of.forEach((one) => add(one, sums))
      return sums
    })
  if (block !== undefined) {
    const at = blockPlace(b, number, { ...counts, tile, block, runs: runsOfCut(cut) })
    const shared = { tile, block, memory: blockMemory(b, tile, block) }
    const whole = added((one, sums) => addBlocks(context, one, sums, shared, at))
    if (block.slices === undefined) return write(at, whole)
    for (const sums of whole) joinSlices(context, sums, shared, at)
    b.if(at.slice.eq(0), () => elements.inside(() => write(at, whole)))
  } else if (split !== undefined) {
    const at = slicePlace(b, number, counts, tile, split)
    const parts = added((one, sums) => addSlice(context, one, sums, { tile, split }, at))
    const whole = parts.map((own) => gather(context, own, { tile, split, subgroup, memory: memory! }, at))
    b.if(at.slice.eq(0), () => elements.inside(() => write(at, whole)))
  } else {
    const at = tilePlace(b, number, counts, tile)
    write(
      at,
      added((one, sums) => addTile(context, one, sums, tile, at)),
    )
  }
}

function writeTiles(
  { node, product, tile }: Cut,
  at: TilePlace,
  tiles: readonly { readonly value: Node; readonly tile: readonly (readonly Expr[])[] }[],
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
              tiles.forEach(({ value, tile: found }) => elements.know({ node: value, index: 0 }, index, found[i]![j + own]!))
              return b.let('bits', encodeBits(b.let('element', elements.own({ node, index: 0 }, index)), dtype))
            }),
          )
          b.store(out, together === 1 ? first : b.let('at', first.div(together)), words.length === 1 ? words[0]! : vector(...words))
        }),
      )
    }
  })
}
