import { byteSize, isFloat, type DType } from './dtype.js'
import { TensorError } from './errors.js'
import { emit } from './graph/build.js'
import type { Attrs, Value } from './graph/node.js'
import * as p from './graph/primitives.js'
import { Handle, operand } from './handle.js'
import { named } from './naming.js'
import type { Tensor } from './tensor.js'

/** A tensor, or a number that takes the tensor's dtype. */
export type Operand = Tensor | number

/**
 * The part of {@link Tensor} that works element by element. Two operands broadcast as in NumPy and have one dtype;
 * floats stay floats, integers wrap around.
 *
 * Errors of every method: SHAPE when shapes do not broadcast; DTYPE for operands of two dtypes, a dtype that the
 * operation does not take, or a number that the dtype cannot hold. They are thrown when the method is called.
 */
export abstract class ElementwiseTensor extends Handle {
  /** A tensor over a graph value: the subclass, which cannot be imported here. */
  protected abstract wrap(value: Value): Tensor

  protected emit(op: string, attrs?: Attrs): Tensor {
    return this.wrap(emit(op, [this.value], attrs))
  }
  private binary(name: string, other: Operand, op: (a: Value, b: Value) => Value): Tensor {
    return named(name, () => this.wrap(op(this.value, operand(name, other, this.dtype))))
  }
  private made(name: string, build: (x: Tensor) => Tensor): Tensor {
    return named(name, () => build(this as unknown as Tensor))
  }

  /** Sum of two tensors. */
  add(other: Operand): Tensor {
    return this.binary('add', other, p.add)
  }
  /** Difference. */
  sub(other: Operand): Tensor {
    return this.binary('sub', other, p.sub)
  }
  /** Product of the elements; `matmul` is the matrix product. */
  mul(other: Operand): Tensor {
    return this.binary('mul', other, p.mul)
  }
  /** Quotient. Integers truncate toward zero, and x / 0 is 0. */
  div(other: Operand): Tensor {
    return this.binary('div', other, p.div)
  }
  /** Remainder with the divisor's sign. */
  mod(other: Operand): Tensor {
    return this.binary('mod', other, p.mod)
  }
  /** The larger of two; NaN wins. */
  maximum(other: Operand): Tensor {
    return this.binary('maximum', other, p.max)
  }
  /** The smaller of two; NaN wins. */
  minimum(other: Operand): Tensor {
    return this.binary('minimum', other, p.min)
  }
  /** Limits values to low..high; either bound may be left out. */
  clip(low: Operand | undefined, high?: Operand): Tensor {
    return this.made('clip', (x) => {
      const above = low === undefined ? x : x.maximum(low)
      return high === undefined ? this.wrap(above.value) : above.minimum(high)
    })
  }
  /**
   * Power. Integer exponents up to 16 multiply (so x may be negative), 0.5 is the square root, and everything else is
   * exp(e · log x), for x > 0.
   */
  pow(exponent: Operand): Tensor {
    return this.made('pow', (x) => {
      if (typeof exponent !== 'number') return x.log().mul(exponent).exp()
      if (exponent === 0) return x.mul(0).add(1)
      if (exponent < 0) return x.pow(-exponent).recip()
      if (exponent === 0.5) return x.sqrt()
      if (!Number.isInteger(exponent) || exponent > 16) return x.log().mul(exponent).exp()
      let result: Tensor | undefined
      let square = x
      for (let bits = exponent; ; square = square.mul(square)) {
        if (bits & 1) result = result === undefined ? square : result.mul(square)
        bits >>= 1
        if (bits === 0) return this.wrap(result!.value)
      }
    })
  }

  /** Bitwise of integers, logical of bool. */
  and(other: Operand): Tensor {
    return this.binary('and', other, p.and)
  }
  /** Bitwise of integers, logical of bool. */
  or(other: Operand): Tensor {
    return this.binary('or', other, p.or)
  }
  /** Bitwise of integers, logical of bool. */
  xor(other: Operand): Tensor {
    return this.binary('xor', other, p.xor)
  }
  /** Shift left; the amount is taken modulo 32. */
  shl(other: Operand): Tensor {
    return this.binary('shl', other, p.shl)
  }
  /** Shift right: arithmetic for signed integers, logical for unsigned ones. */
  shr(other: Operand): Tensor {
    return this.binary('shr', other, p.shr)
  }

  /** Less than. Comparisons give bool; all but `ne` are false where either side is NaN. */
  lt(other: Operand): Tensor {
    return this.binary('lt', other, p.lt)
  }
  /** Greater than. */
  gt(other: Operand): Tensor {
    return this.binary('gt', other, (a, b) => p.lt(b, a))
  }
  /** Less than or equal. */
  le(other: Operand): Tensor {
    return this.binary('le', other, p.le)
  }
  /** Greater than or equal. */
  ge(other: Operand): Tensor {
    return this.binary('ge', other, (a, b) => p.le(b, a))
  }
  /** Equal. */
  eq(other: Operand): Tensor {
    return this.binary('eq', other, p.eq)
  }
  /** Not equal; true where either side is NaN. */
  ne(other: Operand): Tensor {
    return this.binary('ne', other, (a, b) => p.not(p.eq(a, b)))
  }
  /** Logical complement of a bool tensor. */
  not(): Tensor {
    return named('not', () => this.wrap(p.not(this.value)))
  }
  /** True where NaN. */
  isNaN(): Tensor {
    return this.made('isNaN', (x) => x.ne(x))
  }
  /** True where neither infinite nor NaN. */
  isFinite(): Tensor {
    return this.made('isFinite', (x) => x.sub(x).eq(0))
  }

