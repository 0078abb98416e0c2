/** Primitives of one operand, element by element. */
import { computeArray, decodeStorage, byteSize, encodeStorage, integerRange, isFloat, isInteger, type DType } from '../dtype.js'
import { TensorError } from '../errors.js'
import { dtypeOf, type Value } from '../graph/node.js'
import { cast, cos, div, exp, like, mul, neg, sin, sub } from '../graph/primitives.js'
import { printShape } from '../shape.js'
import { checkFloat, checkNumber, typed } from './check.js'
import { errorFunction } from './erf.js'
import { defineOp, type OpRow, type Sample } from './row.js'

interface UnaryOptions {
  readonly name: string
  readonly summary: string
  readonly apply: (x: number) => number
  /** Gradient of the input from the input, the output and the output's gradient; absent where gradients stop. */
  readonly vjp?: (x: Value, y: Value, grad: Value) => Value
  /** Values on which samples are drawn. */
  readonly range?: readonly [number, number]
  /** Arguments at and beyond the borders of the function's domain. */
  readonly edges: readonly number[]
  readonly integers?: boolean
}

function unaryRow(options: UnaryOptions): OpRow {
  const { name, summary, apply, vjp, edges, range = [-2, 2], integers = false } = options
  const samples: Sample[] = [
    { name: 'matrix', inputs: [{ shape: [3, 4], range }] },
    { name: 'scalar', inputs: [{ shape: [], range }] },
    { name: 'empty', inputs: [{ shape: [0, 3] }] },
    { name: 'f16', inputs: [{ shape: [7], dtype: 'f16', range }] },
    { name: 'bf16', inputs: [{ shape: [7], dtype: 'bf16', range }] },
    { name: 'edges', inputs: [{ shape: [edges.length], values: edges }], gradient: false },
    { name: 'nan', inputs: [{ shape: [2], values: [NaN, 1] }], gradient: false },
  ]
  if (integers)
    samples.push(
      { name: 'i32', inputs: [{ shape: [4], dtype: 'i32', values: [-2147483648, -5, 0, 2147483647] }] },
      { name: 'u32', inputs: [{ shape: [3], dtype: 'u32', values: [0, 1, 4294967295] }] },
      { name: 'i8', inputs: [{ shape: [3], dtype: 'i8', values: [-128, 0, 127] }] },
    )
  return defineOp({
    name,
    kind: 'primitive',
    summary,
    infer: ([x]) => {
      if (integers) checkNumber(name, x!)
      else checkFloat(name, x!)
      return [x!]
    },
    reference: ({ inputs, outputs }) => {
      const { data } = inputs[0]!
      const out = computeArray(outputs[0]!.dtype, data.length)
      for (let i = 0; i < out.length; i++) out[i] = apply(data[i]!)
      return [out]
    },
    ...(vjp === undefined ? { stopsGradient: true } : { vjp: ({ inputs, outputs, grads }) => [vjp(inputs[0]!, outputs[0]!, grads[0]!)] }),
    samples,
  })
}

/** Limits, zeros of both signs, and values near which the floats overflow or vanish. */
const everywhere = [-Infinity, -1e30, -100, -1e-30, -0, 0, 1e-30, 100, 1e30, Infinity]

const castOp = defineOp<{ dtype: DType }>({
  name: 'cast',
  kind: 'primitive',
  summary:
    'The same values in another dtype. To integers: truncated toward zero, saturated, NaN gives 0. To bool: 0 is false, all else true.',
  infer: ([x], { dtype }) => typed(x!.shape, dtype),
  reference: ({ inputs, attrs: { dtype } }) => {
    const { data } = inputs[0]!
    const out = computeArray(dtype, data.length)
    if (dtype === 'bool') for (let i = 0; i < out.length; i++) out[i] = data[i] === 0 ? 0 : 1
    else if (isInteger(dtype)) {
      const [low, high] = integerRange(dtype)
      for (let i = 0; i < out.length; i++) {
        const value = data[i]!
        // Storing truncates and turns NaN into 0; only the range is left to handle.
        out[i] = value > high ? high : value < low ? low : value
      }
    } else for (let i = 0; i < out.length; i++) out[i] = data[i]!
    return [out]
  },
  vjp: ({ inputs, grads, attrs }) => {
    const from = dtypeOf(inputs[0]!)
    return [isFloat(from) && isFloat(attrs.dtype) ? cast(grads[0]!, from) : undefined]
  },
  // Finite differences in f64 do not survive the rounding to the target, so the tests of this file cover the gradient.
  samples: (
    [
      ['f32', 'f16', [0.1, -65504, 65520, 1e-8, 6e-8, NaN, Infinity]],
      ['f32', 'bf16', [0.1, -3.4e38, 1e-40, 1.00390625, NaN, Infinity]],
      ['f16', 'f32', [0.1, -65504, 6e-8, NaN, -Infinity]],
      ['bf16', 'f32', [0.1, -3e38, NaN, -Infinity]],
      ['f32', 'i32', [1.9, -1.9, 3e9, -3e9, NaN, Infinity, -Infinity]],
      ['f32', 'u32', [1.9, -1.9, 3e9, 5e9, NaN, Infinity, -Infinity]],
      ['f32', 'i8', [1.9, -1.9, 127.5, -300, NaN, Infinity]],
      ['f32', 'u8', [1.9, -1.9, 255.5, 300, NaN, Infinity]],
      ['f32', 'bool', [0, -0, 0.5, -1, 1e-30, Infinity]],
      ['i32', 'f32', [-2147483648, -1, 0, 16777217]],
      ['u32', 'f32', [0, 1, 16777217, 4294967295]],
      ['i32', 'u32', [-1, 0, 2147483647]],
      ['u32', 'i32', [0, 1, 2147483648]],
      ['i32', 'i8', [-129, -128, 127, 128]],
      ['i32', 'u8', [-1, 0, 255, 256]],
      ['i32', 'bool', [-1, 0, 2]],
      ['u8', 'f32', [0, 1, 255]],
      ['i8', 'i32', [-128, 0, 127]],
      ['bool', 'f32', [0, 1]],
      ['bool', 'i32', [0, 1]],
      ['i32', 'f16', [-3, 2049, 70000]],
    ] satisfies [DType, DType, number[]][]
  ).map(([from, dtype, values]) => ({
    name: `${from} to ${dtype}`,
    inputs: [{ shape: [values.length], dtype: from, values }],
    attrs: { dtype },
    gradient: false,
  })),
})

