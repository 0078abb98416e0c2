/** Products that are nothing but products, which a library may multiply in the place of a kernel. */
import { dtypeOf, type Node } from '../graph/node.js'
import { sameOrder } from '../kernel/lib/indexing.js'
import { productOfNode } from '../kernel/lib/products.js'
import { elementCountAt, resolveIndex, type Dim, type Shape, type SymValues } from '../shape.js'
import type { Memory, Place } from './places.js'
import { baseValue } from './views.js'

/** Where one of the matrices lies, the others of its batch right behind it. */
export interface PlainOperand {
  readonly place: Place
  /** Columns are what lies side by side in memory: the left is stored as [inner, rows], the right as [columns, inner]. */
  readonly transposed: boolean
  /** One for each product of the batch, else one for all. */
  readonly batched: boolean
}

/** `batch` products [rows, inner] · [inner, columns], rows first, all of one dtype; sums are f32. The dispatch writes nothing else. */
export interface PlainProduct {
  readonly dtype: 'f16' | 'bf16'
  readonly batch: Shape
  readonly rows: Shape
  readonly columns: Dim
  readonly inner: Dim
  readonly left: PlainOperand
  readonly right: PlainOperand
  readonly result: Place
}

/** A plain product in numbers, as symbols have them in a run. */
export interface ProductSize {
  readonly dtype: 'f16' | 'bf16'
  readonly batch: number
  readonly rows: number
  readonly columns: number
  readonly inner: number
  readonly left: Pick<PlainOperand, 'transposed' | 'batched'>
  readonly right: Pick<PlainOperand, 'transposed' | 'batched'>
  /** Equal for equal products, and for people: 'f16 8 128x64x4096 0100', a batch of 8, rows, inner and columns, then transposed and batched. */
  readonly key: string
}

/** The same memory, or some of it. Temporaries that live at one time lie apart, and those that do not are no operands of what is written over them. */
const overlap = (a: Place, b: Place): boolean =>
  a.kind === 'temporary' && b.kind === 'temporary'
    ? a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
    : a.kind === b.kind && a.kind !== 'temporary' && b.kind !== 'temporary' && a.index === b.index

/** What a kept node is, if it is one product and nothing before or after it but other shapes; undefined where anything else may be. */
export function plainProduct(node: Node, cores: readonly Node[], memory: Memory): PlainProduct | undefined {
  const [core] = cores
  if (cores.length !== 1 || core?.op !== 'matmul' || node.outputs.length !== 1) return undefined
  const { hasBias, attrs, batch, aBatch, bBatch, rows, columns, inner } = productOfNode(core)
  const { dtype } = core.outputs[0]!
  if (dtype !== 'f16' && dtype !== 'bf16') return undefined
  // What is rounded to halves and then made floats is not what a library writes as floats.
  if (baseValue({ node, index: 0 }).node !== core || core.inputs.some((value) => dtypeOf(value) !== dtype)) return undefined
  if (hasBias || attrs.alpha !== undefined || attrs.activation !== undefined) return undefined
  const result = memory.of({ node, index: 0 })
  const operand = (which: 0 | 1, own: Shape, transposed: boolean): PlainOperand | undefined => {
    const input = core.inputs[which]!
    const place = memory.of(input) ?? memory.of(baseValue(input))
    const batched = sameOrder(own, batch)
    // A matrix for some axes of a batch and the same for others has no one distance between neighbours.
    return place === undefined || (!batched && own.some((dim) => dim !== 1)) ? undefined : { place, transposed, batched }
  }
  const left = operand(0, aBatch, attrs.transA === true)
  const right = operand(1, bBatch, attrs.transB === true)
  if (result === undefined || left === undefined || right === undefined) return undefined
  if (overlap(left.place, result) || overlap(right.place, result)) return undefined
  return { dtype, batch, rows, columns, inner, left, right, result }
}

export function sizeOfProduct({ dtype, left, right, ...shapes }: PlainProduct, values: SymValues): ProductSize {
  const [batch, rows] = [elementCountAt(shapes.batch, values), elementCountAt(shapes.rows, values)]
  const [columns, inner] = [resolveIndex(shapes.columns, values), resolveIndex(shapes.inner, values)]
  const flags = [left.transposed, right.transposed, left.batched, right.batched].map(Number).join('')
  return { dtype, batch, rows, columns, inner, left, right, key: `${dtype} ${batch} ${rows}x${inner}x${columns} ${flags}` }
}

/** Multiplications, each with an addition. */
export const stepsOf = ({ batch, rows, columns, inner }: ProductSize): number => batch * rows * columns * inner
