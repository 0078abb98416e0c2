/** Functions that devices lack, or have to too few digits. */
import { f32, i32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'

const polynomial = (x: Expr, coefficients: readonly number[]): Expr =>
  coefficients.slice(1).reduce((sum, coefficient) => sum.fma(x, coefficient), f32(coefficients[0]!))

/**
 * 2/√π · ∫₀ˣ exp(−t²) dt within 1.5e-7, and within a few units in the last place near 0.
 *
 * Source: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 1964: the series 7.1.5 for small arguments, the rational approximation 7.1.26 for others.
 */
export function errorFunction(b: KernelBuilder, x: Expr): Expr {
  const size = b.let('size', x.unary('abs'))
  const square = b.let('square', x.mul(x))
  // Terms of the series up to x^11; the next is below 1e-8 at 0.5.
  const series = [-1 / 1320, 1 / 216, -1 / 42, 1 / 10, -1 / 3, 1].map((coefficient) => (coefficient * 2) / Math.sqrt(Math.PI))
  const near = x.mul(polynomial(square, series))
  const t = b.let('t', f32(1).div(size.fma(0.3275911, 1)))
  const far = f32(1).sub(
    t.mul(polynomial(t, [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592])).mul(square.neg().unary('exp')),
  )
  const beyond = b.let('beyond', size.gt(4).select(f32(1), far))
  const signed = x.lt(0).select(beyond.neg(), beyond)
  return size.lt(0.5).select(near, x.ne(x).select(x, signed))
}

/** π/2 in three parts of few enough bits that their products with the number of quarter turns are exact. */
const QUARTER = [1.5703125, 4.837512969970703125e-4, 7.54978995489188e-8] as const

/**
 * Sine within some units in the last place up to ten thousand radians, where the quarter turns are counted exactly; devices give as little as three digits.
 *
 * Source: W. Cody and W. Waite, "Software Manual for the Elementary Functions", 1980: the argument is reduced by π/2 in parts; then the Taylor series on [−π/4, π/4].
 */
export const sine = (b: KernelBuilder, x: Expr): Expr => turned(b, x, 0)
export const cosine = (b: KernelBuilder, x: Expr): Expr => turned(b, x, 1)

function turned(b: KernelBuilder, x: Expr, quarter: 0 | 1): Expr {
  const turns = b.let('turns', x.mul(2 / Math.PI).unary('round'))
  const rest = b.let(
    'rest',
    QUARTER.reduce((left, part) => turns.fma(-part, left), x),
  )
  const square = b.let('square', rest.mul(rest))
  const sin = b.let('sin', polynomial(square, [1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1]).mul(rest))
  const cos = b.let('cos', polynomial(square, [-1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2, 1]))
  const which = b.let('which', turns.to('i32').add(quarter).and(3))
  const value = which.and(1).eq(1).select(cos, sin)
  const signed = which.and(i32(2)).eq(2).select(value.neg(), value)
  return x.unary('abs').lt(Infinity).select(signed, f32(NaN))
}