const bitcastOp = defineOp<{ dtype: DType }>({
  name: 'bitcast',
  kind: 'primitive',
  summary: 'The same bits read as another dtype of equal size; not to or from bool.',
  infer: ([x], { dtype }) => {
    if (byteSize(dtype) !== byteSize(x!.dtype) || dtype === 'bool' || x!.dtype === 'bool')
      throw new TensorError(
        'DTYPE',
        `bitcast: ${x!.dtype} ${printShape(x!.shape)} cannot be read as ${dtype}; expected a dtype of ${byteSize(x!.dtype)} bytes that is not bool`,
      )
    return typed(x!.shape, dtype)
  },
  reference: ({ inputs, attrs }) => [decodeStorage(attrs.dtype, encodeStorage(inputs[0]!.dtype, inputs[0]!.data))],
  stopsGradient: true,
  samples: [
    { name: 'f32 to u32', inputs: [{ shape: [5], values: [0, -0, 1, -2.5, Infinity] }], attrs: { dtype: 'u32' } },
    { name: 'u32 to f32', inputs: [{ shape: [3], dtype: 'u32', values: [0, 0x3f800000, 0xc0200000] }], attrs: { dtype: 'f32' } },
    { name: 'i32 to u32', inputs: [{ shape: [3], dtype: 'i32', values: [-1, 0, 2147483647] }], attrs: { dtype: 'u32' } },
    { name: 'u32 to i32', inputs: [{ shape: [2], dtype: 'u32', values: [4294967295, 1] }], attrs: { dtype: 'i32' } },
    { name: 'u8 to i8', inputs: [{ shape: [3], dtype: 'u8', values: [0, 127, 255] }], attrs: { dtype: 'i8' } },
    { name: 'empty', inputs: [{ shape: [0] }], attrs: { dtype: 'i32' } },
  ],
})

const two = (x: Value): Value => like(x, 2)

export const unaryOps: readonly OpRow[] = [
  unaryRow({
    name: 'neg',
    summary: '−x. Integers wrap around.',
    apply: (x) => -x,
    vjp: (_x, _y, grad) => neg(grad),
    edges: everywhere,
    integers: true,
  }),
  unaryRow({
    name: 'exp',
    summary: 'e to the power of x.',
    apply: Math.exp,
    vjp: (_x, y, grad) => mul(grad, y),
    edges: everywhere,
  }),
  unaryRow({
    name: 'log',
    summary: 'Natural logarithm; −∞ at 0, NaN below.',
    apply: Math.log,
    vjp: (x, _y, grad) => div(grad, x),
    range: [0.3, 4],
    edges: [-Infinity, -1, 0, 1e-30, 1, 1e30, Infinity],
  }),
  unaryRow({
    name: 'sin',
    summary: 'Sine of an angle in radians.',
    apply: Math.sin,
    vjp: (x, _y, grad) => mul(grad, cos(x)),
    edges: [-0, 0, 1e-30, 3.1415927, -100, 100, Infinity],
  }),
  unaryRow({
    name: 'cos',
    summary: 'Cosine of an angle in radians.',
    apply: Math.cos,
    vjp: (x, _y, grad) => neg(mul(grad, sin(x))),
    edges: [-0, 0, 1e-30, 3.1415927, -100, 100, Infinity],
  }),
  unaryRow({
    name: 'sqrt',
    summary: 'Square root; NaN below 0.',
    apply: Math.sqrt,
    vjp: (_x, y, grad) => div(grad, mul(two(y), y)),
    range: [0.3, 4],
    edges: [-1, 0, 1e-30, 4, 1e30, Infinity],
  }),
  unaryRow({
    name: 'recip',
    summary: '1 / x; infinite at 0.',
    apply: (x) => 1 / x,
    vjp: (_x, y, grad) => neg(mul(grad, mul(y, y))),
    range: [0.4, 3],
    edges: everywhere,
  }),
  unaryRow({
    name: 'floor',
    summary: 'Largest integer not above x, as a float.',
    apply: Math.floor,
    edges: [-Infinity, -2.5, -2, -0.5, -0, 0, 0.5, 2, 1e10, Infinity],
  }),
  unaryRow({
    name: 'tanh',
    summary: 'Hyperbolic tangent.',
    apply: Math.tanh,
    vjp: (_x, y, grad) => mul(grad, sub(like(y, 1), mul(y, y))),
    edges: everywhere,
  }),
  unaryRow({
    name: 'erf',
    summary: 'Error function 2/√π · ∫₀ˣ exp(−t²) dt.',
    apply: errorFunction,
    vjp: (x, _y, grad) => mul(grad, mul(like(x, 2 / Math.sqrt(Math.PI)), exp(neg(mul(x, x))))),
    edges: [-Infinity, -5, -3.9, -2, -1e-30, -0, 0, 1.9999999, 2.5, 4, 1e10, Infinity],
  }),
  castOp,
  bitcastOp,
]
