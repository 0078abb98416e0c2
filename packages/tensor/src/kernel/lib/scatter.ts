/** Rules of additions at indices. Sums are in the order of the updates, so they are the same each time. */
import { elementCount, type Shape } from '../../shape.js'
import { u32 } from '../builder.js'
import type { Expr } from '../ir.js'
import type { ElementContext, ElementRule } from './elements.js'
import { asExpr, coordinatesOf, flatIndex, plus, times, type Amount } from './indexing.js'
import { lineThrough } from './lines.js'
import { clampedIndex } from './movement.js'
import { computedConstant } from './pack.js'
import { countWhere } from './sorting.js'

/** Where the updates of an element are looked for. */
interface Updates {
  /** The element's own index along the axis. */
  readonly mine: Expr
  /** How many there are. */
  readonly count: Amount
  /** Where the index of one of them lies. */
  readonly indexAt: (which: Expr) => Expr
  /** Where its value lies. */
  readonly valueAt: (which: Expr) => Expr
}

/** Those of `scatterAdd`: all that there are. */
function updatesOf({ b, symbols, attrs, output: { shape } }: ElementContext, indices: Shape, index: Expr): Updates {
  const axis = attrs['axis'] as number
  const place = coordinatesOf(b, symbols, shape, index)
  const strides = symbols.strides([...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)])
  const inner = symbols.count(shape.slice(axis + 1))
  const outer = flatIndex(b, [...place.slice(0, axis), ...indices.map(() => 0), ...place.slice(axis + 1)], strides)
  return {
    mine: b.let('mine', asExpr(place[axis]!)),
    count: symbols.count(indices),
    indexAt: (which) => which,
    valueAt: (which) => b.let('from', asExpr(plus(outer, times(which, inner)))),
  }
}

/** Those of `scatterAddAlong`: the ones on the element's line. */
function updatesAlong({ b, symbols, attrs, output }: ElementContext, indices: Shape, index: Expr): Updates {
  const axis = attrs['axis'] as number
  const { mine, at } = lineThrough(b, symbols, output.shape, symbols.strides(indices), axis, index)
  const valueAt = (which: Expr): Expr => b.let('from', at(which))
  return { mine, count: symbols.dim(indices[axis]!), indexAt: valueAt, valueAt }
}

/** Each element looks through all updates that may be its own: for a few of them. */
const unordered =
  (updates: typeof updatesOf): ElementRule =>
  (context, index) => {
    const { b, symbols, attrs, output } = context
    const { mine, count, indexAt, valueAt } = updates(context, context.inputs[1]!.shape, index)
    const size = symbols.dim(output.shape[attrs['axis'] as number]!)
    const sum = b.var('sum', computedConstant(0, output.dtype))
    b.for('which', u32(0), asExpr(count), 1, (which) =>
      context.inside(() => {
        const chosen = clampedIndex(context.input(1, indexAt(which)), size)
        b.if(chosen.eq(mine), () => context.inside(() => sum.set(sum.value.add(context.input(2, valueAt(which))))))
      }),
    )
    return context.input(0, index).add(sum.value)
  }

/** The number of an element's line. */
function lineOf({ b, symbols, attrs, output: { shape } }: ElementContext, index: Expr): Expr {
  const others = <T>(of: readonly T[]): T[] => of.filter((_, i) => i !== attrs['axis'])
  return flatIndex(b, others(coordinatesOf(b, symbols, shape, index)), symbols.strides(others(shape)))
}

/**
 * Additions at indices whose order is known: x, for each index (of each line) where its updates begin and end among those in order, or the sorted indices where these are
 * searched, the numbers of the updates in order, the updates.
 */
const scatterOrdered: ElementRule = (context, index) => {
  const { b, symbols, attrs, inputs, output } = context
  const isAlong = attrs['along'] === true
  const indices = inputs[2]!.shape
  const { mine, count, valueAt } = (isAlong ? updatesAlong : updatesOf)(context, indices, index)
  const line = isAlong ? lineOf(context, index) : 0
  const first = b.let('line_at', asExpr(times(line, count)))
  const inOrder = (place: Expr): Expr => b.let('at', asExpr(plus(first, place)))
  const ranged = (): readonly [Expr, Expr] => {
    const range = b.let('range', asExpr(plus(times(line, symbols.dim(output.shape[attrs['axis'] as number]!)), mine)).mul(2))
    return [context.input(1, range), context.input(1, b.let('end_at', range.add(1)))]
  }
  const searched = (): readonly [Expr, Expr] => {
    const sorted = (place: Expr): Expr => context.input(1, inOrder(place))
    const search = (holds: (chosen: Expr) => Expr): Expr =>
      countWhere(
        b,
        count,
        elementCount(indices),
        (place) => holds(sorted(place)),
        (body) => context.inside(body),
      )
    const begin = search((chosen) => chosen.lt(mine))
    const end = b.var('end', begin)
    // Most elements have no update, and search once.
    b.if(begin.lt(asExpr(count)), () =>
      context.inside(() => b.if(sorted(begin).eq(mine), () => context.inside(() => end.set(search((chosen) => chosen.le(mine)))))),
    )
    return [begin, end.value]
  }
  const [from, to] = attrs['ranged'] === true ? ranged() : searched()
  const sum = b.var('sum', computedConstant(0, output.dtype))
  b.for('ordered', from, to, 1, (ordered) =>
    context.inside(() => sum.set(sum.value.add(context.input(3, valueAt(context.input(2, inOrder(ordered))))))),
  )
  return context.input(0, index).add(sum.value)
}

export const scatterRules: readonly (readonly [string, ElementRule])[] = [
  ['scatterAdd', unordered(updatesOf)],
  ['scatterAddAlong', unordered(updatesAlong)],
  ['scatterOrdered', scatterOrdered],
]
