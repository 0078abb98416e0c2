/** Products of halves that the subgroups of a device multiply as matrices, with what follows them element by element. */
import { dtypeOf, type Node, type Value } from '../graph/node.js'
import { f32, u32, type KernelBuilder } from '../kernel/builder.js'
import type { Expr, MatrixElement } from '../kernel/ir.js'
import { asExpr, broadcastIndex, plus, sameOrder, times, type Amount } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord } from '../kernel/lib/pack.js'
import {
  eachFour,
  matrixMemory,
  matrixThreads,
  productMatrices,
  type MatrixBlock,
  type MatrixMemory,
} from '../kernel/lib/product-matrices.js'
import { finished, productOfNode, type Product } from '../kernel/lib/products.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCount, elementCountAt, type Shape, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { inVectors, kernelOf, titleOf, type KernelParts } from './kernel-parts.js'
import type { Memory } from './places.js'
import { plainProduct } from './plain-product.js'
import { known } from './products-dispatch.js'
import type { Part } from './units.js'
import { baseValue } from './views.js'

interface Cut {
  readonly node: Node
  readonly products: readonly Node[]
  readonly block: MatrixBlock
}

/** Block rows that are worked out side by side before the next columns, so that what they read is still in the cache of the device. */
const BAND = 8

function cutOf({ node, cores }: Part, tuning: Tuning): Cut | undefined {
  const output = node.outputs[0]!
  const element = dtypeOf(cores[0]!.inputs[0]!)
  const isHalf = (value: Value): boolean => dtypeOf(value) === element && elementCount(value.node.outputs[value.index]!.shape) > 0
  if (tuning.matrices === undefined || (element !== 'f16' && element !== 'bf16') || perWord(output.dtype) > 2) return undefined
  const products = cores.map(productOfNode)
  const [{ rows, batch, columns, inner }] = products as [Product]
  const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i])
  const alike = cores.every(
    ({ op, inputs, outputs }, i) =>
      op === 'matmul' &&
      inputs.slice(0, 2).every(isHalf) &&
      sameOrder(outputs[0]!.shape, output.shape) &&
      same(products[i]!.rows, rows) &&
      same(products[i]!.batch, batch) &&
      products[i]!.columns === columns,
  )
  if (!alike) return undefined
  const block = tuning.matrices({
    element,
    batch: known(batch),
    rows: known(rows),
    columns: known([columns]),
    inner: known([inner]),
    products: cores.length,
  })
  return block && { node, products: cores, block }
}

/** A value that is worked out of products of halves; undefined where the device multiplies no such matrices, or they are too small. */
export function matricesDispatch(parts: readonly Part[], memory: Memory, tuning: Tuning): Dispatch | undefined {
  const cut = parts.length === 1 ? cutOf(parts[0]!, tuning) : undefined
  if (cut === undefined) return undefined
  const { node, products, block } = cut
  const title = titleOf(node, products)
  const { rows, columns, batch } = productOfNode(products[0]!)
  const { kernel, places, symbols } = inVectors((lanes) =>
    kernelOf(title, memory, matrixThreads(block), (parts) => writeBlock(cut, lanes, parts)),
  )
  const size = (shape: Shape, values: SymValues): number => elementCountAt(shape, values)
  const product = plainProduct(node, products, memory)
  return {
    ...(product === undefined ? {} : { product }),
    kernel,
    places,
    symbols,
    title,
    threads: (values) =>
      size(batch, values) *
      Math.ceil(size(rows, values) / block.rows) *
      Math.ceil(size([columns], values) / block.columns) *
      matrixThreads(block),
  }
}

interface BlockPlace {
  readonly batch: Expr
  readonly top: Expr
  readonly left: Expr
}

const tilesAlong = (size: Amount, tile: number): Amount =>
  typeof size === 'number'
    ? Math.max(1, Math.ceil(size / tile))
    : size
        .add(tile - 1)
        .div(tile)
        .max(1)

/** Works out a block and writes it. */
function writeBlock(cut: Cut, lanes: 1 | 4, parts: KernelParts): void {
  const { node, products, block } = cut
  const { b, symbols, group, when, elements, arrays } = parts
  // Bound first, so that what is written into an input's memory is that input's array.
  arrays.of({ node, index: 0 })
  const product = productOfNode(products[0]!)
  const [height, width] = [symbols.count(product.rows), symbols.dim(product.columns)]
  const [down, across] = [tilesAlong(height, block.rows), tilesAlong(width, block.columns)]
  const each = times(down, across)
  when(group, times(each, symbols.count(product.batch)), () => {
    const number = b.let('number', group.rem(asExpr(each)))
    // Bands of some block rows, column after column.
    const perBand = asExpr(times(across, BAND))
    const first = b.let('first', number.div(perBand).mul(BAND))
    const high = b.let('high', asExpr(down).sub(first).min(BAND))
    const rest = b.let('rest', number.rem(perBand))
    const place = {
      batch: b.let('batch', group.div(asExpr(each))),
      top: b.let('top', first.add(rest.rem(high)).mul(block.rows)),
      left: b.let('left', rest.div(high).mul(block.columns)),
    }
    const orders = products.map(({ attrs }) => ({ left: attrs['transA'] !== true, right: attrs['transB'] === true }))
    const shared = matrixMemory(b, block, orders)
    const sums = products.map((one, which) => {
      // The blocks of the product before are read to their end first.
      if (which > 0) b.barrier()
      return productMatrices(matrixProduct(parts, one, place, { block, lanes, memory: shared }))
    })
    // What was multiplied last is read to its end before sums take its place.
    b.barrier()
    elements.inside(() => writeSums(cut, sums, place, shared, parts))
  })
}

