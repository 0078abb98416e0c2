/** Products with block-quantised weights. */
import { shapeOf, type Node, type Value } from '../../../graph/node.js'
import type { Dim, Shape } from '../../../shape.js'
import { blockSize, type QuantAttrs } from '../../../ops/quant.js'
import type { EmitContext, Result } from './context.js'
import { attrsOf } from './emitter.js'
import { clampedIndices } from './indexing.js'
import { MICROSOFT, type Name } from './model-builder.js'
import { FLOAT, INT32, INT64 } from './onnx-type.js'

/** Constants of a product: one weight, or several of them one below the other. */
export interface ConstantWeight {
  readonly packed: Name
  readonly scales: Name
  readonly mins?: Name
  /** Added to each row of the result; not where inputs are taken as they are. */
  readonly bias?: Name
  readonly rows: number
  readonly blocks: number
}

/** A product whose weight is a constant of the model. */
export function quantisedProduct(context: EmitContext, node: Node): Result {
  const [x, packed, scales, mins] = node.inputs as readonly [Value, Value, Value, Value | undefined]
  const [rows, blocks] = shapeOf(scales) as readonly [number, number]
  const y = constantProduct(context, x, attrsOf<QuantAttrs>(node), {
    packed: context.storage(packed),
    scales: context.as(scales, FLOAT),
    ...(mins === undefined ? {} : { mins: context.as(mins, FLOAT) }),
    rows,
    blocks,
  })
  return { name: shapeOf(x).length === 1 ? context.reshape(y, node.outputs[0]!.shape) : y, type: FLOAT }
}

/**
 * MatMulNBits, which unpacks blocks as it goes; level 4 multiplies in int8. Weights must be constants of the model: as
 * inputs they are packed again on every run, 170 times slower. Minimums are a product of their own, since float zero
 * points are 100 times slower than none. Of a vector it gives one row.
 */
export function constantProduct(context: EmitContext, x: Value, attrs: QuantAttrs, constants: ConstantWeight): Name {
  const { packed, scales, mins, bias, rows, blocks } = constants
  const block = blockSize(attrs)
  const shape = shapeOf(x)
  const data = shape.length === 1 ? context.reshape(context.as(x, FLOAT), [1, ...shape]) : context.as(x, FLOAT)
  const lead = shape.length === 1 ? [1] : shape.slice(0, -1)
  const weight: Weight = { attrs, size: { K: blocks * block, N: rows }, packed, scales, ...(bias === undefined ? {} : { bias }) }
  const y = attrs.inputs === 'f32' ? wideProduct(context, data, lead, weight) : product(context, data, weight)
  return mins === undefined ? y : lowerBy(context, y, blockSums(context, data, lead, { blocks, block }), mins)
}

/** A weight as MatMulNBits takes it. */
interface Weight {
  readonly attrs: QuantAttrs
  readonly size: { readonly K: number; readonly N: number }
  readonly packed: Name
  readonly scales: Name
  readonly bias?: Name
}

const product = (context: EmitContext, rows: Name, { attrs, size, packed, scales, bias }: Weight): Name =>
  context.node('MatMulNBits', [rows, packed, scales, ...(bias === undefined ? [] : ['', '', bias])], {
    domain: MICROSOFT,
    attributes: { ...size, bits: attrs.bits, block_size: blockSize(attrs), accuracy_level: 4 },
  })

/**
 * A product whose inputs are not rounded to 8 bits: level 1 would take them as they are, at 2.4 times the time for a row by weights of 4 bits and 300 times by those of 8, which it unpacks first. Instead each is two numbers of 8 bits,
 * what it is rounded to and what is left of it, side by side as rows of one product: 16 bits in all.
 */
function wideProduct(context: EmitContext, rows: Name, lead: Shape, weight: Weight): Name {
  const both = context.once(`both|${rows}|${blockSize(weight.attrs)}`, () => {
    const terms = twoTerms(context, rows, lead, weight)
    return context.node(
      'Concat',
      terms.map((term) => context.node('Unsqueeze', [term, context.ints([0])])),
      { attributes: { axis: 0 } },
    )
  })
  return context.node('ReduceSum', [product(context, both, weight), context.ints([0])], { attributes: { keepdims: 0 } })
}

