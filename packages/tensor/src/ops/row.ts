import type { DType, NumericArray } from '../dtype.js'
import type { Attrs, TensorType, Value } from '../graph/node.js'

/** A tensor inside the reference interpreter: compute values (see `computeArray`) in row-major order. */
export interface RefTensor {
  readonly data: NumericArray
  readonly shape: readonly number[]
  readonly dtype: DType
}

export interface ReferenceContext<A extends Attrs = Attrs> {
  readonly inputs: readonly RefTensor[]
  /** Attributes with every symbol replaced by its value in this call. */
  readonly attrs: A
  /** Types of the outputs, symbols replaced by their values. */
  readonly outputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[]
}

export interface VjpContext<A extends Attrs = Attrs> {
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  readonly attrs: A
  /** Incoming gradient of each output, undefined where nothing depends on it. At least one is defined. */
  readonly grads: readonly (Value | undefined)[]
  /** Which inputs need a gradient; work for the others may be left out. */
  readonly needs: readonly boolean[]
}

/** Inputs on which a row is tested. Values come from a seeded generator in `range`, unless `values` gives them. */
export interface SampleInput {
  readonly shape: readonly number[]
  readonly dtype?: DType // f32 unless given
  readonly range?: readonly [number, number] // default [-2, 2]; integers are drawn inclusive of both ends
  readonly values?: readonly number[]
}

export interface Sample {
  /** Distinguishes the samples of one row, e.g. 'broadcast', 'empty', 'grouped'. */
  readonly name: string
  readonly inputs: readonly SampleInput[]
  readonly attrs?: Attrs
  /** False where finite differences make no sense (kinks, ties, integer inputs). Default: true when the row has a vjp. */
  readonly gradient?: boolean
}

/**
 * One operation. Everything the rest of the package knows about an op is in its row: the interpreter calls
 * `reference`, autograd calls `vjp`, devices without a native kernel use `decompose`, the conformance tests run `samples`.
 *
 * To add an op: write its row in a file of `ops/`, list it in `ops/table.ts`, and, when a device can run it natively,
 * add its emitter. `npm test` then checks it on every device.
 */
export interface OpRow<A extends Attrs = Attrs> {
  readonly name: string
  readonly kind: 'primitive' | 'composite'
  /** One sentence for the reference page. */
  readonly summary: string
  /** Output types, or a TensorError (SHAPE, DTYPE, VALUE) that names the op, what was given and what was expected. */
  readonly infer: (inputs: readonly TensorType[], attrs: A) => readonly TensorType[]
  /**
   * Scalar TypeScript, accumulating in float64. Required of primitives; a composite without it is decomposed.
   * Values for half types need no rounding: the interpreter does it.
   */
  readonly reference?: (context: ReferenceContext<A>) => readonly NumericArray[]
  /** Gradients of the inputs as more graph; undefined for inputs that have none. */
  readonly vjp?: (context: VjpContext<A>) => readonly (Value | undefined)[]
  /** The same op in terms of primitives and smaller composites. Required of composites. */
  readonly decompose?: (inputs: readonly Value[], attrs: A) => readonly Value[]
  /** What stands for the op where it is differentiated and has no `vjp`, if that is not its decomposition. */
  readonly opened?: (inputs: readonly Value[], attrs: A) => readonly Value[]
  /** [output, input] pairs that may share one buffer. */
  readonly alias?: readonly (readonly [output: number, input: number])[]
  /** Floating-point inputs that have a gradient, when not all do; asking for another's is an error. */
  readonly differentiable?: readonly number[]
  /** Gradients stop here silently (comparisons, indices, random bits); otherwise a missing vjp is an error. */
  readonly stopsGradient?: boolean
  readonly samples: readonly Sample[]
}

/** Checks a row's types where it is written and forgets its attribute type, so that rows fit in one table. */
export const defineOp = <A extends Attrs>(row: OpRow<A>): OpRow => row as unknown as OpRow
