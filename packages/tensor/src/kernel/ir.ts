/**
 * The kernel language that WebGPU's and CUDA's kernels are written in: typed statements over scalars and short vectors, printed as WGSL and as PTX. Kernels are made
 * by functions that run once (`builder.ts`), checked (`verify.ts`) and printed. Everything here is immutable data.
 *
 * Arithmetic is that of the target but for what `verify.ts` and the printers promise: integers wrap, shifts take their count modulo 32, and a float becomes an integer
 * by truncation, clamped to its range.
 */
import { TensorError } from '../errors.js'

/** bool has no memory form: it is computed and not stored. */
export type Scalar = 'f32' | 'f16' | 'i32' | 'u32' | 'bool'
export type Lanes = 1 | 2 | 4

/** A scalar, or a vector of two or four. */
export interface ValueType {
  readonly scalar: Scalar
  readonly lanes: Lanes
}

export const scalarOf = (scalar: Scalar, lanes: Lanes = 1): ValueType => ({ scalar, lanes })
export const sameType = (a: ValueType, b: ValueType): boolean => a.scalar === b.scalar && a.lanes === b.lanes
/** As people read it: `f32`, `vec4<u32>`. */
export const printType = ({ scalar, lanes }: ValueType): string => (lanes === 1 ? scalar : `vec${lanes}<${scalar}>`)
/** Bytes in memory. */
export const typeBytes = ({ scalar, lanes }: ValueType): number => (scalar === 'f16' ? 2 : 4) * lanes

/** An array in the device's memory. */
export interface Storage {
  readonly kind: 'storage'
  readonly name: string
  /** What one index reaches. */
  readonly element: ValueType
  /** Written by `atomicAdd`; then every access is atomic, and the element an integer. */
  readonly atomic: boolean
  /** Bindings that it takes where a device binds only so much at a time; 1 for most. Printers for devices that address memory as a whole have no need of it. */
  readonly ranges: number
  /** Elements of each of them but the last; 0 where there is one. */
  readonly rangeLength: number
}

/** Bindings that a kernel's arrays take. */
export const bindingCount = (storages: readonly Storage[]): number => storages.reduce((sum, { ranges }) => sum + ranges, 0)

/** An array that the threads of one workgroup share, undefined at first. */
export interface Shared {
  readonly kind: 'shared'
  readonly name: string
  readonly element: ValueType
  readonly length: number
}

/** A number that is the same for all threads of a dispatch, and may be another in the next. */
export interface Uniform {
  readonly name: string
  readonly scalar: 'u32' | 'i32' | 'f32'
}

/** A name for a value: set once by `let` and `for`, any number of times behind `var`. */
export interface Variable {
  readonly name: string
  readonly type: ValueType
  readonly mutable: boolean
}

/** Where a thread is: in its workgroup, in the dispatch, which workgroup, and of how many. */
export type Builtin = 'localId' | 'globalId' | 'workgroupId' | 'workgroups' | 'localIndex' | 'subgroupLane'

export const unaryOps = [
  'neg',
  'not',
  'abs',
  'exp',
  'exp2',
  'log',
  'log2',
  'sqrt',
  'rsqrt',
  'sin',
  'cos',
  'tanh',
  'floor',
  'ceil',
  'round',
  'trunc',
] as const
export type UnaryOp = (typeof unaryOps)[number]
export const arithmeticOps = ['add', 'sub', 'mul', 'div', 'quotient', 'rem', 'min', 'max'] as const
export const bitOps = ['and', 'or', 'xor', 'shl', 'shr'] as const
export const comparisons = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const
export type BinaryOp = (typeof arithmeticOps)[number] | (typeof bitOps)[number] | (typeof comparisons)[number]
export type SubgroupOp = 'add' | 'max' | 'min' | 'shuffleXor'
/** What the matrices that a subgroup multiplies are made of. */
export type MatrixElement = 'f16' | 'bf16'

