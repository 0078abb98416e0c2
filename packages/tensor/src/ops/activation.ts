/**
 * Activations and their gradients. Forms are chosen for few passes over memory, since a device without a kernel of its
 * own runs every primitive as one pass.
 */
import { computeArray, isSigned } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit } from '../graph/build.js'
import { dtypeOf, type Value } from '../graph/node.js'
import { add, erf, exp, like, log, lt, max, mul, neg, recip, sub, where } from '../graph/primitives.js'
import { checkFloat, checkNumber } from './check.js'
import { errorFunction } from './erf.js'
import { defineOp, type OpRow, type ReferenceContext, type Sample } from './row.js'
import { checkCount, checkShapeIs, checkDTypeIs, narrow, widen } from './wide.js'

/** `none` is x·Φ(x) by the error function; `tanh` its approximation (Hendrycks and Gimpel, arXiv:1606.08415). */
export type GeluApproximation = 'none' | 'tanh'
type GeluAttrs = { readonly approximate: GeluApproximation }

/** max(x, 0). NaN stays. */
export const relu = (x: Value): Value => emit('relu', [x])
/** 1 / (1 + e^−x). */
export const sigmoid = (x: Value): Value => emit('sigmoid', [x])
/** x · sigmoid(x), also called swish. */
export const silu = (x: Value): Value => emit('silu', [x])
/** x · Φ(x), Φ the normal distribution function. */
export const gelu = (x: Value, approximate: GeluApproximation = 'none'): Value => emit('gelu', [x], { approximate })
/** log(1 + e^x), without overflow. */
export const softplus = (x: Value): Value => emit('softplus', [x])
/** |x|. */
export const abs = (x: Value): Value => emit('abs', [x])
/** Gradient of {@link gelu}: dy · gelu′(x). */
export const geluGrad = (x: Value, dy: Value, approximate: GeluApproximation = 'none'): Value => emit('geluGrad', [x, dy], { approximate })
/** Gradient of {@link silu}: dy · silu′(x). */
export const siluGrad = (x: Value, dy: Value): Value => emit('siluGrad', [x, dy])

const SQRT_HALF = Math.SQRT1_2
/** The approximation is x · sigmoid(2u) with 2u = x · (TANH_LINEAR + TANH_CUBIC · x²). */
const TANH_LINEAR = 2 * Math.sqrt(2 / Math.PI)
const TANH_CUBIC = TANH_LINEAR * 0.044715
/** log(2/√π): inside the exponential it costs no multiplication outside. */
const LOG_TWO_OVER_SQRT_PI = Math.log(2 / Math.sqrt(Math.PI))

const times = (x: Value, factor: number): Value => mul(x, like(x, factor))
const plus = (x: Value, term: number): Value => add(x, like(x, term))
const from = (term: number, x: Value): Value => sub(like(x, term), x)

const sigmoidOf = (x: number): number => 1 / (1 + Math.exp(-x))
const geluOf = (x: number): number => 0.5 * x * (1 + errorFunction(x * SQRT_HALF))
const geluTanhOf = (x: number): number => x * sigmoidOf(x * (TANH_LINEAR + TANH_CUBIC * x * x))
const siluOf = (x: number): number => x * sigmoidOf(x)
const reluOf = (x: number): number => (x < 0 ? 0 : x)
const softplusOf = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/** Activations that `matmul` can apply at its end. */
export type Activation = 'gelu' | 'geluTanh' | 'relu' | 'silu'
export const activations = ['gelu', 'geluTanh', 'relu', 'silu'] as const satisfies readonly Activation[]

/** An activation as a function of numbers. */
export const activationOf: Readonly<Record<Activation, (x: number) => number>> = {
  gelu: geluOf,
  geluTanh: geluTanhOf,
  relu: reluOf,
  silu: siluOf,
}

/** An activation by name. */
export function activate(x: Value, activation: Activation): Value {
  switch (activation) {
    case 'gelu':
      return gelu(x)
    case 'geluTanh':
      return gelu(x, 'tanh')
    case 'relu':
      return relu(x)
    case 'silu':
      return silu(x)
    default:
      return activation satisfies never
  }
}

