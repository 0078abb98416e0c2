import type { Node } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { asExpr, plus, times } from '../kernel/lib/indexing.js'
import { encodeBits, perWord } from '../kernel/lib/pack.js'
import { productOf, productTile, tilesOf } from '../kernel/lib/products.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { dimMax, isSym, resolveShape, type Shape, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { Clash, ELEMENT_GROUP, kernelOf, titleOf, type BuiltKernel } from './kernel-parts.js'
import type { Memory } from './places.js'

const known = (shape: Shape): number => shape.reduce<number>((product, dim) => product * (isSym(dim) ? Infinity : dimMax(dim)), 1)

/** A value that is worked out of products, a tile for each thread; undefined where the tile would not be written in whole words. */
export function productsDispatch(node: Node, products: readonly Node[], memory: Memory, tuning: Tuning): Dispatch | undefined {
  const type = node.outputs[0]!
  const product = productOf(products[0]!.inputs.map(typeOf), products[0]!.outputs[0]!, products[0]!.attrs)
  const tile = tuning.tile(known(product.rows), known([product.columns]))
  const elementsPerWord = perWord(type.dtype)
  if (tile.columns % elementsPerWord !== 0) return undefined
  const title = titleOf(node, products)
  const build = (asVectors: boolean) =>
    kernelOf(title, memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
      const out = arrays.of({ node, index: 0 })!
      const { count, place } = tilesOf(symbols, product, tile)
      when(thread, count, () => {
        const at = place(b, thread)
        const vectors = (value: Node['inputs'][number]) => (asVectors ? arrays.of(value, 4) : undefined)
        const tiles = products.map((one) => productTile({ b, symbols, elements, vectors }, one, tile, at))
        const [height, width] = [symbols.count(product.rows), symbols.dim(product.columns)]
        for (let i = 0; i < tile.rows; i++) {
          const row = i === 0 ? at.row : b.let('row', at.row.add(i))
          const line = b.let('line', asExpr(times(plus(times(at.batch, height), row), width)))
          for (let j = 0; j < tile.columns; j += elementsPerWord) {
            const column = j === 0 ? at.column : b.let('column', at.column.add(j))
            when(row, height, () =>
              when(column, width, () => {
                const first = b.let('first', line.add(column))
                let word: Expr = u32(0)
                for (let part = 0; part < elementsPerWord; part++) {
                  const index = part === 0 ? first : b.let('index', first.add(part))
                  products.forEach((one, which) => elements.know({ node: one, index: 0 }, index, tiles[which]![i]![j + part]!))
                  const bits = b.let('bits', encodeBits(b.let('element', elements.own({ node, index: 0 }, index)), type.dtype))
                  word = part === 0 ? bits : word.or(bits.shl((32 / elementsPerWord) * part))
                }
                b.store(out, elementsPerWord === 1 ? first : b.let('at', first.div(elementsPerWord)), word)
              }),
            )
          }
        }
      })
    })
  const { kernel, places, symbols } = inVectors(build)
  const threads = (values: SymValues): number => {
    const size = (shape: Shape): number => resolveShape(shape, values).reduce((a, c) => a * c, 1)
    const along = (count: number, step: number): number => Math.ceil(count / step)
    return size(product.batch) * along(size(product.rows), tile.rows) * along(size([product.columns]), tile.columns)
  }
  return { kernel, places, symbols, threads, title }
}

/** What is read in vectors for the product and in words for something else is read in words for both. */
function inVectors(build: (asVectors: boolean) => BuiltKernel): BuiltKernel {
  try {
    return build(true)
  } catch (error) {
    if (error instanceof Clash) return build(false)
    throw error
  }
}