export type ExprNode =
  | { readonly kind: 'const'; readonly value: number | boolean }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'uniform'; readonly uniform: Uniform }
  | { readonly kind: 'builtin'; readonly name: Builtin; readonly axis: 0 | 1 | 2 }
  | { readonly kind: 'unary'; readonly op: UnaryOp; readonly x: Expr }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly a: Expr; readonly b: Expr }
  | { readonly kind: 'fma'; readonly a: Expr; readonly b: Expr; readonly c: Expr }
  | { readonly kind: 'select'; readonly condition: Expr; readonly yes: Expr; readonly no: Expr }
  | { readonly kind: 'convert'; readonly x: Expr }
  | { readonly kind: 'bitcast'; readonly x: Expr }
  /** Bits of a half, in the low ones of a u32, as a float, and back: `plain` says the same in other operations, for languages that promise less than IEEE 754 here. */
  | { readonly kind: 'half'; readonly op: 'decode' | 'encode'; readonly x: Expr; readonly plain: Expr }
  | { readonly kind: 'vector'; readonly parts: readonly Expr[] }
  | { readonly kind: 'lane'; readonly x: Expr; readonly lane: number }
  /** Two floats rounded to halves, as a word; see `KernelBuilder.halves`. */
  | { readonly kind: 'halves'; readonly of: MatrixElement; readonly low: Expr; readonly high: Expr }
  // These see memory or other threads, so they are the whole value of a `let`, which says when.
  | { readonly kind: 'load'; readonly array: Storage | Shared; readonly index: Expr }
  /** A load whose value is the same for all threads of a workgroup, with a barrier before and after it: what loops with barriers may be bounded by. */
  | { readonly kind: 'commonLoad'; readonly array: Shared; readonly index: Expr }
  | { readonly kind: 'subgroup'; readonly op: SubgroupOp; readonly x: Expr; readonly mask: number }
  /** Four matrices of 8 by 8 halves, spread over the 32 threads of a subgroup; see `KernelBuilder.matrices`. */
  | { readonly kind: 'matrices'; readonly array: Shared; readonly index: Expr; readonly offset: number; readonly transposed: boolean }

export type Stmt =
  | { readonly kind: 'let' | 'var'; readonly variable: Variable; readonly value: Expr }
  | { readonly kind: 'assign'; readonly variable: Variable; readonly value: Expr }
  | { readonly kind: 'store'; readonly array: Storage | Shared; readonly index: Expr; readonly value: Expr }
  | { readonly kind: 'atomicAdd'; readonly array: Storage; readonly index: Expr; readonly value: Expr }
  | { readonly kind: 'if'; readonly condition: Expr; readonly yes: readonly Stmt[]; readonly no: readonly Stmt[] }
  | {
      /** `for (variable = from; variable < to; variable += step)`; `to` is read once. */
      readonly kind: 'for'
      readonly variable: Variable
      readonly from: Expr
      readonly to: Expr
      readonly step: Expr
      readonly body: readonly Stmt[]
    }
  /** All threads of the workgroup arrive before one goes on, and see what the others wrote. */
  | { readonly kind: 'barrier' }
  /** Adds a product of matrices of a subgroup; see `KernelBuilder.multiplyMatrices`. */
  | { readonly kind: 'multiplyMatrices'; readonly sum: Variable; readonly a: Expr; readonly b: Expr; readonly of: MatrixElement }
  /** Begins to copy 16 bytes into shared memory, zeros where not `present`; see `KernelBuilder.copyAsync`. */
  | {
      readonly kind: 'copyAsync'
      readonly to: Shared
      readonly at: Expr
      readonly from: Storage
      readonly index: Expr
      readonly present: Expr
    }
  /** The thread's copies since the last of these are a group. */
  | { readonly kind: 'groupCopies' }
  /** Waits until no more than so many groups of the thread's copies are under way. What others copied is there behind a barrier that follows. */
  | { readonly kind: 'waitCopies'; readonly left: number }
  /** Writes 16 bits into an array of words that other threads write the other half of. */
  | { readonly kind: 'storeHalf'; readonly array: Storage; readonly index: Expr; readonly value: Expr }

export interface Kernel {
  readonly name: string
  readonly workgroup: readonly [number, number, number]
  /** In the order of their bindings. */
  readonly storages: readonly Storage[]
  readonly uniforms: readonly Uniform[]
  readonly shared: readonly Shared[]
  readonly body: readonly Stmt[]
}

