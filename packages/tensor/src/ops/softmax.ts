/** Normalised exponentials along an axis, all computed after subtracting the maximum so that nothing overflows. */
import { TensorError } from '../errors.js'
import { emit } from '../graph/build.js'
import { shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, div, eq, exp, like, log, mul, reduceMax, reduceSum, sub, where } from '../graph/primitives.js'
import { normalizeAxis } from '../shape.js'
import { checkAxis, checkFloat } from './check.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { checkCount, checkDTypeIs, checkShapeIs, describe, narrow, widen } from './wide.js'

type AxisAttrs = { readonly axis: number }

/** e^x / Σ e^x along an axis. */
export const softmax = (x: Value, axis = -1): Value => emit('softmax', [x], { axis: normalizeAxis('softmax', axis, shapeOf(x).length) })
/** log softmax(x) along an axis. */
export const logSoftmax = (x: Value, axis = -1): Value =>
  emit('logSoftmax', [x], { axis: normalizeAxis('logSoftmax', axis, shapeOf(x).length) })
/** Gradient of softmax from its output y: y · (dy − Σ y·dy). */
export const softmaxGrad = (y: Value, dy: Value, axis = -1): Value =>
  emit('softmaxGrad', [y, dy], { axis: normalizeAxis('softmaxGrad', axis, shapeOf(y).length) })

/** Treats a value as a constant: the maximum cancels in every result here, so its gradient is never wanted. */
const constantIn = (x: Value): Value => emit('stopGradient', [x])

/** Exponentials of x − max, their sum (axis kept), and the shift; equal for every op that needs them, so computed once. */
export function shiftedExp(x: Value, axis: number): { readonly exps: Value; readonly sum: Value; readonly shift: Value } {
  const peak = constantIn(reduceMax(x, [axis], true))
  const exps = exp(sub(x, peak))
  return { exps, sum: reduceSum(exps, [axis], true), shift: peak }
}

/**
 * log Σ e^x along an axis, which is kept with size 1; −∞ where every element is −∞ or there is none. In the dtype of
 * x: widen half types first.
 */
export function logSumExp(x: Value, axis = -1): Value {
  const normal = normalizeAxis('logSumExp', axis, shapeOf(x).length)
  const peak = constantIn(reduceMax(x, [normal], true))
  const shift = where(eq(peak, like(peak, -Infinity)), like(peak, 0), peak)
  return add(log(reduceSum(exp(sub(x, shift)), [normal], true)), shift)
}

function checkAxisOp(op: string, inputs: readonly TensorType[], axis: number): void {
  const x = inputs[0]!
  checkFloat(op, x)
  if (x.shape.length === 0)
    throw new TensorError('SHAPE', `${op}: a scalar has no axis to normalise along, got ${describe(x)}; reshape it to [1]`)
  checkAxis(op, axis, x.shape)
}

const samples: readonly Sample[] = [
  { name: 'rows', inputs: [{ shape: [3, 5] }], attrs: { axis: 1 } },
  { name: 'first axis', inputs: [{ shape: [4, 3] }], attrs: { axis: 0 } },
  { name: 'middle axis', inputs: [{ shape: [2, 3, 4] }], attrs: { axis: 1 } },
  { name: 'heads', inputs: [{ shape: [2, 3, 5, 7] }], attrs: { axis: 3 } },
  { name: 'one element', inputs: [{ shape: [3, 1] }], attrs: { axis: 1 } },
  { name: 'large', inputs: [{ shape: [2, 4], values: [1000, 999, -1000, 998, -1e4, -1e4, -1e4, -10001] }], attrs: { axis: 1 } },
  { name: 'masked', inputs: [{ shape: [2, 3], values: [1, -Infinity, 2, -Infinity, 0, -Infinity] }], attrs: { axis: 1 }, gradient: false },
  { name: 'nan', inputs: [{ shape: [2, 3], values: [1, NaN, 2, 3, 4, 5] }], attrs: { axis: 1 }, gradient: false },
  { name: 'no rows', inputs: [{ shape: [0, 4] }], attrs: { axis: 1 } },
  { name: 'over nothing', inputs: [{ shape: [3, 0] }], attrs: { axis: 1 } },
  { name: 'f16', inputs: [{ shape: [3, 7], dtype: 'f16' }], attrs: { axis: 1 } },
  { name: 'bf16', inputs: [{ shape: [3, 7], dtype: 'bf16' }], attrs: { axis: 1 } },
]

