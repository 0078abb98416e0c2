/** The lines of a tensor: what operations along an axis go through, one line at a time. */
import { dimMax, elementCount, elementCountAt, resolveIndex, type Shape, type SymValues } from '../../shape.js'
import type { KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import { asExpr, coordinatesOf, flatIndex, plus, times, type Amount, type SymbolUniforms } from './indexing.js'

/** The lines along an axis, numbered in the order of their first elements; without an axis one line of all elements in their order. */
export class Lines {
  /** What is not along the line. */
  private readonly around: Shape
  private readonly along: Shape

  constructor(
    private readonly shape: Shape,
    private readonly axis?: number,
  ) {
    this.around = axis === undefined ? [] : shape.filter((_, i) => i !== axis)
    this.along = axis === undefined ? shape : [shape[axis]!]
  }

  /** Lines, and elements of each, when symbols are at their largest. */
  get mostLines(): number {
    return elementCount(this.around)
  }
  get mostSize(): number {
    return elementCount(this.along)
  }
  /** Elements from one of a line to its next, when symbols are at their largest. */
  get mostStride(): number {
    return this.axis === undefined ? 1 : this.shape.slice(this.axis + 1).reduce<number>((product, dim) => product * dimMax(dim), 1)
  }

  /** The same in one call. */
  linesAt(values: SymValues): number {
    return elementCountAt(this.around, values)
  }
  sizeAt(values: SymValues): number {
    return this.along.reduce<number>((product, dim) => product * resolveIndex(dim, values), 1)
  }

  /** The same inside a kernel. */
  lines(symbols: SymbolUniforms): Amount {
    return symbols.count(this.around)
  }
  size(symbols: SymbolUniforms): Amount {
    return symbols.count(this.along)
  }

  /** The index of each element of a line. */
  elementsOf(b: KernelBuilder, symbols: SymbolUniforms, line: Expr): (place: Expr) => Expr {
    const { axis, shape } = this
    if (axis === undefined) return (place) => place
    const strides = symbols.strides(shape)
    const start = flatIndex(
      b,
      coordinatesOf(b, symbols, this.around, line),
      strides.filter((_, i) => i !== axis),
    )
    return (place) => b.let('element_at', asExpr(plus(start, times(place, strides[axis]!))))
  }
}

/** The line through the element `index` of a shape along an axis, in memory with these strides: where on it the element is, and where its elements lie. */
export function lineThrough(
  b: KernelBuilder,
  symbols: SymbolUniforms,
  shape: Shape,
  strides: readonly Amount[],
  axis: number,
  index: Expr,
): { readonly mine: Expr; readonly at: (step: Expr) => Expr } {
  const place = coordinatesOf(b, symbols, shape, index)
  const mine = b.let('mine', asExpr(place[axis]!))
  const start = flatIndex(
    b,
    place.map((coordinate, i) => (i === axis ? 0 : coordinate)),
    strides,
  )
  return { mine, at: (step) => asExpr(plus(start, times(step, strides[axis]!))) }
}