/** What a kernel may count on. */
export interface KernelCaps {
  /** Arithmetic and memory of half precision. */
  readonly f16: boolean
  readonly subgroups: boolean
  /** Bytes of shared memory of one workgroup. */
  readonly sharedBytes: number
  /** Threads of one workgroup, in all and along each axis. */
  readonly maxInvocations: number
  readonly maxWorkgroup: readonly [number, number, number]
  /** Arrays in memory that one kernel reaches. */
  readonly maxBindings: number
  /** Elements of the matrices that a subgroup multiplies, by tensor cores; none where this is missing. */
  readonly mma?: readonly MatrixElement[]
  /** Copies into shared memory that go on while threads do other things. */
  readonly copyAsync?: boolean
  /** Stores of 16 bits into arrays of words. */
  readonly storeHalf?: boolean
}

/**
 * A value of the kernel language, with the operators of its type. They throw `TensorError` `KERNEL` where types do not fit. A kernel has hundreds to thousands of them, so the operators
 * are methods of the class, not functions that each value would carry.
 */
export class Expr {
  constructor(
    readonly node: ExprNode,
    readonly type: ValueType,
  ) {}

  add(other: Expr | number): Expr {
    return this.binary('add', other)
  }
  sub(other: Expr | number): Expr {
    return this.binary('sub', other)
  }
  mul(other: Expr | number): Expr {
    return this.binary('mul', other)
  }
  /** Of integers the quotient without its fraction; undefined for a divisor of 0. Of floats fit for divisors from 2^-126 to 2^126 in size. */
  div(other: Expr | number): Expr {
    return this.binary('div', other)
  }
  /** Of floats, fit for all divisors; a few steps more than `div` where the device needs them. */
  quotient(other: Expr | number): Expr {
    return this.binary('quotient', other)
  }
  /** What `div` leaves, with the sign of the dividend. */
  rem(other: Expr | number): Expr {
    return this.binary('rem', other)
  }
  min(other: Expr | number): Expr {
    return this.binary('min', other)
  }
  max(other: Expr | number): Expr {
    return this.binary('max', other)
  }
  and(other: Expr | number): Expr {
    return this.binary('and', other)
  }
  or(other: Expr | number): Expr {
    return this.binary('or', other)
  }
  xor(other: Expr | number): Expr {
    return this.binary('xor', other)
  }
  /** By a number of bits modulo 32. */
  shl(other: Expr | number): Expr {
    return this.binary('shl', other)
  }
  /** The same to the right, with the sign where there is one. */
  shr(other: Expr | number): Expr {
    return this.binary('shr', other)
  }
  eq(other: Expr | number): Expr {
    return this.binary('eq', other)
  }
  ne(other: Expr | number): Expr {
    return this.binary('ne', other)
  }
  lt(other: Expr | number): Expr {
    return this.binary('lt', other)
  }
  le(other: Expr | number): Expr {
    return this.binary('le', other)
  }
  gt(other: Expr | number): Expr {
    return this.binary('gt', other)
  }
  ge(other: Expr | number): Expr {
    return this.binary('ge', other)
  }

  unary(op: UnaryOp): Expr {
    const { scalar } = this.type
    const fits = op === 'not' ? !isReal(scalar) : op === 'neg' || op === 'abs' ? isReal(scalar) || scalar === 'i32' : isReal(scalar)
    if (!fits) throw mistyped(op, this)
    return new Expr({ kind: 'unary', op, x: this }, this.type)
  }

  neg(): Expr {
    return this.unary('neg')
  }
  not(): Expr {
    return this.unary('not')
  }

  /** `this · b + c`, rounded once where the device can. */
  fma(b: Expr | number, c: Expr | number): Expr {
    const [first, second] = [this.like(b), this.like(c)]
    if (!isReal(this.type.scalar) || !sameType(this.type, first.type) || !sameType(this.type, second.type))
      throw mistyped('fma', this, first, second)
    return new Expr({ kind: 'fma', a: this, b: first, c: second }, this.type)
  }

