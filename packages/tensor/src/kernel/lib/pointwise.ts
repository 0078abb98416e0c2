/** Rules of operations that work element by element. */
import type { DType } from '../../dtype.js'
import { integerRange, isFloat, isInteger } from '../../dtype.js'
import { f32, type KernelBuilder } from '../builder.js'
import { constant, type Expr } from '../ir.js'
import type { ElementContext, ElementRule } from './elements.js'
import { asExpr, broadcastIndex } from './indexing.js'
import { computedAs, computedConstant, decodeBits, encodeBits, isNaNExpr } from './pack.js'
import { cosine, errorFunction, sine } from './functions.js'
import { philoxWord } from './philox.js'

type Unary = (x: Expr, context: ElementContext) => Expr
type Binary = (a: Expr, b: Expr, dtype: DType, builder: KernelBuilder) => Expr

/** The element of an input that is broadcast to the output. */
export const broadcastInput = (context: ElementContext, which: number, index: Expr): Expr =>
  context.input(which, broadcastIndex(context.b, context.symbols, context.inputs[which]!.shape, context.output.shape, index))

const unary =
  (apply: Unary): ElementRule =>
  (context, index) =>
    apply(context.input(0, index), context)

const binary =
  (apply: Binary): ElementRule =>
  (context, index) =>
    apply(broadcastInput(context, 0, index), broadcastInput(context, 1, index), context.inputs[0]!.dtype, context.b)

/** Floats by one rule, integers by another. */
const arithmetic = (
  floats: (a: Expr, b: Expr, builder: KernelBuilder) => Expr,
  integers: (a: Expr, b: Expr, builder: KernelBuilder) => Expr,
): ElementRule => binary((a, b, dtype, builder) => (isFloat(dtype) ? floats : integers)(a, b, builder))

/** The divisor, or 1 where it is 0. */
const nonZero = (b: Expr): Expr => b.eq(0).select(b.like(1), b)
const divideIntegers = (a: Expr, b: Expr): Expr => b.eq(0).select(b.like(0), a.div(nonZero(b)))

function moduloIntegers(a: Expr, b: Expr, builder: KernelBuilder): Expr {
  const remainder = builder.let('remainder', a.rem(nonZero(b)))
  const result =
    a.type.scalar === 'u32'
      ? remainder
      : remainder
          .ne(0)
          .and(remainder.lt(0).ne(b.lt(0)))
          .select(remainder.add(b), remainder)
  return b.eq(0).select(b.like(0), result)
}

/** As the remainder of a division is defined, `a − b·trunc(a / b)`, is inexact for large quotients; ours is not where a < b. */
function moduloFloats(a: Expr, b: Expr, builder: KernelBuilder): Expr {
  const size = builder.let('size', b.unary('abs'))
  const remainder = builder.let('remainder', a.unary('abs').lt(size).select(a, a.rem(b)))
  const infinite = isInfinite(a).or(b.eq(0)).or(isNaNExpr(b))
  return infinite.select(
    f32(NaN),
    remainder
      .ne(0)
      .and(remainder.lt(0).ne(b.lt(0)))
      .select(remainder.add(b), remainder),
  )
}

const isInfinite = (x: Expr): Expr => x.bits('u32').and(0x7fffffff).ge(0x7f800000)

/** The larger or the smaller, NaN where either is. Devices may do as they like there. */
const extreme =
  (op: 'min' | 'max') =>
  (a: Expr, b: Expr): Expr =>
    isNaNExpr(a).select(a, isNaNExpr(b).select(b, op === 'max' ? a.max(b) : a.min(b)))

/** A value in another dtype: integers saturate, NaN gives 0, and everything but 0 is true. */
export function castTo(x: Expr, from: DType, to: DType): Expr {
  // Numbers too small to be normal count too, which devices may take for 0.
  if (to === 'bool') return from === 'bool' ? x : isFloat(from) ? x.bits('u32').and(0x7fffffff).ne(0) : x.ne(x.like(0))
  const scalar = computedAs(to)
  if (from === 'bool') return x.select(constant(1, scalar), 0)
  if (!isInteger(to)) return x.to('f32')
  const [low, high] = integerRange(to)
  if (isFloat(from)) {
    // The largest float below 2^31 or 2^32; what is larger is taken for the limit itself.
    const within = x.max(low).min(to === 'i32' ? 2147483520 : to === 'u32' ? 4294967040 : high)
    const value = within.to(scalar)
    const saturated = x.ge(high).select(constant(high, scalar), x.le(low).select(constant(low, scalar), value))
    return isNaNExpr(x).select(constant(0, scalar), saturated)
  }
  const [fromLow, fromHigh] = integerRange(from)
  let value = x
  if (high < fromHigh) value = value.min(high)
  if (low > fromLow) value = value.max(low)
  return value.bits(scalar as 'i32' | 'u32')
}

