/**
 * Products of matrices: each thread works out a tile of a few rows and columns in registers, so that a number that was read is used as often as the tile is wide or high.
 * What follows element by element (bias, activation, a residual, a cast) is worked out on the tile before it is written.
 */
import type { DType } from '../../dtype.js'
import type { Attrs, Node, TensorType, Value } from '../../graph/node.js'
import { dtypeOf, shapeOf, typeOf } from '../../graph/node.js'
import type { MatmulAttrs } from '../../ops/matmul.js'
import { blockSize, type QuantAttrs } from '../../ops/quant.js'
import { elementCount, type Dim, type Shape } from '../../shape.js'
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import type { Expr, Storage } from '../ir.js'
import { activated } from './activations.js'
import type { ElementContext, ElementRule, Elements } from './elements.js'
import { asExpr, broadcastIndex, plus, times, type Amount, type SymbolUniforms } from './indexing.js'
import { decodeBits, perWord, rounded } from './pack.js'
import { packedElement, packedOperand, perPackedWord, type Packed } from './quantised.js'

/** Rows and columns that one thread works out. */
export interface Tile {
  readonly rows: number
  readonly columns: number
  /** The threads of a workgroup share what they read; without it each reads for itself. */
  readonly block?: Block
  /** The threads of a workgroup share the inner index. For products of few rows, which give too few tiles. */
  readonly split?: Split
  /** Products are added to their sums by one instruction that rounds once. */
  readonly fused?: boolean
}

/** Tiles of a workgroup, and steps of the inner index that it loads at a time. */
export interface Block {
  readonly down: number
  readonly across: number
  readonly depth: number
  /** So many threads have each tile, each of them every so many loads. For products of few blocks. Default 1; a power of two. */
  readonly slices?: number
}

/** So many threads have one tile, each some of the steps of the inner index, and so many tiles stand side by side in a workgroup. Both are powers of two. */
export interface Split {
  readonly slices: number
  readonly across: number
}

/** Threads of the workgroup that works out a block, or tiles together; undefined where each thread has a tile of its own. */
export const threadsOf = ({ block, split }: Tile): number | undefined =>
  block === undefined ? split && split.slices * split.across : block.down * block.across * (block.slices ?? 1)

/** Rows and columns that a workgroup works out together, or a thread where each has a tile of its own. */
export const groupRows = ({ rows, block }: Tile): number => rows * (block?.down ?? 1)
export const groupColumns = ({ columns, block, split }: Tile): number => columns * (block?.across ?? split?.across ?? 1)

/** A product as its kernel sees it: `batch` times [rows, inner] · [inner, columns]. */
export interface Product {
  readonly hasBias: boolean
  /** The right matrix is quantised. */
  readonly packed?: Packed
  readonly attrs: MatmulAttrs
  readonly batch: Shape
  readonly aBatch: Shape
  readonly bBatch: Shape
  readonly rows: readonly Dim[]
  readonly columns: Dim
  readonly inner: Dim
}

/** Operations that are products. */
export const productOps: ReadonlySet<string> = new Set(['matmul', 'qmatmul'])

export const productOfNode = ({ op, inputs, outputs, attrs }: Node): Product => productOf(op, inputs.map(typeOf), outputs[0]!, attrs)

function productOf(op: string, inputs: readonly TensorType[], { shape: out }: TensorType, attrs: Attrs): Product {
  if (op === 'qmatmul') {
    const [columns, blocks] = inputs[1]!.shape as readonly [Dim, number]
    const { bits } = attrs as QuantAttrs
    const packed: Packed = { bits, block: blockSize(attrs as QuantAttrs), hasMins: inputs.length > 3 }
    const alone = { batch: [], aBatch: [], bBatch: [] }
    return { ...alone, hasBias: false, packed, attrs: { transB: true }, rows: out.slice(0, -1), columns, inner: blocks * packed.block }
  }
  const [aShape, bShape] = [inputs[0]!.shape, inputs[1]!.shape]
  const [batch, aBatch, bBatch] = [out.slice(0, -2), aShape.slice(0, -2), bShape.slice(0, -2)]
  const shared = {
    hasBias: inputs.length > 2,
    attrs: attrs as MatmulAttrs,
    columns: out.at(-1)!,
    inner: aShape.at(attrs.transA === true ? -2 : -1)!,
  }
  // One matrix for a whole batch: the batch is more rows.
  const isWhole = aBatch.length === batch.length && aBatch.every((dim, axis) => dim === batch[axis])
  return attrs.transA !== true && isWhole && bBatch.every((dim) => dim === 1)
    ? { ...shared, batch: [], aBatch: [], bBatch: [], rows: out.slice(0, -1) }
    : { ...shared, batch, aBatch, bBatch, rows: [out.at(-2)!] }
}

