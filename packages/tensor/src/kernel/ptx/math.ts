/**
 * Functions of floats in PTX. The hardware's own (`ex2.approx` and its kin) are within 2^-22, where they are; what they lack is added around them, without calls, and
 * without `tanh.approx`, `sin.approx` and `lg2.approx` near 1, which have few digits. `.rn` is always written: the compiler joins no product and sum that say how they round.
 *
 * Source of the errors stated: NVIDIA, "Parallel Thread Execution ISA", floating-point instructions.
 */
import { floatLiteral, type Operand, type PtxWriter } from './writer.js'

const LN2 = Math.LN2
/** A number as the sum of two floats. */
const split = (value: number): readonly [number, number] => [Math.fround(value), Math.fround(value - Math.fround(value))]

const [LOG2E_HIGH, LOG2E_LOW] = split(Math.LOG2E)
const [LN2_HIGH, LN2_LOW] = split(LN2)
const HALF_PI: readonly number[] = (() => {
  const [high, middle] = split(Math.PI / 2)
  // π/2 − its double: what is left after two floats lies below a double's last bits too.
  return [high, middle, Math.fround(Math.PI / 2 - high - middle + 6.123233995736766e-17)]
})()

const add = (w: PtxWriter, a: Operand, b: Operand): Operand => w.op('f', 'add.rn.f32', a, b)
const sub = (w: PtxWriter, a: Operand, b: Operand): Operand => w.op('f', 'sub.rn.f32', a, b)
const mul = (w: PtxWriter, a: Operand, b: Operand): Operand => w.op('f', 'mul.rn.f32', a, b)
const div = (w: PtxWriter, a: Operand, b: Operand): Operand => w.op('f', 'div.rn.f32', a, b)
const fma = (w: PtxWriter, a: Operand, b: Operand, c: Operand): Operand => w.op('f', 'fma.rn.f32', a, b, c)
const select = (w: PtxWriter, condition: Operand, yes: Operand, no: Operand): Operand => w.op('f', 'selp.f32', yes, no, condition)

const polynomial = (w: PtxWriter, x: Operand, coefficients: readonly number[]): Operand =>
  coefficients.slice(1).reduce((sum, coefficient) => fma(w, sum, x, floatLiteral(coefficient)), floatLiteral(coefficients[0]!))

/** e^x within 2^-21: 2 to the rounded product x·log2(e), times what the rounding took, to first order. */
export function exp(w: PtxWriter, x: Operand): Operand {
  const t = mul(w, x, floatLiteral(LOG2E_HIGH))
  const lost = fma(w, x, floatLiteral(LOG2E_LOW), fma(w, x, floatLiteral(LOG2E_HIGH), w.op('f', 'neg.f32', t)))
  // Where x or the product is infinite this is anything, NaN too, and the power alone is right: 0 or infinity, times a positive number.
  const bounded = w.op('f', 'min.f32', w.op('f', 'max.f32', lost, floatLiteral(-1)), floatLiteral(1))
  return mul(w, w.op('f', 'ex2.approx.f32', t), fma(w, bounded, floatLiteral(LN2), floatLiteral(1)))
}

/**
 * Exponent and logarithm of the rest: x = 2^exponent · (1 + f) with 1 + f from √½ to √2, and ln(1 + f) by the series of artanh(f / (2 + f)), whose first term left out is
 * below 1e-9. `finite` says where that holds; `special` is the logarithm elsewhere.
 */
function logarithm(w: PtxWriter, x: Operand) {
  const tiny = w.op('p', 'setp.lt.f32', x, floatLiteral(2 ** -126))
  const scaled = mul(w, x, select(w, tiny, floatLiteral(2 ** 23), floatLiteral(1)))
  const bits = w.op('r', 'mov.b32', scaled)
  const exponent = w.op('r', 'shr.s32', w.op('r', 'sub.s32', bits, String(0x3f3504f3)), '23')
  const rest = w.op('f', 'mov.b32', w.op('r', 'sub.s32', bits, w.op('r', 'shl.b32', exponent, '23')))
  const f = sub(w, rest, floatLiteral(1))
  const s = div(w, f, add(w, f, floatLiteral(2)))
  const square = mul(w, s, s)
  const series = mul(w, square, polynomial(w, square, [2 / 9, 2 / 7, 2 / 5, 2 / 3]))
  // 2s = f − s·f, which keeps the digits that f has and s lost: ln(1 + f) = f − s·(f − series).
  const fraction = sub(w, f, mul(w, s, sub(w, f, series)))
  const turns = sub(w, w.op('f', 'cvt.rn.f32.s32', exponent), select(w, tiny, floatLiteral(23), floatLiteral(0)))
  const finite = w.op('p', 'and.pred', w.op('p', 'setp.gt.f32', x, floatLiteral(0)), w.op('p', 'setp.lt.f32', x, floatLiteral(Infinity)))
  return { turns, fraction, finite, special: w.op('f', 'lg2.approx.f32', x) }
}

