/** Sums, maxima and places of maxima as what threads find and put together, in whatever order. */
import { isFloat, type DType } from '../../dtype.js'
import type { Node } from '../../graph/node.js'
import { dtypeOf } from '../../graph/node.js'
import type { Expr } from '../ir.js'
import { u32, type KernelBuilder } from '../builder.js'
import { computedConstant, isNaNExpr, lowestOf } from './pack.js'
import type { State } from './team.js'

export interface Folding {
  /** What is known before the first element. */
  readonly first: State
  /** The same after an element, whose place among those that are reduced is `i`. */
  readonly take: (state: State, element: Expr, i: Expr) => State
  readonly join: (a: State, b: State) => State
  readonly result: (state: State) => Expr
}

export function foldingOf(b: KernelBuilder, op: string, dtype: DType): Folding {
  const float = isFloat(dtype)
  if (op === 'reduceSum') {
    const add = (a: Expr, c: Expr): Expr => b.let('sum', a.add(c))
    return {
      first: [computedConstant(0, dtype)],
      take: ([sum], x) => [add(sum!, x)],
      join: ([x], [y]) => [add(x!, y!)],
      result: ([sum]) => sum!,
    }
  }
  if (op === 'reduceMax') {
    // NaN is larger than all.
    const larger = (a: Expr, c: Expr): Expr => b.let('most', float ? isNaNExpr(a).select(a, isNaNExpr(c).select(c, a.max(c))) : a.max(c))
    return {
      first: [lowestOf(dtype)],
      take: ([most], x) => [larger(most!, x)],
      join: ([x], [y]) => [larger(x!, y!)],
      result: ([most]) => most!,
    }
  }
  // Of equal ones the first; nothing has been seen at the place behind all others.
  const better = (x: Expr, i: Expr, most: Expr, place: Expr): Expr => {
    if (!float) return x.gt(most).or(x.eq(most).and(i.lt(place)))
    const [nan, held] = [isNaNExpr(x), isNaNExpr(most)]
    const larger = held.not().and(nan.or(x.gt(most)))
    return larger.or(
      nan
        .and(held)
        .or(nan.not().and(held.not()).and(x.eq(most)))
        .and(i.lt(place)),
    )
  }
  const join = (most: Expr, place: Expr, x: Expr, i: Expr): State => {
    const chosen = b.let('better', better(x, i, most, place))
    return [b.let('most', chosen.select(x, most)), b.let('place', chosen.select(i, place))]
  }
  return {
    first: [lowestOf(dtype), u32(0xffffffff)],
    take: ([most, place], x, i) => join(most!, place!, x, i),
    join: ([most, place], [x, i]) => join(most!, place!, x!, i!),
    result: ([, place]) => place!.bits('i32'),
  }
}

/** How a reduction is found. */
export const folding = (b: KernelBuilder, node: Node): Folding => foldingOf(b, node.op, dtypeOf(node.inputs[0]!))
