/** Arithmetic primitives of two operands, element by element with NumPy broadcasting. */
import { isFloat } from '../dtype.js'
import { shapeOf, type Value } from '../graph/node.js'
import { div, eq, floor, like, lt, mul, neg, sumTo, where } from '../graph/primitives.js'
import { broadcastShapes } from '../shape.js'
import { checkNumber, checkSameDtype } from './check.js'
import { applyBinary, type ScalarBinary } from './elementwise.js'
import { defineOp, type OpRow, type Sample, type SampleInput } from './row.js'

interface ArithmeticOptions {
  readonly name: string
  readonly summary: string
  readonly floats: ScalarBinary
  /** Result before it wraps around to the dtype, exact in the low 32 bits. */
  readonly integers: ScalarBinary
  /** Gradients of both operands at the shape of the result; the row sums them down to the operands' shapes. */
  readonly vjp: (a: Value, b: Value, y: Value, grad: Value) => readonly [a: () => Value, b: () => Value]
  /** What to use for bool operands. */
  readonly instead: string
  /** Values of the second operand, away from poles. */
  readonly rangeB?: readonly [number, number]
  readonly edges: readonly (readonly [a: number, b: number])[]
  readonly integerEdges: readonly (readonly [a: number, b: number])[]
}

const pairInputs = (pairs: readonly (readonly [number, number])[], dtype: 'f32' | 'i32' | 'u32' | 'i8'): SampleInput[] =>
  [0, 1].map((side) => ({ shape: [pairs.length], dtype, values: pairs.map((pair) => pair[side]!) }))

function arithmeticRow(options: ArithmeticOptions): OpRow {
  const { name, summary, floats, integers, vjp, instead, edges, integerEdges } = options
  const range = options.rangeB ?? [-2, 2]
  const samples: Sample[] = [
    { name: 'same shape', inputs: [{ shape: [3, 4] }, { shape: [3, 4], range }] },
    { name: 'broadcast', inputs: [{ shape: [2, 1, 3] }, { shape: [4, 1], range }] },
    { name: 'row', inputs: [{ shape: [3, 4] }, { shape: [4], range }] },
    { name: 'scalar left', inputs: [{ shape: [] }, { shape: [2, 3], range }] },
    { name: 'scalars', inputs: [{ shape: [] }, { shape: [], range }] },
    { name: 'empty', inputs: [{ shape: [0, 3] }, { shape: [1, 3], range }] },
    ...(['f16', 'bf16'] as const).map((dtype) => ({
      name: dtype,
      inputs: [
        { shape: [2, 3], dtype },
        { shape: [3], dtype, range },
      ],
    })),
    { name: 'edges', inputs: pairInputs(edges, 'f32'), gradient: false },
    {
      name: 'nan',
      inputs: pairInputs(
        [
          [NaN, 1],
          [1, NaN],
          [NaN, NaN],
          [NaN, Infinity],
        ],
        'f32',
      ),
      gradient: false,
    },
    { name: 'i32', inputs: pairInputs([...integerEdges, [-2147483648, -1], [2147483647, 2147483647], [123456789, 987654321]], 'i32') },
    {
      name: 'u32',
      inputs: pairInputs([...integerEdges.filter(([a, b]) => a >= 0 && b >= 0), [4294967295, 2], [3, 4294967295], [0, 1]], 'u32'),
    },
    {
      name: 'i8',
      inputs: pairInputs(
        [
          [100, 100],
          [-128, -1],
          [-128, 2],
          [7, -3],
        ],
        'i8',
      ),
    },
    {
      name: 'u8 broadcast',
      inputs: [
        { shape: [2, 1], dtype: 'u8', range: [0, 255] },
        { shape: [3], dtype: 'u8', range: [0, 255] },
      ],
    },
  ]
  return defineOp({
    name,
    kind: 'primitive',
    summary,
    infer: ([a, b]) => {
      checkSameDtype(name, a!, b!)
      checkNumber(name, a!, instead)
      return [{ shape: broadcastShapes(name, a!.shape, b!.shape), dtype: a!.dtype }]
    },
    reference: ({ inputs: [a, b], outputs }) => [applyBinary(isFloat(a!.dtype) ? floats : integers, a!, b!, outputs[0]!)],
    vjp: ({ inputs: [a, b], outputs, grads, needs }) => {
      const sides = vjp(a!, b!, outputs[0]!, grads[0]!)
      return [needs[0] ? sumTo(sides[0](), shapeOf(a!)) : undefined, needs[1] ? sumTo(sides[1](), shapeOf(b!)) : undefined]
    },
    samples,
  })
}

