/** Products with block-quantised weights. */
import { shapeOf, type Node, type Value } from '../../../graph/node.js'
import { blockSize, type QuantAttrs } from '../../../ops/quant.js'
import type { EmitContext, Result } from './context.js'
import { attrsOf } from './emitter.js'
import { MICROSOFT, type Name } from './model-builder.js'
import { FLOAT } from './onnx-type.js'

/**
 * MatMulNBits, which unpacks blocks as it goes; level 4 multiplies in int8. Weights must be constants of the model: as
 * inputs they are packed again on every run, 170 times slower. Minimums are a product of their own, since float zero
 * points are 100 times slower than none.
 */
export function quantisedProduct(context: EmitContext, node: Node): Result {
  const [x, packed, scales, mins] = node.inputs as readonly [Value, Value, Value, Value | undefined]
  const attrs = attrsOf<QuantAttrs>(node)
  const block = blockSize(attrs)
  const [rows, blocks] = shapeOf(scales) as readonly [number, number]
  const shape = shapeOf(x)
  const data = shape.length === 1 ? context.reshape(context.as(x, FLOAT), [1, ...shape]) : context.as(x, FLOAT)
  const attributes = { K: blocks * block, N: rows, bits: attrs.bits, block_size: block, accuracy_level: 4 }
  let y: Name = context.node('MatMulNBits', [data, context.storage(packed), context.as(scales, FLOAT)], { domain: MICROSOFT, attributes })
  if (mins !== undefined) {
    const lead = shape.length === 1 ? [1] : shape.slice(0, -1)
    // Several products read the same rows.
    const sums = context.once(`blockSums|${data}|${block}`, () =>
      context.node('ReduceSum', [context.reshape(data, [...lead, blocks, block]), context.ints([-1])], { attributes: { keepdims: 0 } }),
    )
    const lowered = context.node('FusedMatMul', [sums, context.as(mins, FLOAT)], { domain: MICROSOFT, attributes: { transB: 1 } })
    y = context.node('Sub', [y, lowered])
  }
  return { name: shape.length === 1 ? context.reshape(y, node.outputs[0]!.shape) : y, type: FLOAT }
}

/** Whether the weights of a qmatmul are constants of the model. */
export const hasConstantWeights = (context: EmitContext, node: Node): boolean =>
  context.isInitializer(node.inputs[1]!) && context.isInitializer(node.inputs[2]!)
