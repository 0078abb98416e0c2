/** The optimiser step, as one op so that it can run in place. */
import { computeArray, type NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emitAll } from '../graph/build.js'
import { dtypeOf, type TensorType, type Value } from '../graph/node.js'
import { add, cast, constant, div, exp, like, mul, neg, sqrt, sub, tanh } from '../graph/primitives.js'
import { checkFloat } from './check.js'
import { defineOp, type OpRow, type ReferenceContext, type RefTensor, type Sample } from './row.js'
import { checkCount, checkDTypeIs, checkFinite, checkShapeIs, describe, narrow, wideDType, widen } from './wide.js'

export type AdamWAttrs = {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
  /** Where ε goes: beside sqrt(v̂) as in PyTorch, or beside sqrt(v) as in TensorFlow. */
  readonly epsMode?: 'torch' | 'tensorflow'
}

/**
 * One step of AdamW (Loshchilov and Hutter, arXiv:1711.05101): p, g, m, v of one shape, lr and step (from 1) f32 scalars →
 * [p, m, v].
 */
export const adamwStep = (
  state: { readonly p: Value; readonly g: Value; readonly m: Value; readonly v: Value; readonly lr: Value; readonly step: Value },
  attrs: AdamWAttrs,
): readonly Value[] => emitAll('adamwStep', [state.p, state.g, state.m, state.v, state.lr, state.step], attrs)

function inferAdamW(inputs: readonly TensorType[], attrs: AdamWAttrs): readonly TensorType[] {
  checkCount('adamwStep', inputs, 6, 6, 'p, g, m, v, lr, step')
  const [p, g, m, v, lr, step] = inputs as readonly [TensorType, TensorType, TensorType, TensorType, TensorType, TensorType]
  const tensors = [
    ['g', g],
    ['m', m],
    ['v', v],
  ] as const
  checkFloat('adamwStep', p)
  for (const [name, type] of tensors) {
    checkShapeIs('adamwStep', name, type, p.shape, 'the shape of p')
    if (name === 'g') checkDTypeIs('adamwStep', name, type, [p.dtype, wideDType(p.dtype)], 'the dtype of p, or the one it is computed in')
    else checkDTypeIs('adamwStep', name, type, [wideDType(p.dtype)], 'moments lose too much in half types')
  }
  for (const [name, type] of [
    ['lr', lr],
    ['step', step],
  ] as const) {
    checkDTypeIs('adamwStep', name, type, ['f32'], 'a scalar')
    if (type.shape.length !== 0) throw new TensorError('SHAPE', `adamwStep: ${name} must be a scalar, got ${describe(type)}`)
  }
  for (const name of ['beta1', 'beta2'] as const)
    checkFinite('adamwStep', name, attrs[name], (value) => value >= 0 && value < 1, 'a number from 0 to below 1')
  for (const name of ['eps', 'weightDecay'] as const)
    checkFinite('adamwStep', name, attrs[name], (value) => value >= 0 && Number.isFinite(value), 'a non-negative number')
  if (attrs.epsMode !== undefined && attrs.epsMode !== 'torch' && attrs.epsMode !== 'tensorflow')
    throw new TensorError('VALUE', `adamwStep: epsMode must be 'torch' or 'tensorflow', got ${String(attrs.epsMode)}`)
  return [p, m, v]
}

/** 1 − beta^step. As −tanh(y/2) · (1 + e^y) with y = step · log(beta): subtracting beta^step from 1 loses half the digits of f32 at step 1. */
function correction(beta: number, step: Value): Value {
  if (beta === 0) return like(step, 1)
  const exponent = mul(step, like(step, Math.log(beta)))
  return neg(mul(tanh(mul(exponent, like(step, 0.5))), add(exp(exponent), like(step, 1))))
}

const times = (x: Value, factor: number): Value => mul(x, like(x, factor))