/** Gradient of {@link activate} at x. */
export function activateGrad(x: Value, dy: Value, activation: Activation): Value {
  switch (activation) {
    case 'gelu':
      return geluGrad(x, dy)
    case 'geluTanh':
      return geluGrad(x, dy, 'tanh')
    case 'relu':
      return where(lt(like(x, 0), x), dy, like(dy, 0))
    case 'silu':
      return siluGrad(x, dy)
    default:
      return activation satisfies never
  }
}

const elementwise =
  (apply: (x: number) => number) =>
  ({ inputs, outputs }: Pick<ReferenceContext, 'inputs' | 'outputs'>) => {
    const { data } = inputs[0]!
    const out = computeArray(outputs[0]!.dtype, data.length)
    for (let i = 0; i < out.length; i++) out[i] = apply(data[i]!)
    return [out]
  }

const floatSamples: readonly Sample[] = [
  { name: 'plain', inputs: [{ shape: [3, 5], range: [-4, 4] }] },
  { name: 'scalar', inputs: [{ shape: [] }] },
  { name: 'empty', inputs: [{ shape: [0, 4] }] },
  { name: 'long', inputs: [{ shape: [7, 33], range: [-3, 3] }] },
  { name: 'f16', inputs: [{ shape: [4, 3], dtype: 'f16' }] },
  { name: 'bf16', inputs: [{ shape: [4, 3], dtype: 'bf16' }] },
  { name: 'far', inputs: [{ shape: [8], values: [-20, -15, -10, -1e-4, 1e-4, 10, 15, 20] }] },
  { name: 'extreme', inputs: [{ shape: [6], values: [-1e4, -1000, -90, 90, 1000, 1e4] }], gradient: false },
  { name: 'nan', inputs: [{ shape: [3], values: [NaN, 1, -1] }], gradient: false },
]

const gradSamples = (attrs: readonly GeluAttrs[]): Sample[] =>
  attrs.flatMap((attr) => [
    { name: `plain ${attr.approximate}`, inputs: [{ shape: [3, 5], range: [-4, 4] as const }, { shape: [3, 5] }], attrs: attr },
    { name: `empty ${attr.approximate}`, inputs: [{ shape: [0] }, { shape: [0] }], attrs: attr },
    {
      name: `f16 ${attr.approximate}`,
      inputs: [
        { shape: [6], dtype: 'f16' as const },
        { shape: [6], dtype: 'f16' as const },
      ],
      attrs: attr,
    },
    {
      name: `bf16 ${attr.approximate}`,
      inputs: [
        { shape: [6], dtype: 'bf16' as const },
        { shape: [6], dtype: 'bf16' as const },
      ],
      attrs: attr,
    },
    { name: `far ${attr.approximate}`, inputs: [{ shape: [6], values: [-20, -15, -10, 10, 15, 20] }, { shape: [6] }], attrs: attr },
    {
      name: `extreme ${attr.approximate}`,
      inputs: [{ shape: [4], values: [-1e4, -90, 90, 1e4] }, { shape: [4] }],
      attrs: attr,
      gradient: false,
    },
  ])

const reluOp = defineOp({
  name: 'relu',
  kind: 'composite',
  summary: 'max(x, 0).',
  infer: ([x]) => {
    checkNumber('relu', x!)
    return [x!]
  },
  reference: elementwise(reluOf),
  decompose: ([x]) => [max(x!, like(x!, 0))],
  // From the output, so that x need not be kept.
  vjp: ({ outputs: [y], grads }) => [where(lt(like(y!, 0), y!), grads[0]!, like(grads[0]!, 0))],
  samples: [
    ...floatSamples,
    { name: 'i32', inputs: [{ shape: [5], dtype: 'i32', range: [-9, 9] }] },
    { name: 'at zero', inputs: [{ shape: [3], values: [-0, 0, 1] }], gradient: false },
  ],
})