const bits = (op: 'and' | 'or' | 'xor'): ElementRule => binary((a, b) => a[op](b))

export const pointwiseRules: readonly (readonly [string, ElementRule])[] = [
  ['const', ({ attrs, output }) => computedConstant(attrs['value'] as number, output.dtype)],
  ['symScalar', ({ attrs, symbols }) => symbols.index(attrs['index'] as never)],
  ['randomBits', philoxWord],
  ['barrier', (context, index) => context.input(0, index)],
  ['neg', unary((x) => (x.type.scalar === 'u32' ? x.not().add(1) : x.neg()))],
  // Devices may take NaN and the ends of a function's domain for any number.
  ['exp', unary((x) => isNaNExpr(x).select(x, x.unary('exp')))],
  [
    'log',
    unary((x) =>
      isNaNExpr(x)
        .or(x.lt(0))
        .select(f32(NaN), x.eq(0).select(f32(-Infinity), x.unary('log'))),
    ),
  ],
  ['sin', unary((x, { b }) => sine(b, x))],
  ['cos', unary((x, { b }) => cosine(b, x))],
  ['sqrt', unary((x) => x.lt(0).select(f32(NaN), x.unary('sqrt')))],
  ['recip', unary((x) => f32(1).quotient(x))],
  ['floor', unary((x) => x.unary('floor'))],
  // Some devices overflow inside tanh.
  ['tanh', unary((x) => isNaNExpr(x).select(x, x.max(-15).min(15).unary('tanh')))],
  ['erf', unary((x, { b }) => errorFunction(b, x))],
  ['cast', (context, index) => castTo(context.input(0, index), context.inputs[0]!.dtype, context.output.dtype)],
  [
    'bitcast',
    ({ b, input, inputs, output }, index) => decodeBits(b.let('bits', encodeBits(input(0, index), inputs[0]!.dtype)), output.dtype),
  ],
  ['add', binary((a, b) => a.add(b))],
  ['sub', binary((a, b) => a.sub(b))],
  ['mul', binary((a, b) => a.mul(b))],
  ['div', arithmetic((a, b) => a.quotient(b), divideIntegers)],
  ['max', arithmetic(extreme('max'), (a, b) => a.max(b))],
  ['min', arithmetic(extreme('min'), (a, b) => a.min(b))],
  ['mod', arithmetic(moduloFloats, moduloIntegers)],
  ['and', bits('and')],
  ['or', bits('or')],
  ['xor', bits('xor')],
  ['shl', binary((a, b) => a.shl(b))],
  ['shr', binary((a, b) => a.shr(b))],
  [
    'lt',
    binary((a, b, dtype) =>
      dtype === 'bool' ? a.not().and(b) : isFloat(dtype) ? a.lt(b).and(isNaNExpr(a).or(isNaNExpr(b)).not()) : a.lt(b),
    ),
  ],
  ['eq', binary((a, b, dtype) => (isFloat(dtype) ? a.eq(b).and(isNaNExpr(a).or(isNaNExpr(b)).not()) : a.eq(b)))],
  [
    'where',
    (context, index) => broadcastInput(context, 0, index).select(broadcastInput(context, 1, index), broadcastInput(context, 2, index)),
  ],
  [
    'iota',
    ({ b, symbols, attrs, output }, index) => {
      const { shape, dtype } = output
      const axis = attrs['axis'] as number
      const inner = symbols.count(shape.slice(axis + 1))
      const size = symbols.dim(shape[axis]!)
      const place = b.let('place', index.div(asExpr(inner).max(1)).rem(asExpr(size).max(1)))
      return castTo(place.bits('i32'), 'i32', dtype === 'i8' || dtype === 'u8' ? 'i32' : dtype).to(computedAs(dtype))
    },
  ],
]