function decomposeAdamW(inputs: readonly Value[], attrs: AdamWAttrs): readonly Value[] {
  const { beta1, beta2, eps, weightDecay, epsMode = 'torch' } = attrs
  const [oldP, g, oldM, oldV] = inputs.slice(0, 4).map(widen) as [Value, Value, Value, Value]
  const dtype = dtypeOf(oldP)
  const [lr, step] = [cast(inputs[4]!, dtype), cast(inputs[5]!, dtype)]
  const m = add(times(oldM, beta1), times(g, 1 - beta1))
  const v = add(times(oldV, beta2), mul(times(g, 1 - beta2), g))
  // What does not depend on the element is worked out on scalars.
  const rate = div(lr, correction(beta1, step))
  const root = sqrt(correction(beta2, step))
  const update =
    epsMode === 'torch'
      ? div(mul(m, rate), add(div(sqrt(v), root), constant(eps, dtype)))
      : div(mul(m, mul(rate, root)), add(sqrt(v), constant(eps, dtype)))
  const decayed = weightDecay === 0 ? oldP : mul(oldP, sub(like(lr, 1), times(lr, weightDecay)))
  return [narrow(sub(decayed, update), inputs[0]!), narrow(m, inputs[2]!), narrow(v, inputs[3]!)]
}

function referenceAdamW({ inputs, outputs, attrs }: ReferenceContext<AdamWAttrs>): readonly NumericArray[] {
  const { beta1, beta2, eps, weightDecay, epsMode = 'torch' } = attrs
  const [p, g, oldM, oldV, lrs, steps] = inputs as readonly [RefTensor, RefTensor, RefTensor, RefTensor, RefTensor, RefTensor]
  const [newP, newM, newV] = outputs.map(({ dtype }) => computeArray(dtype, p.data.length)) as [NumericArray, NumericArray, NumericArray]
  const lr = lrs.data[0]!
  const step = steps.data[0]!
  const rate = lr / (1 - beta1 ** step)
  const root = Math.sqrt(1 - beta2 ** step)
  for (let i = 0; i < newP.length; i++) {
    const m = beta1 * oldM.data[i]! + (1 - beta1) * g.data[i]!
    const v = beta2 * oldV.data[i]! + (1 - beta2) * g.data[i]! ** 2
    const update = epsMode === 'torch' ? (rate * m) / (Math.sqrt(v) / root + eps) : (rate * root * m) / (Math.sqrt(v) + eps)
    newM[i] = m
    newV[i] = v
    newP[i] = p.data[i]! * (1 - lr * weightDecay) - update
  }
  return [newP, newM, newV]
}

const adamwStepOp = defineOp<AdamWAttrs>({
  name: 'adamwStep',
  kind: 'composite',
  summary: 'One AdamW step with decoupled weight decay: the new parameter and moments, in place where donated.',
  infer: inferAdamW,
  reference: referenceAdamW,
  decompose: decomposeAdamW,
  alias: [
    [0, 0],
    [1, 2],
    [2, 3],
  ],
  samples: adamSamples(),
})

function adamSamples(): Sample[] {
  const attrs: AdamWAttrs = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.1, epsMode: 'torch' }
  const sample = (
    name: string,
    shape: readonly number[],
    step: number,
    more: Partial<AdamWAttrs> = {},
    dtype: 'f32' | 'f16' | 'bf16' = 'f32',
  ): Sample => ({
    name,
    inputs: [
      { shape, dtype },
      { shape, dtype },
      { shape, range: [-1, 1] },
      { shape, range: [0, 1] },
      { shape: [], values: [0.01] },
      { shape: [], values: [step] },
    ],
    attrs: { ...attrs, ...more },
  })
  const first = sample('first step', [2, 5], 1)
  return [
    // Moments start at 0.
    {
      ...first,
      inputs: first.inputs.map((input, i) => (i === 2 || i === 3 ? { shape: [2, 5], values: new Array<number>(10).fill(0) } : input)),
    },
    sample('step 2', [7], 2),
    sample('step 1000', [3, 4], 1000),
    sample('step 100000', [3, 4], 100000),
    sample('no decay', [5], 10, { weightDecay: 0 }),
    sample('tensorflow', [5], 3, { epsMode: 'tensorflow', eps: 1e-5 }),
    sample('tensorflow, decay', [5], 30, { epsMode: 'tensorflow', eps: 1e-3 }),
    sample('no momentum', [5], 4, { beta1: 0 }),
    sample('large eps', [5], 4, { eps: 0.1, beta2: 0.95 }),
    sample('scalar', [], 5),
    sample('empty', [0, 3], 5),
    sample('f16', [6], 5, {}, 'f16'),
    sample('bf16', [6], 5, {}, 'bf16'),
  ]
}

export const optimOps: readonly OpRow[] = [adamwStepOp]
