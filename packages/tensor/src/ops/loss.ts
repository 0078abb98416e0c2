/** Cross entropy of logits with integer labels. */
import { isInteger, integerRange } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit } from '../graph/build.js'
import { shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, div, eq, gatherAlong, like, log, mul, neg, reshape, scatterAddAlong, sub, where } from '../graph/primitives.js'
import { checkFloat, checkIndices } from './check.js'
import { defineOp, type OpRow, type Sample } from './row.js'
import { shiftedExp } from './softmax.js'
import { checkCount, checkDTypeIs, checkShapeIs, describe, given, lastAxis, narrow, wideDType, widen } from './wide.js'

type CrossEntropyAttrs = { readonly ignoreIndex?: number }

/** −log softmax(logits)[label] for each row: logits [..., V], labels [...] → [...] in f32 (f64 for f64); 0 where the label is `ignoreIndex`. */
export const crossEntropy = (logits: Value, labels: Value, options: CrossEntropyAttrs = {}): Value =>
  emit('crossEntropy', [logits, labels], given({ ignoreIndex: options.ignoreIndex }))
/** Gradient of {@link crossEntropy} by the logits: (softmax − one-hot) · g, 0 in ignored rows. */
export const crossEntropyGrad = (logits: Value, labels: Value, g: Value, options: CrossEntropyAttrs = {}): Value =>
  emit('crossEntropyGrad', [logits, labels, g], given({ ignoreIndex: options.ignoreIndex }))

function checkLogits(op: string, logits: TensorType, labels: TensorType, { ignoreIndex }: CrossEntropyAttrs): TensorType {
  checkFloat(op, logits)
  if (logits.shape.length === 0) throw new TensorError('SHAPE', `${op}: logits must be [..., V], got ${describe(logits)}`)
  checkIndices(op, labels)
  checkShapeIs(op, 'labels', labels, logits.shape.slice(0, -1), 'one for each row of logits')
  if (ignoreIndex !== undefined) {
    const [least, most] = isInteger(labels.dtype) ? integerRange(labels.dtype) : [0, 0]
    if (!Number.isInteger(ignoreIndex) || ignoreIndex < least || ignoreIndex > most)
      throw new TensorError(
        'VALUE',
        `${op}: ignoreIndex ${ignoreIndex} is not a value of the labels, ${describe(labels)}; expected an integer from ${least} to ${most}`,
      )
  }
  return { shape: labels.shape, dtype: wideDType(logits.dtype) }
}

/** Labels with an axis of 1 at the end, to pick along the vocabulary. */
const asColumn = (x: Value): Value => reshape(x, [...shapeOf(x), 1])

/** A per-row value with ignored rows set to 0. */
function ignoring(rows: Value, labels: Value, ignoreIndex: number | undefined): Value {
  return ignoreIndex === undefined ? rows : where(eq(labels, like(labels, ignoreIndex)), like(rows, 0), rows)
}

const crossEntropyOp = defineOp<CrossEntropyAttrs>({
  name: 'crossEntropy',
  kind: 'composite',
  summary: '−log softmax(logits)[label] for each row, 0 where the label is ignoreIndex.',
  infer: (inputs, attrs) => {
    checkCount('crossEntropy', inputs, 2, 2, 'logits, labels')
    return [checkLogits('crossEntropy', inputs[0]!, inputs[1]!, attrs)]
  },
  decompose: ([logits, labels], { ignoreIndex }) => {
    const wide = widen(logits!)
    const axis = lastAxis(wide)
    const { sum, shift } = shiftedExp(wide, axis)
    const picked = gatherAlong(wide, asColumn(labels!), axis)
    // The label's logit is shifted before log Σ is added: both are then small, however large the logits.
    const nll = add(sub(shift, picked), log(sum))
    return [ignoring(reshape(nll, shapeOf(labels!)), labels!, ignoreIndex)]
  },
  vjp: ({ inputs: [logits, labels], grads, attrs }) => [crossEntropyGrad(logits!, labels!, grads[0]!, attrs), undefined],
  samples: [
    ...lossSamples(false),
    {
      name: 'large',
      inputs: [
        { shape: [2, 3], values: [1e4, 0, -1e4, 50, 60, 1e5] },
        { shape: [2], dtype: 'i32', values: [1, 2] },
      ],
      gradient: false,
    },
    {
      name: 'nan',
      inputs: [
        { shape: [2, 3], values: [NaN, 0, 1, 1, 2, 3] },
        { shape: [2], dtype: 'i32', values: [1, 2] },
      ],
      gradient: false,
    },
  ],
})

const crossEntropyGradOp = defineOp<CrossEntropyAttrs>({
  name: 'crossEntropyGrad',
  kind: 'composite',
  summary: '(softmax(logits) − one-hot(label)) · g, 0 in ignored rows: the gradient of crossEntropy.',
  infer: (inputs, attrs) => {
    checkCount('crossEntropyGrad', inputs, 3, 3, 'logits, labels, g')
    const rows = checkLogits('crossEntropyGrad', inputs[0]!, inputs[1]!, attrs)
    checkShapeIs('crossEntropyGrad', 'g', inputs[2]!, rows.shape, 'one for each row of logits')
    checkDTypeIs('crossEntropyGrad', 'g', inputs[2]!, [rows.dtype], 'the dtype of the losses')
    return [inputs[0]!]
  },
  decompose: ([logits, labels, g], { ignoreIndex }) => {
    const wide = widen(logits!)
    const axis = lastAxis(wide)
    const weight = asColumn(ignoring(g!, labels!, ignoreIndex))
    // The exponentials are those of the forward pass, so one multiplication makes the softmax with its weight.
    const { exps, sum } = shiftedExp(wide, axis)
    return [narrow(scatterAddAlong(mul(exps, div(weight, sum)), asColumn(labels!), neg(weight), axis), logits!)]
  },
  samples: lossSamples(true),
})

function lossSamples(withGrad: boolean): Sample[] {
  const sample = (
    name: string,
    logits: readonly number[],
    labels: readonly number[],
    attrs: CrossEntropyAttrs = {},
    dtype: 'f32' | 'f16' | 'bf16' = 'f32',
    labelDType: 'i32' | 'u32' = 'i32',
  ): Sample => ({
    name,
    inputs: [
      { shape: logits, dtype },
      { shape: logits.slice(0, -1), dtype: labelDType, values: labels },
      ...(withGrad ? [{ shape: logits.slice(0, -1) }] : []),
    ],
    attrs,
  })
  return [
    sample('rows', [4, 7], [0, 6, 3, 3]),
    sample('batch', [2, 3, 5], [0, 1, 2, 3, 4, 0]),
    sample('vector', [6], [2]),
    sample('ignored', [4, 5], [1, -100, 4, -100], { ignoreIndex: -100 }),
    sample('ignored in range', [3, 5], [0, 2, 0], { ignoreIndex: 0 }),
    sample('u32 labels', [3, 5], [4, 2, 0], {}, 'f32', 'u32'),
    sample('one class', [2, 1], [0, 0]),
    sample('no rows', [0, 5], []),
    sample('f16', [3, 9], [8, 0, 4], {}, 'f16'),
    sample('bf16', [3, 9], [8, 0, 4], {}, 'bf16'),
  ]
}

export const lossOps: readonly OpRow[] = [crossEntropyOp, crossEntropyGradOp]
