/** Rules of additions at indices. Sums are in the order of the updates, so they are the same each time. */
import { elementCount, dimMax } from '../../shape.js'
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
  readonly most: number
  /** Where the index of one of them lies. */
  readonly indexAt: (which: Expr) => Expr
  /** Where its value lies. */
  readonly valueAt: (which: Expr) => Expr
}

/** Those of `scatterAdd`: all that there are. */
function updatesOf({ b, symbols, attrs, inputs, output }: ElementContext, index: Expr): Updates {
  const axis = attrs['axis'] as number
  const [shape, indices] = [output.shape, inputs[1]!.shape]
  const place = coordinatesOf(b, symbols, shape, index)
  const strides = symbols.strides([...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)])
  const inner = symbols.count(shape.slice(axis + 1))
  const outer = flatIndex(b, [...place.slice(0, axis), ...indices.map(() => 0), ...place.slice(axis + 1)], strides)
  return {
    mine: b.let('mine', asExpr(place[axis]!)),
    count: symbols.count(indices),
    most: elementCount(indices),
    indexAt: (which) => which,
    valueAt: (which) => b.let('from', asExpr(plus(outer, times(which, inner)))),
  }
}

/** Those of `scatterAddAlong`: the ones on the element's line. */
function updatesAlong({ b, symbols, attrs, inputs, output }: ElementContext, index: Expr): Updates {
  const axis = attrs['axis'] as number
  const { shape } = inputs[1]!
  const { mine, at } = lineThrough(b, symbols, output.shape, symbols.strides(shape), axis, index)
  const valueAt = (which: Expr): Expr => b.let('from', at(which))
  return { mine, count: symbols.dim(shape[axis]!), most: dimMax(shape[axis]!), indexAt: valueAt, valueAt }
}

/** Each element looks through all updates that may be its own: for a few of them. */
const unordered =
  (updates: (context: ElementContext, index: Expr) => Updates): ElementRule =>
  (context, index) => {
    const { b, symbols, attrs, output } = context
    const { mine, count, indexAt, valueAt } = updates(context, index)
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

/** The line of an element, where lines are stored one after another. */
function storedLine({ b, symbols, attrs, output }: ElementContext, count: Amount, index: Expr): Expr {
  const axis = attrs['axis'] as number
  const place = coordinatesOf(b, symbols, output.shape, index)
  const around = output.shape.filter((_, i) => i !== axis)
  const line = flatIndex(
    b,
    place.filter((_, i) => i !== axis),
    symbols.strides(around),
  )
  return b.let('line_at', asExpr(times(line, count)))
}

/**
 * Additions at indices that were sorted before: x, the sorted indices, the number of the update of each, the updates. An element searches for the first of its own; they follow
 * one another in the order of the updates.
 */
const scatterOrdered: ElementRule = (context, index) => {
  const { b, attrs, output } = context
  const isAlong = attrs['along'] === true
  const { mine, count, most, valueAt } = (isAlong ? updatesAlong : updatesOf)(context, index)
  const line = isAlong ? storedLine(context, count, index) : u32(0)
  const inside = (body: () => void): void => context.inside(body)
  const at = (place: Expr): Expr => (isAlong ? b.let('at', line.add(place)) : place)
  const sorted = (place: Expr): Expr => context.input(1, at(place))
  const first = b.let(
    'first',
    countWhere(b, count, most, (place) => sorted(place).lt(mine), inside),
  )
  const sum = b.var('sum', computedConstant(0, output.dtype))
  b.if(first.lt(asExpr(count)), () =>
    inside(() =>
      b.if(sorted(first).eq(mine), () =>
        inside(() => {
          const end = countWhere(b, count, most, (place) => sorted(place).le(mine), inside)
          b.for('which', first, end, 1, (which) =>
            inside(() => sum.set(sum.value.add(context.input(3, valueAt(context.input(2, at(which))))))),
          )
        }),
      ),
    ),
  )
  return context.input(0, index).add(sum.value)
}

export const scatterRules: readonly (readonly [string, ElementRule])[] = [
  ['scatterAdd', unordered(updatesOf)],
  ['scatterAddAlong', unordered(updatesAlong)],
  ['scatterOrdered', scatterOrdered],
]