const sigmoidOp = defineOp({
  name: 'sigmoid',
  kind: 'composite',
  summary: '1 / (1 + e^−x).',
  infer: ([x]) => {
    checkFloat('sigmoid', x!)
    return [x!]
  },
  reference: elementwise(sigmoidOf),
  decompose: ([x]) => [narrow(recip(plus(exp(neg(widen(x!))), 1)), x!)],
  vjp: ({ outputs, grads }) => {
    const y = widen(outputs[0]!)
    return [narrow(mul(widen(grads[0]!), mul(y, from(1, y))), outputs[0]!)]
  },
  samples: [...floatSamples, { name: 'infinities', inputs: [{ shape: [2], values: [-Infinity, Infinity] }], gradient: false }],
})

const siluOp = defineOp({
  name: 'silu',
  kind: 'composite',
  summary: 'x · sigmoid(x).',
  infer: ([x]) => {
    checkFloat('silu', x!)
    return [x!]
  },
  reference: elementwise(siluOf),
  decompose: ([x]) => {
    const wide = widen(x!)
    return [narrow(mul(wide, sigmoid(wide)), x!)]
  },
  vjp: ({ inputs, grads }) => [siluGrad(inputs[0]!, grads[0]!)],
  samples: floatSamples,
})

/** A gradient's two inputs agree. */
function checkGrad(op: string, inputs: Parameters<OpRow['infer']>[0]): void {
  checkCount(op, inputs, 2, 2, 'x, dy')
  checkFloat(op, inputs[0]!)
  checkShapeIs(op, 'dy', inputs[1]!, inputs[0]!.shape, 'the shape of x')
  checkDTypeIs(op, 'dy', inputs[1]!, [inputs[0]!.dtype], 'the dtype of x')
}

const siluGradOp = defineOp({
  name: 'siluGrad',
  kind: 'composite',
  summary: 'dy · silu′(x), with silu′(x) = y + sigmoid(x) · (1 − y) and y = silu(x).',
  infer: (inputs) => {
    checkGrad('siluGrad', inputs)
    return [inputs[0]!]
  },
  decompose: ([x, dy]) => {
    const wide = widen(x!)
    const s = sigmoid(wide)
    const y = mul(wide, s)
    return [narrow(mul(add(y, mul(s, from(1, y))), widen(dy!)), x!)]
  },
  samples: [
    { name: 'plain', inputs: [{ shape: [3, 5], range: [-4, 4] }, { shape: [3, 5] }] },
    { name: 'empty', inputs: [{ shape: [0] }, { shape: [0] }] },
    {
      name: 'f16',
      inputs: [
        { shape: [6], dtype: 'f16' },
        { shape: [6], dtype: 'f16' },
      ],
    },
    {
      name: 'bf16',
      inputs: [
        { shape: [6], dtype: 'bf16' },
        { shape: [6], dtype: 'bf16' },
      ],
    },
    { name: 'far', inputs: [{ shape: [6], values: [-20, -15, -10, 10, 15, 20] }, { shape: [6] }] },
    { name: 'extreme', inputs: [{ shape: [4], values: [-1e4, -80, 80, 1e4] }, { shape: [4] }], gradient: false },
  ],
})

function checkApproximate(op: string, approximate: unknown): void {
  if (approximate !== 'none' && approximate !== 'tanh')
    throw new TensorError('VALUE', `${op}: approximate must be 'none' (exact, by erf) or 'tanh', got ${String(approximate)}`)
}

/** 2u of the tanh form, and x². */
function tanhArgument(x: Value): { readonly z: Value; readonly square: Value } {
  const square = mul(x, x)
  return { square, z: mul(x, plus(times(square, TANH_CUBIC), TANH_LINEAR)) }
}