/** What a kernel of products needs to know of the kernel that it is written into. */
export interface ProductContext {
  readonly b: KernelBuilder
  readonly symbols: SymbolUniforms
  readonly elements: Elements
  /** The memory of a value as vectors of so many words; undefined where it has none, or has them otherwise. */
  readonly vectors: (value: Value, lanes: 2 | 4) => Storage | undefined
  /** The memory of a value as words; undefined where it has none. */
  readonly words: (value: Value) => Storage | undefined
}

/** Where the tile of a thread lies. */
export interface TilePlace {
  readonly batch: Expr
  /** Its first row and column. */
  readonly row: Expr
  readonly column: Expr
  /** How far each of its rows and columns is from the first. */
  readonly rows: readonly number[]
  readonly columns: readonly number[]
}

/** How many tiles, or blocks of them, there are. */
export function tilesOf(symbols: SymbolUniforms, product: Product, tile: Tile) {
  const across = tilesAlong(symbols.dim(product.columns), groupColumns(tile))
  const down = tilesAlong(symbols.count(product.rows), groupRows(tile))
  return { across: atLeastOne(across), down: atLeastOne(down), count: times(times(across, down), symbols.count(product.batch)) }
}

/** The tile of a thread with a number. */
export function tilePlace(
  b: KernelBuilder,
  thread: Expr,
  { across, down }: { readonly across: Amount; readonly down: Amount },
  tile: Tile,
): TilePlace {
  const rest = b.let('rest', thread.div(asExpr(across)))
  return {
    column: b.let('column', thread.rem(asExpr(across)).mul(tile.columns)),
    row: b.let('row', rest.rem(asExpr(down)).mul(tile.rows)),
    batch: b.let('batch', rest.div(asExpr(down))),
    rows: numbersTo(tile.rows),
    columns: numbersTo(tile.columns),
  }
}

export const numbersTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const tilesAlong = (size: Amount, tile: number): Amount =>
  tile === 1 ? size : typeof size === 'number' ? Math.ceil(size / tile) : size.add(tile - 1).div(tile)
const atLeastOne = (amount: Amount): Amount => (typeof amount === 'number' ? Math.max(1, amount) : amount.max(1))
export const isMultiple = (dim: Dim | Amount, of: number): boolean => typeof dim === 'number' && dim > 0 && dim % of === 0

/** A matrix of one operand, [outer, inner] with the inner index of the product along its rows, or the other way round. */
export interface Operand {
  /** Elements at steps of the inner index 0 … depth − 1, for each of the tile's rows or columns. */
  readonly read: (k: Expr) => Expr[][]
  /** Steps of the inner index that one `read` gives. */
  readonly depth: number
}

/** How both matrices of a product are read for one tile. Asked for one after the other, since where each begins is worked out in the kernel. */
export function operandLayouts({ b, symbols }: ProductContext, product: Product, tile: Tile, place: TilePlace) {
  const { attrs, batch, rows, columns, inner, packed } = product
  const [height, width, length] = [symbols.count(rows), symbols.dim(columns), symbols.dim(inner)]
  const depth = packed !== undefined ? perPackedWord(packed) : isMultiple(inner, 4) ? 4 : 1
  const base = (own: Shape, size: Amount): Amount =>
    batch.length === 0 ? 0 : times(broadcastIndex(b, symbols, own, batch, place.batch), size)
  return {
    length,
    depth,
    left: (): OperandLayout => ({
      base: base(product.aBatch, times(height, length)),
      first: place.row,
      count: tile.rows,
      outer: height,
      length,
      innerLast: attrs.transA !== true,
      depth,
    }),
    right: (): OperandLayout => ({
      base: base(product.bBatch, times(width, length)),
      first: place.column,
      count: tile.columns,
      outer: width,
      length,
      innerLast: attrs.transB === true,
      depth,
    }),
  }
}

