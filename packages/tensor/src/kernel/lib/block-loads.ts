/** Parts of matrices on their way from memory to the memory that a workgroup shares, four numbers at a time. */
import type { Node } from '../../graph/node.js'
import { f32, u32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import { asExpr, plus, times, type Amount } from './indexing.js'
import { packedElement, packedQuad, type Packed } from './quantised.js'
import { clamped, isMultiple, quadReader, type ProductContext } from './products.js'

/** A matrix of which a workgroup has `count` rows (or columns of the right one) of `depth` steps at a time. */
export interface Source {
  readonly base: Amount
  /** The first of the rows. */
  readonly first: Expr
  readonly count: number
  /** Rows in all. */
  readonly outer: Amount
  /** Steps in all. */
  readonly length: Amount
  readonly depth: number
  /** Steps that the workgroup has at a time: `depth` for each of its slices. */
  readonly stride: number
  /** The steps lie side by side in memory; else the rows do. */
  readonly along: boolean
}

/** Whether quads of a matrix never reach over the end of what lies side by side in memory. */
const hasQuads = ({ along, length, outer }: Source): boolean => isMultiple(along ? length : outer, 4)

/** How numbers of a matrix are read by their places in it. */
export interface Reader {
  readonly element: (index: Expr) => Expr
  /** Four from a multiple of four on, where memory has them together. */
  readonly quad?: (index: Expr) => readonly Expr[]
}

export function readerOf(
  context: ProductContext,
  node: Node,
  which: 0 | 1,
  { packed, source }: { readonly packed: Packed | undefined; readonly source: Source },
): Reader {
  const { b, elements, words } = context
  const value = node.inputs[which]!
  if (which === 1 && packed !== undefined)
    return {
      element: (index) => packedElement(b, packed, (input, at) => elements.at(node.inputs[input]!, at), index),
      quad: packedQuad({ b, elements, words }, node, packed),
    }
  const element = (index: Expr): Expr => elements.at(value, index)
  // What is not read in quads must not be bound in vectors.
  const quad = hasQuads(source) ? quadReader(context, value) : undefined
  return quad === undefined ? { element } : { element, quad }
}

/**
 * What a thread reads of each block, as a function of the block's first step: quads of numbers. They are numbered along memory, so that neighbours read what lies side by
 * side. Rows behind the last repeat what lies there; steps behind the last are 0.
 */
export function quadsOf(
  b: KernelBuilder,
  reader: Reader,
  source: Source,
  thread: Expr,
  threads: number,
): readonly ((k: Expr) => readonly Expr[])[] {
  const { base, first, count, outer, length, depth, stride, along } = source
  const across = (along ? depth : count) / 4
  const isWhole = isMultiple(length, stride)
  const last = (size: Amount): Expr => (typeof size === 'number' ? u32(Math.max(1, size) - 1) : size.max(1).sub(1))
  const { quad } = reader
  const zeroed = (inside: Expr | undefined, value: Expr): Expr =>
    inside === undefined ? value : b.let('number', inside.select(value, f32(0)))
  return Array.from({ length: (count * depth) / 4 / threads }, (_, part) => {
    const number = part === 0 ? thread : b.let('number', thread.add(part * threads))
    const [line, place] = [b.let('line', number.div(across)), b.let('place', number.rem(across).mul(4))]
    if (along) {
      const start = b.let('start', asExpr(plus(base, times(clamped(b, first.add(line), outer, count), length))))
      return (k) => {
        const step = b.let('step', k.add(place))
        if (quad !== undefined) {
          const own = isWhole ? step : step.min(u32((length as number) - 4))
          const inside = isWhole ? undefined : step.lt(asExpr(length))
          return quad(b.let('from', start.add(own))).map((value) => zeroed(inside, value))
        }
        return [0, 1, 2, 3].map((i) => {
          const own = i === 0 ? step : step.add(i)
          const value = reader.element(b.let('from', start.add(isWhole ? own : own.min(last(length)))))
          return zeroed(isWhole ? undefined : own.lt(asExpr(length)), value)
        })
      }
    }
    const row = first.add(place)
    // Four are all inside or all behind the last, as the block begins at a multiple of four and the matrix ends at one.
    const starts =
      quad === undefined
        ? [0, 1, 2, 3].map((i) => clamped(b, i === 0 ? row : row.add(i), outer, count))
        : [isMultiple(outer, count) ? row : b.let('quad', row.min(u32((outer as number) - 4)))]
    return (k) => {
      const step = b.let('step', k.add(line))
      const own = b.let('line', asExpr(plus(base, times(isWhole ? step : step.min(last(length)), outer))))
      const inside = isWhole ? undefined : step.lt(asExpr(length))
      const values =
        quad === undefined ? starts.map((start) => reader.element(b.let('from', own.add(start)))) : quad(b.let('from', own.add(starts[0]!)))
      return values.map((value) => zeroed(inside, value))
    }
  })
}