const geluOp = defineOp<GeluAttrs>({
  name: 'gelu',
  kind: 'composite',
  summary: 'x · Φ(x), Φ the normal distribution function: exact by erf, or the tanh approximation.',
  infer: ([x], { approximate }) => {
    checkFloat('gelu', x!)
    checkApproximate('gelu', approximate)
    return [x!]
  },
  reference: (context) => elementwise(context.attrs.approximate === 'tanh' ? geluTanhOf : geluOf)(context),
  decompose: ([x], { approximate }) => {
    const wide = widen(x!)
    const y =
      approximate === 'tanh' ? mul(wide, sigmoid(tanhArgument(wide).z)) : mul(times(wide, 0.5), plus(erf(times(wide, SQRT_HALF)), 1))
    return [narrow(y, x!)]
  },
  vjp: ({ inputs, grads, attrs }) => [geluGrad(inputs[0]!, grads[0]!, attrs.approximate)],
  samples: (['none', 'tanh'] as const).flatMap((approximate) =>
    floatSamples.map((sample) => ({ ...sample, name: `${sample.name} ${approximate}`, attrs: { approximate } })),
  ),
})

const geluGradOp = defineOp<GeluAttrs>({
  name: 'geluGrad',
  kind: 'composite',
  summary: 'dy · gelu′(x).',
  infer: (inputs, { approximate }) => {
    checkGrad('geluGrad', inputs)
    checkApproximate('geluGrad', approximate)
    return [inputs[0]!]
  },
  decompose: ([x, dy], { approximate }) => {
    const wide = widen(x!)
    const grad = widen(dy!)
    if (approximate === 'tanh') {
      // y = x·s, s = sigmoid(z): y′ = s + x·z′·s·(1 − s) = s · (1 + x·z′·(1 − s)), x·z′ = x·(linear + 3·cubic·x²)
      const { z, square } = tanhArgument(wide)
      const s = sigmoid(z)
      const slope = mul(wide, plus(times(square, 3 * TANH_CUBIC), TANH_LINEAR))
      return [narrow(mul(mul(s, plus(mul(slope, from(1, s)), 1)), grad), x!)]
    }
    // With u = x/√2: y′ = ½·(1 + erf(u) + u·(2/√π)·e^(−u²))
    const u = times(wide, SQRT_HALF)
    const density = mul(u, exp(from(LOG_TWO_OVER_SQRT_PI, mul(u, u))))
    return [narrow(mul(plus(add(erf(u), density), 1), times(grad, 0.5)), x!)]
  },
  samples: gradSamples([{ approximate: 'none' }, { approximate: 'tanh' }]),
})

const softplusOp = defineOp({
  name: 'softplus',
  kind: 'composite',
  summary: 'log(1 + e^x), as max(x, 0) + log(1 + e^−|x|).',
  infer: ([x]) => {
    checkFloat('softplus', x!)
    return [x!]
  },
  reference: elementwise(softplusOf),
  decompose: ([x]) => {
    const wide = widen(x!)
    return [narrow(add(max(wide, like(wide, 0)), log(plus(exp(neg(abs(wide))), 1))), x!)]
  },
  vjp: ({ inputs, grads }) => [narrow(mul(widen(grads[0]!), sigmoid(widen(inputs[0]!))), inputs[0]!)],
  samples: floatSamples,
})

const absOp = defineOp({
  name: 'abs',
  kind: 'composite',
  summary: '|x|. The lowest integer of a dtype has no opposite and stays itself.',
  infer: ([x]) => {
    checkNumber('abs', x!)
    return [x!]
  },
  reference: elementwise(Math.abs),
  decompose: ([x]) => [isSigned(dtypeOf(x!)) ? max(x!, neg(x!)) : x!],
  vjp: ({ inputs: [x], grads }) => {
    const grad = grads[0]!
    const zero = like(x!, 0)
    return [where(lt(x!, zero), neg(grad), where(lt(zero, x!), grad, like(grad, 0)))]
  },
  samples: [
    ...floatSamples,
    { name: 'zeros', inputs: [{ shape: [2], values: [-0, 0] }], gradient: false },
    { name: 'i32', inputs: [{ shape: [4], dtype: 'i32', values: [-2147483648, -3, 0, 7] }] },
    { name: 'i8', inputs: [{ shape: [3], dtype: 'i8', values: [-127, 0, 5] }] },
    { name: 'u8', inputs: [{ shape: [3], dtype: 'u8', values: [255, 0, 5] }] },
  ],
})

export const activationOps: readonly OpRow[] = [reluOp, sigmoidOp, siluOp, geluOp, softplusOp, absOp, geluGradOp, siluGradOp]