/** Adds a product to the sums of a tile: `sums[i][j]` for row i and column j. Rows and columns beyond the matrix repeat its last; their sums are not to be written. */
export function addTile(context: ProductContext, node: Node, sums: Sums, tile: Tile, place: TilePlace): void {
  const { b, elements } = context
  const product = productOfNode(node)
  const layouts = operandLayouts(context, product, tile, place)
  const { length, depth } = layouts
  const a = operand(context, node.inputs[0]!, layouts.left())
  const rightLayout = layouts.right()
  const right =
    product.packed === undefined
      ? operand(context, node.inputs[1]!, rightLayout)
      : packedOperand(context, node, product.packed, rightLayout, indicesOf(b, rightLayout))
  b.for('k', u32(0), asExpr(length), depth, (k) =>
    elements.inside(() => {
      const [left, across] = [a.read(k), right.read(k)]
      for (let step = 0; step < depth; step++)
        sums.forEach((row, i) => row.forEach((sum, j) => sum.set(withProduct(sum.value, left[step]![i]!, across[step]![j]!, tile))))
    }),
  )
}

/** Sums of a tile, one for each row and column. */
export type Sums = readonly (readonly Cell[])[]

/** The tile that its sums give: factor, bias and activation applied, and rounded to the dtype. */
export function finishedTile({ b, symbols, elements }: ProductContext, node: Node, sums: Sums, tile: Tile, place: TilePlace): Expr[][] {
  const product = productOfNode(node)
  const { dtype } = node.outputs[0]!
  const width = symbols.dim(product.columns)
  // Where several rows want the same bias, its place is found once.
  const biasAt = product.hasBias ? place.columns.map((offset) => clamped(b, place.column.add(offset), width, groupColumns(tile))) : []
  return sums.map((row) =>
    row.map(({ value }, j) =>
      b.let(
        'product',
        finished(b, value, product, dtype, () => elements.at(node.inputs[2]!, biasAt[j]!)),
      ),
    ),
  )
}

/** The sums of a tile, of nothing so far. */
export const zeroSums = (b: KernelBuilder, { rows, columns }: Tile): Sums =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => b.var('sum', f32(0))))

/** A sum with one more product. */
export const withProduct = (sum: Expr, left: Expr, right: Expr, { fused }: Tile): Expr =>
  fused === true ? left.fma(right, sum) : sum.add(left.mul(right))

/** A sum of products with what the operation does to it. */
export function finished(b: KernelBuilder, sum: Expr, { attrs, hasBias }: Product, dtype: DType, biasAt: () => Expr): Expr {
  let value = attrs.alpha === undefined ? sum : sum.mul(attrs.alpha)
  if (hasBias) value = value.add(biasAt())
  if (attrs.activation !== undefined) value = activated(b, b.let('plain', value), attrs.activation)
  return rounded(b, value, dtype)
}

export interface OperandLayout {
  /** Where its matrix begins. */
  readonly base: Amount
  /** The tile's first row of a, or column of b. */
  readonly first: Expr
  readonly count: number
  /** Rows of a, or columns of b. */
  readonly outer: Amount
  readonly length: Amount
  /** The inner index runs along memory. */
  readonly innerLast: boolean
  readonly depth: number
  /** Rows (or columns) that a workgroup has together, where its tiles may all lie behind the last; `count` where a tile begins in the matrix. */
  readonly among?: number
  /** Halves are read four at a time too. */
  readonly halves?: boolean
}

/** The tile's rows or columns. */
export const indicesOf = (b: KernelBuilder, { first, count, outer, among = count }: OperandLayout): Expr[] =>
  Array.from({ length: count }, (_, i) => clamped(b, i === 0 ? first : first.add(i), outer, among))

/** How four numbers of a value are read, from a multiple of four on; undefined where memory does not give them together. */
export function quadReader({ b, vectors }: ProductContext, value: Value): ((index: Expr) => readonly Expr[]) | undefined {
  const dtype = dtypeOf(value)
  // What has no elements has no memory that vectors could be bound to.
  if (elementCount(shapeOf(value)) === 0 || perWord(dtype) > 2) return undefined
  const words = perWord(dtype) === 1 ? 4 : 2
  const array = vectors(value, words)
  if (array === undefined) return undefined
  const lanes = numbersTo(words)
  return (index) => {
    const vector = b.load(array, index.div(4))
    if (words === 4) {
      const numbers = b.let('vector', vector.bits('f32'))
      return lanes.map((lane) => numbers.lane(lane))
    }
    return lanes.flatMap((lane) =>
      [vector.lane(lane).and(0xffff), vector.lane(lane).shr(16)].map((bits) => b.let('half', decodeBits(bits, dtype))),
    )
  }
}