const softmaxOp = defineOp<AxisAttrs>({
  name: 'softmax',
  kind: 'composite',
  summary: 'e^x / Σ e^x along an axis. A row of nothing but −∞ gives NaN.',
  infer: (inputs, { axis }) => {
    checkAxisOp('softmax', inputs, axis)
    return [inputs[0]!]
  },
  decompose: ([x], { axis }) => {
    const { exps, sum } = shiftedExp(widen(x!), axis)
    return [narrow(div(exps, sum), x!)]
  },
  vjp: ({ outputs, grads, attrs }) => [softmaxGrad(outputs[0]!, grads[0]!, attrs.axis)],
  samples,
})

const softmaxGradOp = defineOp<AxisAttrs>({
  name: 'softmaxGrad',
  kind: 'composite',
  summary: 'Gradient of softmax from its output: y · (dy − Σ y·dy).',
  infer: (inputs, { axis }) => {
    checkCount('softmaxGrad', inputs, 2, 2, 'y, dy')
    checkAxisOp('softmaxGrad', inputs, axis)
    checkShapeIs('softmaxGrad', 'dy', inputs[1]!, inputs[0]!.shape, 'the shape of y')
    checkDTypeIs('softmaxGrad', 'dy', inputs[1]!, [inputs[0]!.dtype], 'the dtype of y')
    return [inputs[0]!]
  },
  decompose: ([y, dy], { axis }) => {
    const wide = widen(y!)
    const grad = widen(dy!)
    return [narrow(mul(wide, sub(grad, reduceSum(mul(wide, grad), [axis], true))), y!)]
  },
  samples: [
    { name: 'rows', inputs: [{ shape: [3, 5], range: [0, 1] }, { shape: [3, 5] }], attrs: { axis: 1 } },
    { name: 'middle axis', inputs: [{ shape: [2, 3, 4], range: [0, 1] }, { shape: [2, 3, 4] }], attrs: { axis: 1 } },
    { name: 'over nothing', inputs: [{ shape: [3, 0] }, { shape: [3, 0] }], attrs: { axis: 1 } },
    {
      name: 'f16',
      inputs: [
        { shape: [3, 5], dtype: 'f16', range: [0, 1] },
        { shape: [3, 5], dtype: 'f16' },
      ],
      attrs: { axis: 1 },
    },
    {
      name: 'bf16',
      inputs: [
        { shape: [3, 5], dtype: 'bf16', range: [0, 1] },
        { shape: [3, 5], dtype: 'bf16' },
      ],
      attrs: { axis: 1 },
    },
  ],
})

const logSoftmaxOp = defineOp<AxisAttrs>({
  name: 'logSoftmax',
  kind: 'composite',
  summary: 'log softmax(x) along an axis, without the loss of precision of taking the logarithm of small probabilities.',
  infer: (inputs, { axis }) => {
    checkAxisOp('logSoftmax', inputs, axis)
    return [inputs[0]!]
  },
  decompose: ([x], { axis }) => {
    const wide = widen(x!)
    const { sum, shift } = shiftedExp(wide, axis)
    // Shifted first: log Σ is small then, and x may be large.
    return [narrow(sub(sub(wide, shift), log(sum)), x!)]
  },
  vjp: ({ outputs, grads, attrs: { axis } }) => {
    const grad = widen(grads[0]!)
    return [narrow(sub(grad, mul(exp(widen(outputs[0]!)), reduceSum(grad, [axis], true))), outputs[0]!)]
  },
  samples,
})

export const softmaxOps: readonly OpRow[] = [softmaxOp, logSoftmaxOp, softmaxGradOp]