type Given = Pick<Parameters<typeof productMatrices>[0], 'block' | 'lanes' | 'memory'>

function matrixProduct(
  { b, symbols, elements, arrays }: KernelParts,
  node: Node,
  place: BlockPlace,
  given: Given,
): Parameters<typeof productMatrices>[0] {
  const { attrs, batch, aBatch, bBatch, rows, columns, inner } = productOfNode(node)
  const [height, width, length] = [symbols.count(rows), symbols.dim(columns), symbols.dim(inner)]
  const base = (own: Shape, size: Amount): Amount =>
    batch.length === 0 ? 0 : times(broadcastIndex(b, symbols, own, batch, place.batch), size)
  const operand = (which: 0 | 1, own: Shape, first: Expr, outer: Amount, innerLast: boolean) => {
    const input = node.inputs[which]!
    const value = arrays.has(input) ? input : baseValue(input)
    const element = dtypeOf(value) as MatrixElement
    return {
      value,
      element,
      base: base(own, times(outer, length)),
      first,
      outer,
      innerLast,
      memory: (lanes: 1 | 4) => arrays.of(value, lanes),
    }
  }
  return {
    b,
    elements,
    length,
    ...given,
    left: operand(0, aBatch, place.top, height, attrs.transA !== true),
    right: operand(1, bBatch, place.left, width, attrs.transB === true),
  }
}

/** Writes a block, with what follows the products element by element: four neighbours of a row at a time. */
function writeSums(
  { node, products, block }: Cut,
  sums: readonly Expr[][][],
  place: BlockPlace,
  memory: MatrixMemory,
  parts: KernelParts,
): void {
  const { b, symbols, elements, arrays, when } = parts
  const out = arrays.of({ node, index: 0 })!
  const { dtype } = node.outputs[0]!
  const infos = products.map(productOfNode)
  const { rows, columns, batch } = infos[0]!
  const [height, width] = [symbols.count(rows), symbols.dim(columns)]
  const total = asExpr(times(times(symbols.count(batch), height), width))
  const elementsPerWord = perWord(dtype)
  const element = elementOf(products[0]!)
  // Rows of an odd number of halves begin and end within words.
  const step = typeof width === 'number' && width % 2 === 0 ? elementsPerWord : 1
  eachFour({ b, elements, block, memory }, sums, (fours, inRow, inColumn) => {
    const [row, first] = [b.let('row', place.top.add(inRow)), b.let('column', place.left.add(inColumn))]
    const line = b.let('line', asExpr(times(plus(times(place.batch, height), row), width)))
    when(row, height, () => {
      for (let part = 0; part < 4; part += step) {
        const column = part === 0 ? first : b.let('column', first.add(part))
        when(column, width, () => {
          const index = b.let('index', line.add(column))
          const values = Array.from({ length: step }, (_, i) => {
            const own = i === 0 ? index : b.let('index', index.add(i))
            const at = i === 0 ? column : b.let('column', column.add(i))
            products.forEach((one, which) => {
              const value = finished(b, fours[which]![part + i]!, infos[which]!, 'f32', () => elements.at(one.inputs[2]!, at))
              elements.know({ node: one, index: 0 }, own, b.let('product', roundedByDevice(b, value, element)))
            })
            return b.let('element', elements.own({ node, index: 0 }, own))
          })
          const word =
            dtype === element
              ? b.halves(values[0]!, values[1] ?? values[0]!, element)
              : joinParts(step, (i) => b.let('bits', encodeBits(values[i]!, dtype)))
          if (step === elementsPerWord) return b.store(out, step === 1 ? index : b.let('word', index.div(step)), word)
          b.storeHalf(out, index, word)
          // A last word that is half full is written whole, since words are what others read.
          b.if(index.add(1).eq(total).and(total.and(1).eq(1)), () => b.storeHalf(out, total, u32(0)))
        })
      }
    })
  })
}

const elementOf = ({ inputs }: Node): MatrixElement => dtypeOf(inputs[0]!) as MatrixElement

/** A float as a half that the device multiplies holds it. */
const roundedByDevice = (b: KernelBuilder, value: Expr, element: MatrixElement): Expr =>
  element === 'f16' ? value.to('f16').to('f32') : b.halves(b.let('exact', value), f32(0), 'bf16').shl(16).bits('f32')