export function operand(context: ProductContext, value: Value, layout: OperandLayout): Operand {
  const { b, elements } = context
  const { base, first, count, outer, length, innerLast, depth, among = count, halves = false } = layout
  const indices = (): Expr[] => indicesOf(b, layout)
  // Four at a time are all inside or all outside, as the tile begins at a multiple of four and the matrix ends at one.
  const groups = (): Expr[] =>
    Array.from({ length: count / 4 }, (_, part) => {
      const group = first.add(4 * part)
      return isMultiple(outer, among) ? group : b.let('group', group.min(u32((outer as number) - 4)))
    })
  const starts = innerLast ? indices().map((index) => b.let('start', asExpr(plus(base, times(index, length))))) : []
  const along = innerLast ? length : outer
  const isWhole = isMultiple(along, 4) && (innerLast ? depth % 4 === 0 : count % 4 === 0)
  const quad = isWhole && (dtypeOf(value) === 'f32' || halves) ? quadReader(context, value) : undefined
  const steps = numbersTo(depth)
  if (innerLast) {
    return {
      depth,
      read: (k) => {
        const perIndex = starts.map((start) =>
          quad === undefined
            ? steps.map((step) => elements.at(value, b.let('from', start.add(k).add(step))))
            : Array.from({ length: depth / 4 }, (_, part) => quad(b.let('from', start.add(k).add(4 * part)))).flat(),
        )
        return steps.map((step) => perIndex.map((own) => own[step]!))
      },
    }
  }
  const parts = quad === undefined ? [] : groups()
  const places = quad === undefined ? indices() : []
  return {
    depth,
    read: (k) =>
      steps.map((step) => {
        const line = b.let('line', asExpr(plus(base, times(step === 0 ? k : k.add(step), outer))))
        if (quad === undefined) return places.map((index) => elements.at(value, b.let('from', line.add(index))))
        return parts.flatMap((part) => [...quad(line.add(part))])
      }),
  }
}

/** An index that does not leave the matrix; as it is where every tile is whole. */
export function clamped(b: KernelBuilder, index: Expr, size: Amount, tile: number): Expr {
  if (tile === 1 || isMultiple(size, tile)) return index
  const last = typeof size === 'number' ? u32(Math.max(1, size) - 1) : size.max(1).sub(1)
  return b.let('clamped', index.min(last))
}

/** One element of a product, for what tiles do not take. */
export const productRule =
  (op: string): ElementRule =>
  (context, index) =>
    productElement(context, productOf(op, context.inputs, context.output, context.attrs), index)

function productElement(context: ElementContext, product: Product, index: Expr): Expr {
  const { b, symbols, output } = context
  const { attrs, batch, rows, columns, inner } = product
  const [height, width, length] = [symbols.count(rows), symbols.dim(columns), symbols.dim(inner)]
  const column = b.let('column', index.rem(asExpr(atLeastOne(width))))
  const rest = b.let('rest', index.div(asExpr(atLeastOne(width))))
  const row = b.let('row', rest.rem(asExpr(atLeastOne(height))))
  const number = b.let('batch', rest.div(asExpr(atLeastOne(height))))
  const base = (own: Shape, size: Amount): Amount => (batch.length === 0 ? 0 : times(broadcastIndex(b, symbols, own, batch, number), size))
  const [aBase, bBase] = [base(product.aBatch, times(height, length)), base(product.bBatch, times(width, length))]
  const sum = b.var('sum', f32(0))
  b.for('k', u32(0), asExpr(length), 1, (k) =>
    context.inside(() => {
      const fromA = attrs.transA === true ? plus(times(k, height), row) : plus(times(row, length), k)
      const fromB = attrs.transB === true ? plus(times(column, length), k) : plus(times(k, width), column)
      const left = context.input(0, b.let('from', asExpr(plus(aBase, fromA))))
      const at = b.let('from', asExpr(plus(bBase, fromB)))
      const right = product.packed === undefined ? context.input(1, at) : packedElement(b, product.packed, context.input, at)
      sum.set(sum.value.add(left.mul(right)))
    }),
  )
  return finished(b, sum.value, product, output.dtype, () => context.input(2, column))
}