  /** `yes` where this holds, else `no`; both are computed. */
  select(yes: Expr, no: Expr | number): Expr {
    const other = yes.like(no)
    const { scalar, lanes } = this.type
    if (scalar !== 'bool' || !sameType(yes.type, other.type) || (lanes !== 1 && lanes !== yes.type.lanes))
      throw mistyped('select', this, yes, other)
    return new Expr({ kind: 'select', condition: this, yes, no: other }, yes.type)
  }

  /** The value as another type of number: floats to integers by truncation, clamped, NaN to anything; true is 1. */
  to(scalar: Scalar): Expr {
    if (scalar === this.type.scalar) return this
    return new Expr({ kind: 'convert', x: this }, scalarOf(scalar, this.type.lanes))
  }

  /** The same bits as another type of 32 bits. */
  bits(scalar: 'f32' | 'i32' | 'u32'): Expr {
    if (scalar === this.type.scalar) return this
    if (this.type.scalar === 'bool' || this.type.scalar === 'f16') throw mistyped('bitcast', this)
    return new Expr({ kind: 'bitcast', x: this }, scalarOf(scalar, this.type.lanes))
  }

  lane(lane: number): Expr {
    if (!(Number.isInteger(lane) && lane >= 0 && lane < this.type.lanes)) throw mistyped(`lane ${lane}`, this)
    return this.type.lanes === 1 ? this : new Expr({ kind: 'lane', x: this, lane }, scalarOf(this.type.scalar))
  }

  /** The scalar in every lane. */
  splat(lanes: Lanes): Expr {
    if (this.type.lanes !== 1) throw mistyped('splat', this)
    return lanes === 1 ? this : vector(...Array.from({ length: lanes }, () => this))
  }

  /** A number as a constant of this type; values stay as they are. */
  like(value: Expr | number): Expr {
    return typeof value === 'number' ? constant(value, this.type.scalar).splat(this.type.lanes) : value
  }

  private binary(op: BinaryOp, other: Expr | number): Expr {
    const b = this.like(other)
    const { scalar, lanes } = this.type
    if (!sameType(this.type, b.type)) throw mistyped(op, this, b)
    const isBit = (bitOps as readonly string[]).includes(op)
    const logical = scalar === 'bool' && (op === 'and' || op === 'or' || op === 'eq' || op === 'ne' || op === 'xor')
    const fits = scalar === 'bool' ? logical : isBit ? scalar === 'i32' || scalar === 'u32' : op === 'quotient' ? isReal(scalar) : true
    if (!fits) throw mistyped(op, this, b)
    const compares = (comparisons as readonly string[]).includes(op)
    return new Expr({ kind: 'binary', op, a: this, b }, compares ? scalarOf('bool', lanes) : this.type)
  }
}

/** A constant. Floats may be infinite or NaN. */
export function constant(value: number | boolean, scalar: Scalar): Expr {
  const integer = scalar === 'i32' || scalar === 'u32'
  const [low, high] = scalar === 'u32' ? [0, 0xffffffff] : [-0x80000000, 0x7fffffff]
  const fits =
    scalar === 'bool'
      ? typeof value === 'boolean'
      : typeof value === 'number' && (!integer || (Number.isInteger(value) && value >= low && value <= high))
  if (!fits) throw new TensorError('KERNEL', `${String(value)} is no ${scalar}`)
  return new Expr({ kind: 'const', value }, scalarOf(scalar))
}

/** A vector of two or four equal scalars' values. */
export function vector(...parts: Expr[]): Expr {
  const first = parts[0]!
  if ((parts.length !== 2 && parts.length !== 4) || parts.some(({ type }) => type.lanes !== 1 || type.scalar !== first.type.scalar))
    throw mistyped('vector', ...parts)
  return new Expr({ kind: 'vector', parts }, scalarOf(first.type.scalar, parts.length))
}

const isReal = (scalar: Scalar): boolean => scalar === 'f32' || scalar === 'f16'

const mistyped = (op: string, ...operands: Expr[]): TensorError =>
  new TensorError('KERNEL', `${op} does not take ${operands.map(({ type }) => printType(type)).join(', ')}`)
