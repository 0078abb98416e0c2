/** The ends of a training step: cross entropy with its gradient, and the optimiser. */
import { dtypeOf, shapeOf, type Node, type Value } from '../../../graph/node.js'
import { elementCount } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import type { EmitContext } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { clampedIndices } from './indexing.js'
import type { Name } from './model-builder.js'
import { filled } from './movement.js'
import { DOUBLE, FLOAT } from './onnx-type.js'

type CrossEntropyAttrs = { readonly ignoreIndex?: number }

/** Labels as [..., 1] indices along the vocabulary. */
function labelColumn(context: EmitContext, logits: Value, labels: Value): Name {
  const indices = clampedIndices(context, labels, shapeOf(logits).at(-1)!)
  return context.once(`column|${indices}`, () => context.node('Unsqueeze', [indices, context.ints([-1])]))
}

/** Rows with 0 where the label is to be ignored. */
function ignoring(context: EmitContext, rows: Name, node: Node): Name {
  const labels = node.inputs[1]!
  const { ignoreIndex } = attrsOf<CrossEntropyAttrs>(node)
  if (ignoreIndex === undefined) return rows
  const type = elementTypeOf(dtypeOf(labels))
  return context.node('Where', [
    context.node('Equal', [context.as(labels, type), context.scalar(ignoreIndex, type)]),
    context.float(0),
    rows,
  ])
}

const crossEntropy: Emitter = (context, node) => {
  const [logits, labels] = node.inputs as readonly [Value, Value]
  if (elementCount(shapeOf(logits)) === 0) return [filled(context, node.outputs[0]!.shape, 'f32')]
  const axis = shapeOf(logits).length - 1
  const logProbabilities = context.node('LogSoftmax', [context.as(logits, FLOAT)], { attributes: { axis } })
  const picked = context.node('GatherElements', [logProbabilities, labelColumn(context, logits, labels)], { attributes: { axis } })
  const rows = context.node('Neg', [context.node('Squeeze', [picked, context.ints([axis])])])
  return [{ name: ignoring(context, rows, node), type: FLOAT }]
}

/** softmax · g, then −g at the labels, in place: two passes instead of one for the one-hot rows as well. */
const crossEntropyGrad: Emitter = (context, node) => {
  const [logits, labels, g] = node.inputs as readonly [Value, Value, Value]
  if (elementCount(shapeOf(logits)) === 0) return [context.forward(logits)]
  const axis = shapeOf(logits).length - 1
  const probabilities = context.node('Softmax', [context.as(logits, FLOAT)], { attributes: { axis } })
  const weight = context.node('Unsqueeze', [ignoring(context, context.as(g, FLOAT), node), context.ints([axis])])
  const weighted = context.node('Mul', [probabilities, weight])
  const lessened = context.node('ScatterElements', [weighted, labelColumn(context, logits, labels), context.node('Neg', [weight])], {
    attributes: { axis, reduction: 'add' },
  })
  return [{ name: lessened, type: FLOAT }]
}

interface AdamWAttrs {
  readonly [name: string]: number | string | undefined
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
  readonly epsMode?: 'torch' | 'tensorflow'
}

/** Factors of a step that do not depend on the element, worked out once for all parameters, in f64. */
function stepFactors(
  context: EmitContext,
  lr: Value,
  step: Value,
  attrs: AdamWAttrs,
): { readonly rate: Name; readonly eps: Name; readonly decay: Name } {
  const { beta1, beta2, eps, weightDecay, epsMode = 'torch' } = attrs
  const double = (value: Value): Name =>
    context.once(`double|${context.as(value, FLOAT)}`, () => context.cast(context.as(value, FLOAT), DOUBLE))
  const number = (value: number): Name => context.scalar(value, DOUBLE)
  const key = `${context.as(lr, FLOAT)}|${context.as(step, FLOAT)}|${beta1}|${beta2}|${eps}|${weightDecay}|${epsMode}`
  /** 1 − beta^step. */
  const correction = (beta: number): Name =>
    context.once(`correction|${beta}|${context.as(step, FLOAT)}`, () =>
      beta === 0
        ? number(1)
        : context.node('Sub', [number(1), context.node('Exp', [context.node('Mul', [double(step), number(Math.log(beta))])])]),
    )
  // m / (sqrt(v) / root + eps) = root · m / (sqrt(v) + eps · root), which divides one array less.
  const root = (): Name => context.once(`root|${beta2}|${context.as(step, FLOAT)}`, () => context.node('Sqrt', [correction(beta2)]))
  return {
    rate: context.once(`rate|${key}`, () =>
      context.cast(context.node('Div', [context.node('Mul', [double(lr), root()]), correction(beta1)]), FLOAT),
    ),
    eps:
      epsMode === 'torch'
        ? context.once(`eps|${key}`, () => context.cast(context.node('Mul', [root(), number(eps)]), FLOAT))
        : context.float(eps),
    decay:
      weightDecay === 0
        ? ''
        : context.once(`decay|${key}`, () =>
            context.cast(context.node('Sub', [number(1), context.node('Mul', [double(lr), number(weightDecay)])]), FLOAT),
          ),
  }
}

/** A gradient and the scalar that it was multiplied by, as clipping does, so that no array is made for the product alone. */
function unscaled(context: EmitContext, g: Value): { readonly grad: Name; readonly scale: Name | undefined } {
  if (g.node.op === 'mul' && dtypeOf(g) === 'f32') {
    const [a, b] = context.operands(g.node) as readonly [Value, Value]
    if (shapeOf(b).length === 0) return { grad: context.as(a, FLOAT), scale: context.as(b, FLOAT) }
    if (shapeOf(a).length === 0) return { grad: context.as(b, FLOAT), scale: context.as(a, FLOAT) }
  }
  return { grad: context.as(g, FLOAT), scale: undefined }
}

/**
 * Each old array is read by exactly one node, whose result the node that writes the new one needs: so p, m and v may be
 * written in place in any order that ONNX Runtime chooses.
 */
const adamwStep: Emitter = (context, node) => {
  const [p, g, m, v, lr, step] = node.inputs as readonly [Value, Value, Value, Value, Value, Value]
  const attrs = attrsOf<AdamWAttrs>(node)
  const { rate, eps, decay } = stepFactors(context, lr, step, attrs)
  const { grad, scale } = unscaled(context, g)
  const times = (x: Name, factor: number): Name => context.node('Mul', [x, context.float(factor)])
  const scaled = (factor: number): Name =>
    scale === undefined
      ? times(grad, factor)
      : context.node('Mul', [grad, context.once(`scaled|${scale}|${factor}`, () => times(scale, factor))])
  const newM = context.node('Add', [times(context.as(m, FLOAT), attrs.beta1), scaled(1 - attrs.beta1)])
  const root = scaled(Math.sqrt(1 - attrs.beta2))
  const newV = context.node('Add', [times(context.as(v, FLOAT), attrs.beta2), context.node('Mul', [root, root])])
  const direction = context.node('Div', [newM, context.node('Add', [context.node('Sqrt', [newV]), eps])])
  const update = context.node('Mul', [direction, rate])
  const old = context.as(p, FLOAT)
  const newP = context.node('Sub', [decay === '' ? old : context.node('Mul', [old, decay]), update])
  return [newP, newM, newV].map((name) => ({ name, type: FLOAT }))
}

export const trainingEmitters: EmitterTable = { crossEntropy, crossEntropyGrad, adamwStep }