/** Rows [...lead, K] as the sum of two: MatMulNBits, which rounds block by block to 127ths of the largest, changes nothing of the first and half a 127th of a 127th of the second. */
function twoTerms(context: EmitContext, rows: Name, lead: Shape, { attrs, size }: Pick<Weight, 'attrs' | 'size'>): readonly [Name, Name] {
  const block = blockSize(attrs)
  const rounded = context.once(`rounded|${rows}|${block}`, () => {
    const blocks = context.node('Reshape', [rows, context.shape([...lead, size.K / block, block])])
    const largest = context.node('ReduceMax', [context.node('Abs', [blocks]), context.ints([-1])], { attributes: { keepdims: 1 } })
    // A block of zeros has a step too.
    const step = context.node('Max', [context.node('Div', [largest, context.float(127)]), context.float(1e-30)])
    const nearest = context.node('Mul', [context.node('Round', [context.node('Div', [blocks, step])]), step])
    return context.node('Reshape', [nearest, context.shape([...lead, size.K])])
  })
  return [rounded, context.once(`left|${rounded}`, () => context.node('Sub', [rows, rounded]))]
}

/** Sums of the blocks of rows [...lead, blocks · block], -1 in `lead` being as many as there are. Several products read the same rows. */
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
  const [tokens, own, columns] = shapeOf(x) as readonly [Dim, number, number]
  const active = shapeOf(chosen)[1] as number
  const count =
    typeof tokens === 'number'
      ? context.ints([tokens * active])
      : context.once(`count|${context.size(tokens)}|${active}`, () => context.node('Mul', [context.size(tokens), context.ints([active])]))
  const ids = context.once(`ids|${context.storage(chosen)}|${experts}`, () =>
    context.node('Reshape', [clampedIndices(context, chosen, experts), context.ints([-1])]),
  )
  const order = context.once(`order|${ids}`, () => ascending(context, ids, count))
  const counts = context.once(`counts|${ids}`, () => countsOf(context, ids, experts))
  const which =
    own === active ? order : context.once(`tokens|${order}|${active}`, () => context.node('Div', [order, context.ints([active])]))
  const data =
    own === 1
      ? context.reshape(context.as(x, FLOAT), [tokens, columns])
      : context.node('Reshape', [context.as(x, FLOAT), context.ints([-1, columns])])
  const sorted = context.once(`sorted|${data}|${which}`, () => context.node('Gather', [data, which], { attributes: { axis: 0 } }))
  const lowered = mins === undefined ? undefined : pieces(context, blockSums(context, sorted, [-1], { blocks, block }), counts, experts)
  const size = { K: columns, N: rows }
  const terms = attrs.inputs === 'f32' ? twoTerms(context, sorted, [-1], { attrs, size }) : [sorted]
  const cut = terms.map((term) => pieces(context, term, counts, experts))
  const products = Array.from({ length: experts }, (_, i) => {
    const weight: Weight = { attrs, size, packed: context.partOf(packed, i), scales: context.partOf(scales, i) }
    const y = cut.map((all) => product(context, all[i]!, weight)).reduce((sum, term) => context.node('Add', [sum, term]))
    return lowered === undefined ? y : lowerBy(context, y, lowered[i]!, context.partOf(mins!, i))
  })
  const together = context.node('Concat', products, { attributes: { axis: 0 } })
  const back = context.once(`back|${ids}`, () => ascending(context, order, count))
  const y = context.node('Gather', [together, back], { attributes: { axis: 0 } })
  return { name: context.reshape(y, node.outputs[0]!.shape), type: FLOAT }
}

/** Where the elements of a vector stand that has them in ascending order. */
const ascending = (context: EmitContext, vector: Name, count: Name): Name =>
  context.builder.nodeWith('TopK', [vector, count], [true, true], { attributes: { axis: 0, largest: 0, sorted: 1 } })[1]!

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
