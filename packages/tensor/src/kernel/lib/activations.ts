/** Activations and their gradients as rules of their own, so that what they are applied to is worked out once and need not be kept. */
import type { Activation } from '../../ops/activation.js'
import { f32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import type { ElementRule } from './elements.js'
import { errorFunction } from './functions.js'
import { isNaNExpr } from './pack.js'

const exp = (x: Expr): Expr => isNaNExpr(x).select(x, x.unary('exp'))
const sigmoid = (b: KernelBuilder, x: Expr): Expr => b.let('sigmoid', f32(1).div(exp(b.let('opposite', x.neg())).add(1)))

/** x · sigmoid(x · (LINEAR + CUBIC · x²)) is the approximation of gelu by tanh. */
const LINEAR = 2 * Math.sqrt(2 / Math.PI)
const CUBIC = LINEAR * 0.044715

/** The distribution function of the normal distribution. */
const normal = (b: KernelBuilder, x: Expr): Expr =>
  errorFunction(b, b.let('scaled', x.mul(Math.SQRT1_2)))
    .add(1)
    .mul(0.5)

/** An activation by name, as products apply it at their end. */
export function activated(b: KernelBuilder, x: Expr, activation: Activation): Expr {
  switch (activation) {
    case 'relu':
      return x.lt(0).select(f32(0), x)
    case 'silu':
      return x.mul(sigmoid(b, x))
    case 'gelu':
      return x.mul(normal(b, x))
    case 'geluTanh':
      return x.mul(sigmoid(b, b.let('inner', x.mul(x.mul(x).mul(CUBIC).add(LINEAR)))))
    default:
      return activation satisfies never
  }
}

function siluSlope(b: KernelBuilder, x: Expr): Expr {
  const s = sigmoid(b, x)
  const y = b.let('y', x.mul(s))
  return y.add(s.mul(f32(1).sub(y)))
}

function geluSlope(b: KernelBuilder, x: Expr, approximate: unknown): Expr {
  const square = b.let('square', x.mul(x))
  if (approximate === 'tanh') {
    const s = sigmoid(b, b.let('inner', x.mul(square.mul(CUBIC).add(LINEAR))))
    return s.mul(
      x
        .mul(square.mul(3 * CUBIC).add(LINEAR))
        .mul(f32(1).sub(s))
        .add(1),
    )
  }
  // Φ(x) + x · φ(x)
  return normal(b, x).add(x.mul(exp(b.let('power', square.mul(-0.5)))).mul(1 / Math.sqrt(2 * Math.PI)))
}

const of =
  (apply: (b: KernelBuilder, x: Expr, approximate: unknown) => Expr): ElementRule =>
  ({ b, attrs, input }, index) =>
    apply(b, input(0, index), attrs['approximate'])

const gradient =
  (slope: (b: KernelBuilder, x: Expr, approximate: unknown) => Expr): ElementRule =>
  ({ b, attrs, input }, index) =>
    input(1, index).mul(slope(b, input(0, index), attrs['approximate']))

export const activationRules: readonly (readonly [string, ElementRule])[] = [
  ['sigmoid', of(sigmoid)],
  ['silu', of((b, x) => activated(b, x, 'silu'))],
  ['gelu', of((b, x, approximate) => activated(b, x, approximate === 'tanh' ? 'geluTanh' : 'gelu'))],
  ['siluGrad', gradient(siluSlope)],
  ['geluGrad', gradient(geluSlope)],
]