  /** −x. */
  neg(): Tensor {
    return this.emit('neg')
  }
  /** e to the power of x. */
  exp(): Tensor {
    return this.emit('exp')
  }
  /** Natural logarithm. */
  log(): Tensor {
    return this.emit('log')
  }
  /** Logarithm to base 2. */
  log2(): Tensor {
    return this.made('log2', (x) => x.log().mul(Math.LOG2E))
  }
  /** Logarithm to base 10. */
  log10(): Tensor {
    return this.made('log10', (x) => x.log().mul(Math.LOG10E))
  }
  /** Sine of radians. */
  sin(): Tensor {
    return this.emit('sin')
  }
  /** Cosine of radians. */
  cos(): Tensor {
    return this.emit('cos')
  }
  /** Square root; NaN below zero. */
  sqrt(): Tensor {
    return this.emit('sqrt')
  }
  /** 1 / √x. */
  rsqrt(): Tensor {
    return this.made('rsqrt', (x) => x.sqrt().recip())
  }
  /** 1 / x. */
  recip(): Tensor {
    return this.emit('recip')
  }
  /** x². */
  square(): Tensor {
    return this.made('square', (x) => x.mul(x))
  }
  /** Absolute value. */
  abs(): Tensor {
    return this.emit('abs')
  }
  /** −1, 0 or 1; NaN stays. */
  sign(): Tensor {
    return this.made('sign', (x) => {
      const sign = x.gt(0).cast(x.dtype)
      if (!isFloat(x.dtype)) return sign.sub(x.lt(0).cast(x.dtype))
      const fixed = x.stopGradient()
      return this.wrap(p.where(fixed.isNaN().value, fixed.value, sign.sub(x.lt(0).cast(x.dtype)).value))
    })
  }

  /** Largest integer that is not above. Rounding has the gradient 0. */
  floor(): Tensor {
    return this.emit('floor')
  }
  /** Smallest integer that is not below. */
  ceil(): Tensor {
    return this.made('ceil', (x) => x.neg().floor().neg())
  }
  /** The integer part: rounded toward zero. */
  trunc(): Tensor {
    return this.made('trunc', (x) => this.wrap(p.where(x.lt(0).value, x.ceil().value, x.floor().value)))
  }
  /** Nearest integer, halves to even. */
  round(): Tensor {
    return this.made('round', (x) => {
      const fixed = x.stopGradient()
      const below = fixed.floor()
      const rest = fixed.sub(below)
      // What is an integer already stays as it is: infinities have no rest, and large numbers no halves.
      const upper = p.where(rest.eq(0.5).value, below.mod(2).value, rest.gt(0.5).cast(x.dtype).value)
      return this.wrap(p.where(fixed.eq(below).value, fixed.value, below.add(this.wrap(upper)).value))
    })
  }

  /** Hyperbolic tangent. */
  tanh(): Tensor {
    return this.emit('tanh')
  }
  /** Error function. */
  erf(): Tensor {
    return this.emit('erf')
  }
  /** max(x, 0). */
  relu(): Tensor {
    return this.emit('relu')
  }
  /** 1 / (1 + exp(−x)). */
  sigmoid(): Tensor {
    return this.emit('sigmoid')
  }
  /** log(1 / (1 + exp(−x))), without overflow. */
  logSigmoid(): Tensor {
    return this.made('logSigmoid', (x) => x.neg().softplus().neg())
  }
  /** x · sigmoid(x), also called swish. */
  silu(): Tensor {
    return this.emit('silu')
  }
  /** log(1 + exp(x)), without overflow. */
  softplus(): Tensor {
    return this.emit('softplus')
  }
  /** x · Φ(x), exact; `approximate: 'tanh'` is GPT-2's form. */
  gelu(options: { readonly approximate?: 'none' | 'tanh' } = {}): Tensor {
    return this.emit('gelu', { approximate: options.approximate ?? 'none' })
  }

  /** `value` where the mask is true, this elsewhere. */
  maskedFill(mask: Tensor, value: Operand): Tensor {
    return named('maskedFill', () => this.wrap(p.where(mask.value, operand('maskedFill', value, this.dtype), this.value)))
  }

  /** The values in another dtype: integers saturate, NaN becomes 0; as bool, whether they are not 0. */
  cast(dtype: DType): Tensor {
    // A handle of its own also where nothing changes: disposing it must not dispose this.
    return dtype === this.dtype ? this.wrap(this.value) : this.emit('cast', { dtype })
  }
  /** The same bits read as another dtype of equal size. */
  bitcast(dtype: DType): Tensor {
    if (byteSize(dtype) !== byteSize(this.dtype))
      throw new TensorError('DTYPE', `bitcast: ${this.dtype} has ${byteSize(this.dtype)} bytes an element, ${dtype} ${byteSize(dtype)}`)
    return dtype === this.dtype ? this.wrap(this.value) : this.emit('bitcast', { dtype })
  }
  /** Cuts the gradient: a constant as far as autograd is concerned. */
  stopGradient(): Tensor {
    return this.emit('stopGradient')
  }
}
