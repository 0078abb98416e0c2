/** Rules of operations that look at many elements for each of theirs: sums and maxima. */
import { isFloat, type DType } from '../../dtype.js'
import { i32, u32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import type { ElementContext, ElementRule } from './elements.js'
import { asExpr, coordinatesOf, flatIndex, plus, times, type Amount } from './indexing.js'
import { computedConstant, isNaNExpr, lowestOf } from './pack.js'

/** The coordinates of a reduced element in the tensor that was reduced, 0 along the axes that are gone. */
function restored(context: ElementContext, axes: readonly number[], index: Expr): Amount[] {
  const { b, symbols, inputs } = context
  const kept = inputs[0]!.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
  return coordinatesOf(b, symbols, kept, index)
}

/** Goes through the elements of input 0 along some axes, from the first on, or some of them. */
function forEachAlong(
  context: ElementContext,
  axes: readonly number[],
  index: Expr,
  body: (element: Expr, place: Expr) => void,
  { from = u32(0), step: stride = 1 }: Steps = {},
): void {
  const { b, symbols, inputs } = context
  const { shape } = inputs[0]!
  const strides = symbols.strides(shape)
  const base = flatIndex(b, restored(context, axes, index), strides)
  const along = axes.filter((axis) => shape[axis] !== 1)
  const count = along.reduce<Amount>((product, axis) => times(product, symbols.dim(shape[axis]!)), 1)
  b.for('along', from, asExpr(count), stride, (step) => {
    context.inside(() => {
      const places = coordinatesOf(
        b,
        symbols,
        along.map((axis) => shape[axis]!),
        step,
      )
      const offset = places.reduce<Amount>((sum, place, i) => plus(sum, times(place, strides[along[i]!]!)), 0)
      body(context.input(0, b.let('from', asExpr(plus(base, offset)))), step)
    })
  })
}

interface Steps {
  /** The first element that is looked at. */
  readonly from?: Expr
  /** From one to the next. */
  readonly step?: number
}

/** A sum or a maximum that elements are taken into, one after another. */
export function reduction(b: KernelBuilder, op: string, dtype: DType): { readonly take: (x: Expr) => void; readonly value: () => Expr } {
  const held = b.var(op === 'reduceSum' ? 'sum' : 'most', op === 'reduceSum' ? computedConstant(0, dtype) : lowestOf(dtype))
  const take = (element: Expr): void => {
    if (op === 'reduceSum') return held.set(held.value.add(element))
    const larger = isFloat(dtype) ? isNaNExpr(element).or(element.gt(held.value).and(isNaNExpr(held.value).not())) : element.gt(held.value)
    b.if(larger, () => held.set(element))
  }
  return { take, value: () => held.value }
}

/** The reduction of the elements for one output, or of every so many of them. */
export function reduceAlong(op: string, context: ElementContext, index: Expr, steps: Steps = {}): Expr {
  const { take, value } = reduction(context.b, op, context.output.dtype)
  forEachAlong(context, context.attrs['axes'] as readonly number[], index, take, steps)
  return value()
}

const reduceSum: ElementRule = (context, index) => reduceAlong('reduceSum', context, index)
const reduceMax: ElementRule = (context, index) => reduceAlong('reduceMax', context, index)

const argMax: ElementRule = (context, index) => {
  const { b, inputs } = context
  const { dtype } = inputs[0]!
  const most = b.var('most', lowestOf(dtype))
  const best = b.var('best', i32(0))
  forEachAlong(context, [context.attrs['axis'] as number], index, (element, place) => {
    const float = isFloat(dtype)
    const larger = float ? isNaNExpr(element).or(element.gt(most.value)).and(isNaNExpr(most.value).not()) : element.gt(most.value)
    // The first of all is taken whatever it is.
    b.if(larger.or(place.eq(0)), () => {
      most.set(element)
      best.set(place.bits('i32'))
    })
  })
  return best.value
}

export const reductionRules: readonly (readonly [string, ElementRule])[] = [
  ['reduceSum', reduceSum],
  ['reduceMax', reduceMax],
  ['argMax', argMax],
]
