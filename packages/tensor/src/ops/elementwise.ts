/** Primitives of two or three operands that do not do arithmetic, and the broadcasting loop that all of them share. */
import { computeArray, isInteger, type DType, type NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { shapeOf } from '../graph/node.js'
import { like, sumTo, where } from '../graph/primitives.js'
import { broadcastShapes, printShape } from '../shape.js'
import { checkInteger, checkSameDtype, typed } from './check.js'
import { defineOp, type OpRow, type RefTensor, type Sample } from './row.js'
import { broadcastOffsets, sizeOf } from './strided.js'

export type ScalarBinary = (a: number, b: number) => number

/** Applies a scalar function with broadcasting. Storing into the output's array rounds floats and wraps integers. */
export function applyBinary(
  apply: ScalarBinary,
  a: RefTensor,
  b: RefTensor,
  output: { readonly shape: readonly number[]; readonly dtype: DType },
): NumericArray {
  const count = sizeOf(output.shape)
  const out = computeArray(output.dtype, count)
  const fromA = broadcastOffsets(a.shape, output.shape)
  const fromB = broadcastOffsets(b.shape, output.shape)
  const x = a.data
  const y = b.data
  if (fromA === undefined && fromB === undefined) for (let i = 0; i < count; i++) out[i] = apply(x[i]!, y[i]!)
  else if (fromA === undefined) for (let i = 0; i < count; i++) out[i] = apply(x[i]!, y[fromB![i]!]!)
  else if (fromB === undefined) for (let i = 0; i < count; i++) out[i] = apply(x[fromA[i]!]!, y[i]!)
  else for (let i = 0; i < count; i++) out[i] = apply(x[fromA[i]!]!, y[fromB[i]!]!)
  return out
}

function checkBits(op: string, type: Parameters<typeof checkInteger>[1]): void {
  if (type.dtype !== 'bool' && !isInteger(type.dtype))
    throw new TensorError(
      'DTYPE',
      `${op}: takes bool and integers, got ${type.dtype} ${printShape(type.shape)}; compare it (lt, eq) or cast it first`,
    )
}

const words = [-2147483648, -1, 0, 1, 0x0f0f0f0f, 123456789]

function bitwiseRow(name: 'and' | 'or' | 'xor', summary: string, apply: ScalarBinary): OpRow {
  return defineOp({
    name,
    kind: 'primitive',
    summary,
    infer: ([a, b]) => {
      checkSameDtype(name, a!, b!)
      checkBits(name, a!)
      return typed(broadcastShapes(name, a!.shape, b!.shape), a!.dtype)
    },
    reference: ({ inputs: [a, b], outputs }) => [applyBinary(apply, a!, b!, outputs[0]!)],
    stopsGradient: true,
    samples: [
      {
        name: 'bool',
        inputs: [
          { shape: [4], dtype: 'bool', values: [0, 0, 1, 1] },
          { shape: [4], dtype: 'bool', values: [0, 1, 0, 1] },
        ],
      },
      {
        name: 'bool broadcast',
        inputs: [
          { shape: [3, 1], dtype: 'bool', range: [0, 1] },
          { shape: [4], dtype: 'bool', range: [0, 1] },
        ],
      },
      {
        name: 'i32',
        inputs: [
          { shape: [6, 1], dtype: 'i32', values: words },
          { shape: [6], dtype: 'i32', values: words },
        ],
      },
      {
        name: 'u32',
        inputs: [
          { shape: [3], dtype: 'u32', values: [4294967295, 0x80000001, 5] },
          { shape: [], dtype: 'u32', values: [0xc0000003] },
        ],
      },
      {
        name: 'u8',
        inputs: [
          { shape: [3], dtype: 'u8', values: [255, 129, 5] },
          { shape: [3], dtype: 'u8', values: [15, 240, 3] },
        ],
      },
      {
        name: 'empty',
        inputs: [
          { shape: [0], dtype: 'bool' },
          { shape: [1], dtype: 'bool', values: [1] },
        ],
      },
      {
        name: 'scalars',
        inputs: [
          { shape: [], dtype: 'bool', values: [1] },
          { shape: [], dtype: 'bool', values: [0] },
        ],
      },
    ],
  })
}

/** `unsigned` is the function for u8 and u32, whose values are never negative. */
function shiftRow(name: 'shl' | 'shr', summary: string, signed: ScalarBinary, unsigned: ScalarBinary): OpRow {
  const amounts = [0, 1, 31, 32, 33, 4]
  return defineOp({
    name,
    kind: 'primitive',
    summary,
    infer: ([a, b]) => {
      checkSameDtype(name, a!, b!)
      checkInteger(name, a!)
      return typed(broadcastShapes(name, a!.shape, b!.shape), a!.dtype)
    },
    reference: ({ inputs: [a, b], outputs }) => {
      const isUnsigned = a!.dtype === 'u32' || a!.dtype === 'u8'
      return [applyBinary(isUnsigned ? unsigned : signed, a!, b!, outputs[0]!)]
    },
    stopsGradient: true,
    samples: [
      {
        name: 'i32',
        inputs: [
          { shape: [6, 1], dtype: 'i32', values: words },
          { shape: [6], dtype: 'i32', values: amounts },
        ],
      },
      {
        name: 'u32',
        inputs: [
          { shape: [3, 1], dtype: 'u32', values: [4294967295, 0x80000001, 5] },
          { shape: [6], dtype: 'u32', values: amounts },
        ],
      },
      {
        name: 'scalar amount',
        inputs: [
          { shape: [2, 2], dtype: 'u32', values: [1, 2, 4026531840, 255] },
          { shape: [], dtype: 'u32', values: [8] },
        ],
      },
      {
        name: 'u8',
        inputs: [
          { shape: [3], dtype: 'u8', values: [255, 129, 5] },
          { shape: [3], dtype: 'u8', values: [1, 7, 9] },
        ],
      },
      {
        name: 'i8',
        inputs: [
          { shape: [3], dtype: 'i8', values: [-128, 127, -5] },
          { shape: [3], dtype: 'i8', values: [1, 7, 9] },
        ],
      },
      {
        name: 'empty',
        inputs: [
          { shape: [2, 0], dtype: 'i32' },
          { shape: [1], dtype: 'i32', values: [1] },
        ],
      },
    ],
  })
}

function comparisonRow(name: 'lt' | 'eq', summary: string, apply: ScalarBinary): OpRow {
  const special = [NaN, -Infinity, -1, -0, 0, 1, Infinity]
  const samples: Sample[] = [
    { name: 'same shape', inputs: [{ shape: [2, 3] }, { shape: [2, 3] }] },
    { name: 'broadcast', inputs: [{ shape: [2, 1, 3] }, { shape: [4, 1] }] },
    {
      name: 'special',
      inputs: [
        { shape: [7, 1], values: special },
        { shape: [7], values: special },
      ],
    },
    {
      name: 'scalars',
      inputs: [
        { shape: [], values: [1] },
        { shape: [], values: [1] },
      ],
    },
    { name: 'empty', inputs: [{ shape: [0, 2] }, { shape: [2] }] },
    {
      name: 'u32',
      inputs: [
        { shape: [3], dtype: 'u32', values: [4294967295, 1, 2] },
        { shape: [], dtype: 'u32', values: [2] },
      ],
    },
    {
      name: 'bool',
      inputs: [
        { shape: [4], dtype: 'bool', values: [0, 0, 1, 1] },
        { shape: [4], dtype: 'bool', values: [0, 1, 0, 1] },
      ],
    },
    ...(['f16', 'bf16', 'i32', 'i8'] as const).map((dtype) => ({
      name: dtype,
      inputs: [
        { shape: [6], dtype, values: [-3, 2, 0, 5, 2, -1] },
        { shape: [6], dtype, values: [-3, 3, 0, 4, -2, 1] },
      ],
    })),
    {
      name: 'u8',
      inputs: [
        { shape: [3], dtype: 'u8', values: [0, 200, 7] },
        { shape: [3], dtype: 'u8', values: [255, 100, 7] },
      ],
    },
  ]
  return defineOp({
    name,
    kind: 'primitive',
    summary,
    infer: ([a, b]) => {
      checkSameDtype(name, a!, b!)
      return typed(broadcastShapes(name, a!.shape, b!.shape), 'bool')
    },
    reference: ({ inputs: [a, b], outputs }) => [applyBinary(apply, a!, b!, outputs[0]!)],
    stopsGradient: true,
    samples,
  })
}

const whereOp = defineOp({
  name: 'where',
  kind: 'primitive',
  summary: 'Elements of a where the condition holds, of b elsewhere; all three broadcast.',
  infer: ([condition, a, b]) => {
    if (condition!.dtype !== 'bool')
      throw new TensorError(
        'DTYPE',
        `where: the condition must be bool, got ${condition!.dtype} ${printShape(condition!.shape)}; compare it with something first`,
      )
    checkSameDtype('where', a!, b!)
    const shape = broadcastShapes('where', condition!.shape, broadcastShapes('where', a!.shape, b!.shape))
    return typed(shape, a!.dtype)
  },
  reference: ({ inputs: [condition, a, b], outputs }) => {
    const { shape, dtype } = outputs[0]!
    const count = sizeOf(shape)
    const out = computeArray(dtype, count)
    const chosen = condition!.data
    const x = a!.data
    const y = b!.data
    const fromCondition = broadcastOffsets(condition!.shape, shape)
    const fromA = broadcastOffsets(a!.shape, shape)
    const fromB = broadcastOffsets(b!.shape, shape)
    for (let i = 0; i < count; i++) {
      const takesA = chosen[fromCondition === undefined ? i : fromCondition[i]!] !== 0
      out[i] = takesA ? x[fromA === undefined ? i : fromA[i]!]! : y[fromB === undefined ? i : fromB[i]!]!
    }
    return [out]
  },
  vjp: ({ inputs: [condition, a, b], grads, needs }) => {
    const grad = grads[0]!
    const zero = like(grad, 0)
    return [
      undefined,
      needs[1] ? sumTo(where(condition!, grad, zero), shapeOf(a!)) : undefined,
      needs[2] ? sumTo(where(condition!, zero, grad), shapeOf(b!)) : undefined,
    ]
  },
  samples: [
    { name: 'same shape', inputs: [{ shape: [2, 3], dtype: 'bool', range: [0, 1] }, { shape: [2, 3] }, { shape: [2, 3] }] },
    { name: 'broadcast', inputs: [{ shape: [2, 1], dtype: 'bool', values: [1, 0] }, { shape: [3] }, { shape: [4, 1, 1] }] },
    {
      name: 'mask',
      inputs: [{ shape: [3, 3], dtype: 'bool', range: [0, 1] }, { shape: [2, 3, 3] }, { shape: [], values: [-Infinity] }],
      gradient: false,
    },
    {
      name: 'nan not chosen',
      inputs: [
        { shape: [3], dtype: 'bool', values: [1, 0, 1] },
        { shape: [3], values: [1, NaN, Infinity] },
        { shape: [3], values: [NaN, 2, NaN] },
      ],
      gradient: false,
    },
    { name: 'scalars', inputs: [{ shape: [], dtype: 'bool', values: [0] }, { shape: [] }, { shape: [] }] },
    { name: 'empty', inputs: [{ shape: [0, 1], dtype: 'bool' }, { shape: [1, 2] }, { shape: [] }] },
    ...(['f16', 'bf16', 'i32', 'u32', 'i8', 'u8'] as const).map((dtype) => ({
      name: dtype,
      inputs: [
        { shape: [4], dtype: 'bool' as const, values: [1, 0, 0, 1] },
        { shape: [4], dtype, range: [0, 100] as const },
        { shape: [], dtype, range: [0, 100] as const },
      ],
    })),
    {
      name: 'bool',
      inputs: [
        { shape: [4], dtype: 'bool', values: [1, 0, 0, 1] },
        { shape: [4], dtype: 'bool', values: [1, 1, 0, 0] },
        { shape: [4], dtype: 'bool', values: [0, 1, 1, 0] },
      ],
    },
  ],
})

export const elementwiseOps: readonly OpRow[] = [
  bitwiseRow('and', 'Bitwise and of integers, logical and of bools.', (a, b) => a & b),
  bitwiseRow('or', 'Bitwise or of integers, logical or of bools.', (a, b) => a | b),
  bitwiseRow('xor', 'Bitwise exclusive or of integers, inequality of bools.', (a, b) => a ^ b),
  shiftRow(
    'shl',
    'a shifted left by b & 31 bits.',
    (a, b) => a << b,
    (a, b) => a << b,
  ),
  shiftRow(
    'shr',
    'a shifted right by b & 31 bits: the sign is repeated for i32 and i8, zeros come in for u32 and u8.',
    (a, b) => a >> b,
    (a, b) => a >>> b,
  ),
  comparisonRow('lt', 'Whether a < b; false where either is NaN.', (a, b) => (a < b ? 1 : 0)),
  comparisonRow('eq', 'Whether a = b; false where either is NaN.', (a, b) => (a === b ? 1 : 0)),
  whereOp,
]
