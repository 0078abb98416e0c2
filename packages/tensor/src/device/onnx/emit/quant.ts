/** Products with block-quantised weights. */
import { shapeOf, type Node, type Value } from '../../../graph/node.js'
import type { Shape } from '../../../shape.js'
import { blockSize, type QuantAttrs } from '../../../ops/quant.js'
import type { EmitContext, Result } from './context.js'
import { attrsOf } from './emitter.js'
import { clampedIndices } from './indexing.js'
import { MICROSOFT, type Name, type NodeOptions } from './model-builder.js'
import { FLOAT, INT32, INT64 } from './onnx-type.js'

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
  const attributes = productAttributes(attrs, { K: blocks * block, N: rows })
  let y: Name = context.node('MatMulNBits', [data, context.storage(packed), context.as(scales, FLOAT)], { domain: MICROSOFT, attributes })
  if (mins !== undefined) {
    const sums = blockSums(context, data, shape.length === 1 ? [1] : shape.slice(0, -1), { blocks, block })
    y = lowerBy(context, y, sums, context.as(mins, FLOAT))
  }
  return { name: shape.length === 1 ? context.reshape(y, node.outputs[0]!.shape) : y, type: FLOAT }
}

const productAttributes = (
  attrs: QuantAttrs,
  size: { readonly K: number; readonly N: number },
): NonNullable<NodeOptions['attributes']> => ({
  ...size,
  bits: attrs.bits,
  block_size: blockSize(attrs),
  accuracy_level: 4,
})

/** Sums of the blocks of rows [...lead, blocks · block]. Several products read the same rows. */
const blockSums = (
  context: EmitContext,
  rows: Name,
  lead: Shape,
  { blocks, block }: { readonly blocks: number; readonly block: number },
): Name =>
  context.once(`blockSums|${rows}|${block}`, () =>
    context.node('ReduceSum', [context.reshape(rows, [...lead, blocks, block]), context.ints([-1])], { attributes: { keepdims: 0 } }),
  )

/** A product less what minimums take away. */
const lowerBy = (context: EmitContext, y: Name, sums: Name, mins: Name): Name =>
  context.node('Sub', [y, context.node('FusedMatMul', [sums, mins], { domain: MICROSOFT, attributes: { transB: 1 } })])

/** Whether the weights of a product, behind its first `before` inputs, are constants of the model. */
export const hasConstantWeights = (context: EmitContext, node: Node, before = 1): boolean =>
  node.inputs.slice(before).every((value) => context.isInitializer(value))

/**
 * Rows brought in order of their weights and cut into as many pieces as there are weights, each through MatMulNBits with its own: one that nothing chose gets no rows, and is not read.
 */
export function chosenProducts(context: EmitContext, node: Node): Result {
  const [x, chosen, packed, scales, mins] = node.inputs as readonly [Value, Value, Value, Value, Value | undefined]
  const attrs = attrsOf<QuantAttrs>(node)
  const block = blockSize(attrs)
  const [experts, rows, blocks] = shapeOf(scales) as readonly [number, number, number]
  const [tokens, own, columns] = shapeOf(x) as readonly [number, number, number]
  const active = shapeOf(chosen)[1] as number
  const count = tokens * active
  const ids = context.once(`ids|${context.storage(chosen)}|${experts}`, () =>
    context.node('Reshape', [clampedIndices(context, chosen, experts), context.ints([count])]),
  )
  const order = context.once(`order|${ids}`, () => ascending(context, ids, count))
  const counts = context.once(`counts|${ids}`, () => countsOf(context, ids, experts))
  const which =
    own === active ? order : context.once(`tokens|${order}|${active}`, () => context.node('Div', [order, context.ints([active])]))
  const data = context.reshape(context.as(x, FLOAT), [tokens * own, columns])
  const sorted = context.once(`sorted|${data}|${which}`, () => context.node('Gather', [data, which], { attributes: { axis: 0 } }))
  const lowered = mins === undefined ? undefined : pieces(context, blockSums(context, sorted, [count], { blocks, block }), counts, experts)
  const attributes = productAttributes(attrs, { K: columns, N: rows })
  const products = pieces(context, sorted, counts, experts).map((piece, i) => {
    const y = context.node('MatMulNBits', [piece, context.partOf(packed, i), context.partOf(scales, i)], { domain: MICROSOFT, attributes })
    return lowered === undefined ? y : lowerBy(context, y, lowered[i]!, context.partOf(mins!, i))
  })
  const together = context.node('Concat', products, { attributes: { axis: 0 } })
  const back = context.once(`back|${ids}`, () => ascending(context, order, count))
  const y = context.node('Gather', [together, back], { attributes: { axis: 0 } })
  return { name: context.reshape(y, [tokens, active, rows]), type: FLOAT }
}

/** Where the elements of a vector stand that has them in ascending order. */
const ascending = (context: EmitContext, vector: Name, count: number): Name =>
  context.builder.nodeWith('TopK', [vector, context.ints([count])], [true, true], { attributes: { axis: 0, largest: 0, sorted: 1 } })[1]!

/** How many elements of `ids` have each number, int64. */
function countsOf(context: EmitContext, ids: Name, numbers: number): Name {
  const each = Array.from({ length: numbers }, (_, i) => i)
  const hits = context.node('Equal', [ids, context.builder.constant(each, [numbers, 1], INT32)])
  return context.node('ReduceSum', [context.cast(hits, INT64), context.ints([1])], { attributes: { keepdims: 0 } })
}

/** Rows cut into pieces of so many each. */
function pieces(context: EmitContext, rows: Name, counts: Name, count: number): readonly Name[] {
  const wanted = Array.from({ length: count }, () => true)
  let made: readonly Name[] | undefined
  const first = context.once(`pieces|${rows}|${counts}`, () => {
    made = context.builder.nodeWith('Split', [rows, counts], wanted, { attributes: { axis: 0 } })
    return made[0]!
  })
  return made ?? wanted.map((_, i) => (i === 0 ? first : `${first}.${i}`))
}