/** The share of a gradient that goes to `a` where `other` does not beat it: all of it, half at a tie, all at NaN. */
function winnerShare(a: Value, b: Value, beaten: Value, grad: Value): Value {
  const tie = where(eq(a, b), mul(grad, like(grad, 0.5)), grad)
  return where(beaten, like(grad, 0), tie)
}

/** Remainder with the sign of the divisor. */
function modulo(a: number, b: number): number {
  const remainder = a % b
  return remainder !== 0 && remainder < 0 !== b < 0 ? remainder + b : remainder
}

const infinities: readonly (readonly [number, number])[] = [
  [Infinity, 1],
  [1, -Infinity],
  [Infinity, -Infinity],
  [Infinity, 0],
  [3e38, 3e38],
]

export const binaryOps: readonly OpRow[] = [
  arithmeticRow({
    name: 'add',
    summary: 'a + b. Integers wrap around.',
    floats: (a, b) => a + b,
    integers: (a, b) => a + b,
    vjp: (_a, _b, _y, grad) => [() => grad, () => grad],
    instead: 'use or, or cast to i32 to count',
    edges: infinities,
    integerEdges: [
      [1, 2],
      [-5, 3],
      [0, 0],
    ],
  }),
  arithmeticRow({
    name: 'sub',
    summary: 'a − b. Integers wrap around.',
    floats: (a, b) => a - b,
    integers: (a, b) => a - b,
    vjp: (_a, _b, _y, grad) => [() => grad, () => neg(grad)],
    instead: 'use xor, or cast to i32',
    edges: infinities,
    integerEdges: [
      [1, 2],
      [-5, 3],
      [0, 0],
    ],
  }),
  arithmeticRow({
    name: 'mul',
    summary: 'a · b. Integers wrap around.',
    floats: (a, b) => a * b,
    integers: Math.imul,
    vjp: (a, b, _y, grad) => [() => mul(grad, b), () => mul(grad, a)],
    instead: 'use and, or cast to i32',
    edges: infinities,
    integerEdges: [
      [1, 2],
      [-5, 3],
      [0, 7],
    ],
  }),
  arithmeticRow({
    name: 'div',
    summary: 'a / b. Integers truncate toward zero, and a division by zero gives 0.',
    floats: (a, b) => a / b,
    integers: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
    vjp: (_a, b, y, grad) => [() => div(grad, b), () => neg(div(mul(grad, y), b))],
    instead: 'cast to a float first',
    rangeB: [0.5, 3],
    edges: [...infinities, [1, 0], [-1, 0], [1, -0], [0, 0]],
    integerEdges: [
      [7, 2],
      [-7, 2],
      [7, -2],
      [7, 0],
      [-7, 0],
      [0, 0],
    ],
  }),
  arithmeticRow({
    name: 'max',
    summary: 'The larger of a and b; NaN where either is NaN. At a tie each operand gets half of the gradient.',
    floats: Math.max,
    integers: Math.max,
    vjp: (a, b, _y, grad) => [() => winnerShare(a, b, lt(a, b), grad), () => winnerShare(a, b, lt(b, a), grad)],
    instead: 'use or',
    edges: [...infinities, [2, 2], [-1, -1]],
    integerEdges: [
      [7, 2],
      [-7, 2],
      [3, 3],
    ],
  }),
  arithmeticRow({
    name: 'min',
    summary: 'The smaller of a and b; NaN where either is NaN. At a tie each operand gets half of the gradient.',
    floats: Math.min,
    integers: Math.min,
    vjp: (a, b, _y, grad) => [() => winnerShare(a, b, lt(b, a), grad), () => winnerShare(a, b, lt(a, b), grad)],
    instead: 'use and',
    edges: [...infinities, [2, 2], [-1, -1]],
    integerEdges: [
      [7, 2],
      [-7, 2],
      [3, 3],
    ],
  }),
  arithmeticRow({
    name: 'mod',
    summary: 'Remainder of a / b with the sign of b, also for floats. Integers modulo zero give 0, floats NaN.',
    floats: modulo,
    integers: (a, b) => (b === 0 ? 0 : modulo(a, b)),
    vjp: (a, b, _y, grad) => [() => grad, () => neg(mul(grad, floor(div(a, b))))],
    instead: 'cast to i32 first',
    rangeB: [0.7, 2],
    edges: [
      [5.5, 2],
      [-5.5, 2],
      [5.5, -2],
      [-5.5, -2],
      [4, 2],
      [1, 0],
      [Infinity, 2],
      [1, Infinity],
    ],
    integerEdges: [
      [7, 3],
      [-7, 3],
      [7, -3],
      [-7, -3],
      [6, -3],
      [7, 0],
      [-7, 0],
    ],
  }),
]