/** ln x within some units in the last place everywhere, near 1 too. */
export function log(w: PtxWriter, x: Operand): Operand {
  const { turns, fraction, finite, special } = logarithm(w, x)
  return select(w, finite, fma(w, turns, floatLiteral(LN2_HIGH), fma(w, turns, floatLiteral(LN2_LOW), fraction)), special)
}

/** log2 x likewise; exact for powers of two. */
export function log2(w: PtxWriter, x: Operand): Operand {
  const { turns, fraction, finite, special } = logarithm(w, x)
  const part = fma(w, fraction, floatLiteral(LOG2E_HIGH), mul(w, fraction, floatLiteral(LOG2E_LOW)))
  return select(w, finite, add(w, turns, part), special)
}

/**
 * Sine (`quarter` 0) and cosine (1) within some units in the last place up to a hundred thousand radians, with fewer digits beyond; NaN of infinities. The argument is
 * reduced by π/2 in three parts, of which `fma` loses nothing; then Taylor's series on [−π/4, π/4].
 */
export function sine(w: PtxWriter, x: Operand, quarter: 0 | 1): Operand {
  const turns = w.op('f', 'cvt.rni.f32.f32', mul(w, x, floatLiteral(2 / Math.PI)))
  const rest = HALF_PI.reduce((left, part) => fma(w, turns, floatLiteral(-part), left), x)
  const square = mul(w, rest, rest)
  const sin = fma(w, mul(w, square, rest), polynomial(w, square, [1 / 362880, -1 / 5040, 1 / 120, -1 / 6]), rest)
  const cos = fma(w, square, polynomial(w, square, [-1 / 3628800, 1 / 40320, -1 / 720, 1 / 24, -1 / 2]), floatLiteral(1))
  const which = w.op('r', 'add.s32', w.op('r', 'cvt.rzi.s32.f32', turns), String(quarter))
  const odd = w.op('p', 'setp.ne.s32', w.op('r', 'and.b32', which, '1'), '0')
  const negative = w.op('p', 'setp.ne.s32', w.op('r', 'and.b32', which, '2'), '0')
  const value = select(w, odd, cos, sin)
  const signed = select(w, negative, w.op('f', 'neg.f32', value), value)
  // A product of 0 and an infinity, as in the reduction, would do; huge numbers may leave the polynomials' range instead.
  const finite = w.op('p', 'setp.lt.f32', w.op('f', 'abs.f32', x), floatLiteral(Infinity))
  return select(w, finite, signed, floatLiteral(NaN))
}

/** tanh x within some units in the last place: by its series below 0.3, else 1 − 2 / (e^2|x| + 1). */
export function tanh(w: PtxWriter, x: Operand): Operand {
  const size = w.op('f', 'abs.f32', x)
  const square = mul(w, x, x)
  const series = polynomial(w, square, [-1382 / 155925, 62 / 2835, -17 / 315, 2 / 15, -1 / 3])
  const near = fma(w, mul(w, square, x), series, x)
  const power = exp(w, add(w, size, size))
  const far = sub(w, floatLiteral(1), div(w, floatLiteral(2), add(w, power, floatLiteral(1))))
  return w.op('f', 'copysign.f32', x, select(w, w.op('p', 'setp.lt.f32', size, floatLiteral(0.3)), near, far))
}

/** a − b·trunc(a / b) with the sign of a: where the quotient was rounded up to a whole number, one b is given back. Exact for quotients below 2^24. */
export function remainder(w: PtxWriter, a: Operand, b: Operand): Operand {
  const quotient = w.op('f', 'cvt.rzi.f32.f32', div(w, a, b))
  const rest = fma(w, w.op('f', 'neg.f32', quotient), b, a)
  const below = (value: Operand): Operand => w.op('p', 'setp.lt.f32', value, floatLiteral(0))
  const apart = w.op('p', 'xor.pred', below(rest), below(a))
  const crossed = w.op('p', 'and.pred', apart, w.op('p', 'setp.ne.f32', rest, floatLiteral(0)))
  const whole = select(w, crossed, add(w, rest, w.op('f', 'copysign.f32', a, w.op('f', 'abs.f32', b))), rest)
  return w.op('f', 'copysign.f32', a, whole)
}
