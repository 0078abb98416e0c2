/** Rules of operations that look at many elements for each of theirs: sums, maxima, running sums, additions at indices, sorting. */
import { isFloat, type DType } from '../../dtype.js'
import type { Shape } from '../../shape.js'
import { i32, u32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import type { ElementContext, ElementRule } from './elements.js'
import { asExpr, coordinatesOf, flatIndex, plus, times, type Amount } from './indexing.js'
import { clampedIndex } from './movement.js'
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

function runningSum(context: ElementContext, dtype: DType): { readonly add: (x: Expr) => void; readonly value: () => Expr } {
  const sum = context.b.var('sum', computedConstant(0, dtype))
  return { add: (x) => sum.set(sum.value.add(x)), value: () => sum.value }
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

/** The line through the element `index` of a shape along an axis, in memory with these strides: where on it the element is, and where its elements lie. */
function lineThrough({ b, symbols }: ElementContext, shape: Shape, strides: readonly Amount[], axis: number, index: Expr) {
  const place = coordinatesOf(b, symbols, shape, index)
  const mine = b.let('mine', asExpr(place[axis]!))
  const start = flatIndex(
    b,
    place.map((coordinate, i) => (i === axis ? 0 : coordinate)),
    strides,
  )
  return { mine, at: (step: Expr): Expr => asExpr(plus(start, times(step, strides[axis]!))) }
}

const cumsum: ElementRule = (context, index) => {
  const { b, symbols, attrs, output } = context
  const axis = attrs['axis'] as number
  const [exclusive, reverse] = [attrs['exclusive'] === true, attrs['reverse'] === true]
  const { shape } = output
  const { mine, at } = lineThrough(context, shape, symbols.strides(shape), axis, index)
  const size = asExpr(symbols.dim(shape[axis]!))
  const from = reverse ? (exclusive ? mine.add(1) : mine) : u32(0)
  const to = reverse ? size : exclusive ? mine : mine.add(1)
  const sum = runningSum(context, output.dtype)
  b.for('along', from, to, 1, (step) => context.inside(() => sum.add(context.input(0, b.let('from', at(step))))))
  return sum.value()
}

/** x with the updates added whose index along an axis is that of the element: each element looks through all of them, in their order, so sums are the same each time. */
const scatterAdd: ElementRule = (context, index) => {
  const { b, symbols, attrs, inputs, output } = context
  const axis = attrs['axis'] as number
  const [shape, indices] = [output.shape, inputs[1]!.shape]
  const place = coordinatesOf(b, symbols, shape, index)
  const mine = b.let('mine', asExpr(place[axis]!))
  const updates = [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)]
  const strides = symbols.strides(updates)
  const inner = symbols.count(shape.slice(axis + 1))
  const outer = flatIndex(b, [...place.slice(0, axis), ...indices.map(() => 0), ...place.slice(axis + 1)], strides)
  const sum = runningSum(context, output.dtype)
  b.for('which', u32(0), asExpr(symbols.count(indices)), 1, (which) =>
    context.inside(() => {
      const chosen = clampedIndex(context.input(1, which), symbols.dim(shape[axis]!))
      b.if(chosen.eq(mine), () => context.inside(() => sum.add(context.input(2, b.let('from', asExpr(plus(outer, times(which, inner))))))))
    }),
  )
  return context.input(0, index).add(sum.value())
}

const scatterAddAlong: ElementRule = (context, index) => {
  const { b, symbols, attrs, inputs, output } = context
  const axis = attrs['axis'] as number
  const { shape } = output
  const { mine, at } = lineThrough(context, shape, symbols.strides(inputs[1]!.shape), axis, index)
  const sum = runningSum(context, output.dtype)
  b.for('which', u32(0), asExpr(symbols.dim(inputs[1]!.shape[axis]!)), 1, (which) =>
    context.inside(() => {
      const from = b.let('from', at(which))
      const chosen = clampedIndex(context.input(1, from), symbols.dim(shape[axis]!))
      b.if(chosen.eq(mine), () => context.inside(() => sum.add(context.input(2, from))))
    }),
  )
  return context.input(0, index).add(sum.value())
}

export const reductionRules: readonly (readonly [string, ElementRule])[] = [
  ['reduceSum', reduceSum],
  ['reduceMax', reduceMax],
  ['argMax', argMax],
  ['cumsum', cumsum],
  ['scatterAdd', scatterAdd],
  ['scatterAddAlong', scatterAddAlong],
]

/**
 * Where the element `index` goes when its axis is sorted: behind all that are to come before it. Equal elements keep their order, NaN counts as the largest.
 */
export function sortedPlace(context: ElementContext, index: Expr): { readonly to: Expr; readonly from: Expr } {
  const { b, symbols, attrs, inputs } = context
  const axis = attrs['axis'] as number
  const descending = attrs['descending'] === true
  const { shape, dtype } = inputs[0]!
  const { mine, at } = lineThrough(context, shape, symbols.strides(shape), axis, index)
  const own = context.input(0, index)
  const float = isFloat(dtype)
  const less = (x: Expr, y: Expr): Expr => (float ? x.lt(y).or(isNaNExpr(y)).and(isNaNExpr(x).not()) : x.lt(y))
  const rank = b.var('rank', u32(0))
  b.for('other', u32(0), asExpr(symbols.dim(shape[axis]!)), 1, (other) =>
    context.inside(() => {
      const element = context.input(0, b.let('from', at(other)))
      const before = descending ? less(own, element) : less(element, own)
      const after = descending ? less(element, own) : less(own, element)
      b.if(before.or(after.not().and(other.lt(mine))), () => rank.set(rank.value.add(1)))
    }),
  )
  return { to: b.let('to', at(rank.value)), from: mine.bits('i32') }
}
