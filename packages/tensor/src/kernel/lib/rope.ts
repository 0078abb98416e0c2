import type { Expr } from '../ir.js'
import type { ElementRule } from './elements.js'
import { asExpr, coordinatesOf, flatIndex, plus, times } from './indexing.js'
import { clampedIndex } from './movement.js'

/** Rotary positions: an entry and its partner, turned by the angle of their token's position; the entries beyond the tables' width stay. */
export const ropeRule: ElementRule = (context, index) => {
  const { b, symbols, attrs, inputs, output, input, inside } = context
  const { shape } = output
  const [batch, , token, w] = coordinatesOf(b, symbols, shape, index).map(asExpr) as [Expr, Expr, Expr, Expr]
  const half = inputs[1]!.shape[1] as number
  const x = input(0, index)
  const turn = (): Expr => {
    const interleaved = attrs['interleaved'] === true
    const isFirst = b.let('isFirst', interleaved ? w.and(1).eq(0) : w.lt(half))
    const pair = b.let('pair', interleaved ? w.div(2) : isFirst.select(w, w.sub(half)))
    const distance = interleaved ? 1 : half
    const partner = input(0, b.let('partner', isFirst.select(index.add(distance), index.sub(distance))))
    const positions = inputs[3]!.shape
    const place = positions.length === 2 ? flatIndex(b, [batch, token], symbols.strides(positions)) : token
    const row = b.let('row', clampedIndex(input(3, place), symbols.dim(inputs[1]!.shape[0]!)))
    const at = b.let('at', asExpr(plus(times(row, half), pair)))
    const [c, s] = [input(1, at), input(2, at)]
    return x.mul(c).add(partner.mul(isFirst.select(s.neg(), s)))
  }
  if (2 * half === shape[3]) return turn()
  const result = b.var('turned', x)
  b.if(w.lt(2 * half), () => inside(() => result.set(turn())))
  return result.value
}
