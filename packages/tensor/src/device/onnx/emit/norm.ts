/** Softmax and layer normalisation. */
import { dtypeOf, shapeOf, type Node, type Value } from '../../../graph/node.js'
import { elementCount, sameShape } from '../../../shape.js'
import type { EmitContext } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { float, MICROSOFT, type Name } from './model-builder.js'
import { filled } from './movement.js'
import { FLOAT } from './onnx-type.js'
import { reduce } from './reduce.js'

const alongAxis =
  (opType: string): Emitter =>
  (context, node) => {
    const { axis } = attrsOf<{ axis: number }>(node)
    return [{ name: context.node(opType, [context.as(node.inputs[0]!, FLOAT)], { attributes: { axis } }), type: FLOAT }]
  }

const layerNorm: Emitter = (context, node) => {
  const [x, weight, bias] = node.inputs as readonly [Value, Value, Value | undefined]
  const { eps } = attrsOf<{ eps: number }>(node)
  const inputs = [context.as(x, FLOAT), context.as(weight, FLOAT), bias === undefined ? '' : context.as(bias, FLOAT)]
  const wanted = node.outputs.map((_, i) => i === 0 || context.used(node, i))
  return context.builder
    .nodeWith('LayerNormalization', inputs, wanted, { attributes: { axis: -1, epsilon: float(eps) } })
    .map((name) => ({ name, type: FLOAT }))
}

/** What x is the sum of, where nobody has made that yet and one kernel can add and norm. */
function termsOf(context: EmitContext, node: Node, x: Value): readonly Value[] | undefined {
  const fits =
    x.node.op === 'add' && context.isPending(x) && !context.used(node, 1) && shapeOf(x).length === 3 && elementCount(shapeOf(x)) > 0
  return fits && x.node.inputs.every((term) => dtypeOf(term) === 'f32' && sameShape(shapeOf(term), shapeOf(x))) ? x.node.inputs : undefined
}

/** RMSNormalization does not return its factor; where gradients need it, it comes from a product with a column of 1/D. */
const rmsNorm: Emitter = (context, node) => {
  const [x, weight] = node.inputs as readonly [Value, Value]
  const { eps } = attrsOf<{ eps: number }>(node)
  const terms = termsOf(context, node, x)
  if (terms !== undefined) {
    const inputs = [...terms.map((term) => context.as(term, FLOAT)), context.as(weight, FLOAT)]
    const [y, , , sum] = context.builder.nodeWith('SkipSimplifiedLayerNormalization', inputs, [true, false, false, true], {
      domain: MICROSOFT,
      attributes: { epsilon: float(eps) },
    }) as [Name, Name, Name, Name]
    context.define(x, { name: sum, type: FLOAT })
    return [
      { name: y, type: FLOAT },
      { name: y, type: FLOAT },
    ]
  }
  const data = context.as(x, FLOAT)
  const y = context.node('RMSNormalization', [data, context.as(weight, FLOAT)], {
    attributes: { axis: -1, epsilon: float(eps) },
    since: 23,
  })
  if (!context.used(node, 1))
    return [
      { name: y, type: FLOAT },
      { name: y, type: FLOAT },
    ]
  const width = shapeOf(x).at(-1) as number
  if (elementCount(shapeOf(x)) === 0) return [{ name: y, type: FLOAT }, filled(context, node.outputs[1]!.shape, 'f32')]
  const column = context.builder.constant(new Array<number>(width).fill(1 / width), [width, 1], FLOAT)
  const meanSquare = context.node('MatMul', [context.node('Mul', [data, data]), column])
  const rstd = context.node('Reciprocal', [context.node('Sqrt', [context.node('Add', [meanSquare, context.float(eps)])])])
  return [
    { name: y, type: FLOAT },
    { name: rstd, type: FLOAT },
  ]
}

/**
 * Scores are raised to at most this much below their row's largest. ONNX Runtime's softmax turns whatever is further down,
 * as masked scores are, into subnormal numbers, with which it and the products after it take up to ten times as long:
 * 48 causal 64 x 64 softmaxes 0.68 instead of 0.10 ms. e^−60 is 1e-26, nothing beside a row's sum of at least 1.
 */
const SOFTMAX_RANGE = 60

const softmaxMatmul: Emitter = (context, node) => {
  const [scores, v] = node.inputs as readonly [Value, Value]
  const data = context.as(scores, FLOAT)
  if (elementCount(shapeOf(scores)) === 0) return [filled(context, node.outputs[0]!.shape, 'f32'), { name: data, type: FLOAT }]
  const floor = context.node('Sub', [reduce(context, 'ReduceMax', data, [shapeOf(scores).length - 1], true), context.float(SOFTMAX_RANGE)])
  const probabilities = context.node('Softmax', [context.node('Max', [data, floor])], { attributes: { axis: -1 } })
  return [
    { name: context.node('MatMul', [probabilities, context.as(v, FLOAT)]), type: FLOAT },
    { name: probabilities, type: FLOAT },
  ]
}

export const normEmitters: EmitterTable = {
  softmax: alongAxis('Softmax'),
  logSoftmax: alongAxis('LogSoftmax'),
  softmaxMatmul,
  layerNorm,
  rmsNorm,
}
