/**
 * Attention over caches of 8 and 4 bits. Rows are rounded and written into the caches' own memory; then those that are seen, of one layer at a time, become floats again for two products, with all scores at once
 * between them. MatMulNBits unpacks what is no constant 8 times slower than DequantizeLinear does; GroupQueryAttention, of which the int8 caches have one scale for all rows, copies the floats that it is
 * given, took twice as long for a token behind 1,900 and twice the memory for pieces of a prompt.
 */
import { dtypeOf, shapeOf, typeOf, type Node, type Value } from '../../../graph/node.js'
import { LEAST_SCALE, rowLayout, type RowLayout } from '../../../ops/packed-rows.js'
import { type Dim } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import type { EmitContext, Output, Result } from './context.js'
import { attrsOf } from './emitter.js'
import { float, MICROSOFT, type Name } from './model-builder.js'
import { FLOAT, INT64, INT8, UINT8 } from './onnx-type.js'

type Attrs = { readonly scale: number; readonly window?: number; readonly softcap?: number }

/** What the whole emission of a node works with. */
interface Call {
  readonly context: EmitContext
  readonly attrs: Attrs
  readonly layout: RowLayout
  readonly batch: number
  readonly heads: number
  readonly keyHeads: number
  readonly tokens: Dim
  readonly capacity: number
  /** [] or [batch] */
  readonly positions: Value
  /** Whether each sequence has a position of its own. */
  readonly isApart: boolean
}

/** @param tokenMajor rows [B, H, T, W] as [B, T, H · W] */
export function packedAttention(context: EmitContext, node: Node, tokenMajor: (x: Value) => Name): readonly Output[] {
  const [q, k, v, cacheK, cacheV, positions, scalesK, scalesV] = node.inputs as readonly Value[] as readonly [
    Value,
    Value,
    Value,
    Value,
    Value,
    Value,
    Value,
    Value,
  ]
  const [batch, heads, tokens] = shapeOf(q) as readonly [number, number, Dim]
  const [, keyHeads, capacity] = shapeOf(cacheK) as readonly number[]
  const call: Call = {
    context,
    attrs: attrsOf<Attrs>(node),
    layout: rowLayout(typeOf(cacheK), typeOf(scalesK)),
    batch,
    heads,
    keyHeads: keyHeads!,
    tokens,
    capacity: capacity!,
    positions,
    isApart: shapeOf(positions).length === 1,
  }
  context.grows = true
  const [rowsK, rowsV] = rounded(call, tokenMajor(k), tokenMajor(v))
  const [newK, newV] = [write(call, cacheK, rowsK.codes), write(call, cacheV, rowsV.codes)]
  const [stepsK, stepsV] = [write(call, scalesK, rowsK.scales), write(call, scalesV, rowsV.scales)]
  const seen = seenRows(call)
  const sliced = (cache: Result): Name => context.node('Slice', [cache.name, seen.from, seen.to, context.ints([2])])
  const keys = halves(call, sliced(newK), sliced(stepsK), seen)
  // Rows that nobody wrote may hold anything, and 0 · NaN is NaN.
  const valueScales = sliced(stepsV)
  const values = halves(
    call,
    sliced(newV),
    call.isApart ? context.node('Where', [written(call, seen), valueScales, context.float(0)]) : valueScales,
    seen,
  )
  const out = attended(call, q, keys, values, seen)
  return [{ name: out, type: FLOAT }, newK, newV, stepsK, stepsV]
}

// ---- Rows on their way into the caches ----

interface Rounded {
  readonly codes: Name
  readonly scales: Name
}

/** Keys and values [B, T, K · W], rounded together: [B, T, K, …] each. */
function rounded({ context, layout, batch, keyHeads, tokens }: Call, k: Name, v: Name): readonly [Rounded, Rounded] {
  const { bits, block, width } = layout
  const both = context.node('Concat', [k, v], { attributes: { axis: 0 } })
  const x = context.node('Reshape', [both, context.ints([-1, block])])
  const [codes, scales] = bits === 8 ? wide(context, x) : narrow(context, x, block)
  const apart = (name: Name, last: number): readonly Name[] => {
    const rows = context.node('Reshape', [name, context.shape([2 * batch, tokens, keyHeads, last])])
    return context.builder.nodeWith('Split', [rows], [true, true], { attributes: { axis: 0, num_outputs: 2 } })
  }
  const [codesK, codesV] = apart(codes, (width * bits) / 8) as readonly [Name, Name]
  const [scalesK, scalesV] = apart(scales, width / block) as readonly [Name, Name]
  return [
    { codes: codesK, scales: scalesK },
    { codes: codesV, scales: scalesV },
  ]
}

const reduce = (context: EmitContext, op: 'ReduceMax' | 'ReduceMin', x: Name, keepdims: 0 | 1): Name =>
  context.node(op, [x, context.ints([-1])], { attributes: { keepdims } })

/** Blocks [R, block]: their numbers in i8, and scales [R]. */
function wide(context: EmitContext, x: Name): readonly [codes: Name, scales: Name] {
  const largest = reduce(context, 'ReduceMax', context.node('Abs', [x]), 0)
  const scales = context.node('Max', [context.node('Mul', [largest, context.float(1 / 127)]), context.float(LEAST_SCALE)])
  return [context.node('QuantizeLinear', [x, scales], { attributes: { axis: 0, output_dtype: INT8 } }), scales]
}

/** Blocks [R, block]: two numbers in a byte, u8 [R, block/2], and scales [R, 1]. */
function narrow(context: EmitContext, x: Name, block: number): readonly [codes: Name, scales: Name] {
  const [largest, least] = [reduce(context, 'ReduceMax', x, 1), reduce(context, 'ReduceMin', x, 1)]
  const isAbove = context.node('Greater', [context.node('Add', [largest, least]), context.float(0)])
  const farthest = context.node('Mul', [context.node('Where', [isAbove, largest, least]), context.float(-1 / 8)])
  const scales = context.node('Add', [farthest, context.float(LEAST_SCALE)])
  const steps = context.node('QuantizeLinear', [context.node('Div', [x, scales]), context.float(1), context.scalar(8, UINT8)])
  const codes = context.node('Min', [steps, context.scalar(15, UINT8)])
  const [low, high] = context.builder.nodeWith('Split', [codes, context.ints([block / 2, block / 2])], [true, true], {
    attributes: { axis: 1 },
  }) as [Name, Name]
  const shifted = context.node('BitShift', [high, context.scalar(4, UINT8)], { attributes: { direction: 'LEFT' } })
  return [context.node('BitwiseOr', [low, shifted]), scales]
}

/** A cache with rows [B, T, K, …] written, whose output may be bound to the cache's own memory. Rows of sequences apart that have no place leave what is there. */
function write(call: Call, cache: Value, rows: Name): Result {
  const { context, isApart } = call
  const type = elementTypeOf(dtypeOf(cache))
  const data = context.as(cache, type)
  const places = isApart ? placesApart(call) : consecutive(call)
  if (!isApart) return { name: context.node('ScatterND', [data, places, rows]), type }
  const inFloat = (name: Name): Name => (type === FLOAT ? name : context.cast(name, FLOAT))
  const chosen = context.node('Where', [fitsApart(call), inFloat(rows), inFloat(context.node('GatherND', [data, places]))])
  return { name: context.node('ScatterND', [data, places, type === FLOAT ? chosen : context.cast(chosen, type)]), type }
}

/** Coordinates [B, T, K, 3] of rows that follow each other; the host checks that they fit, and here they end where the capacity does. */
function consecutive({ context, positions, batch, keyHeads, tokens, capacity }: Call): Name {
  const source = context.as(positions, INT64)
  return context.once(`consecutive|${source}|${batch}|${keyHeads}|${context.size(tokens)}|${capacity}`, () => {
    const last =
      typeof tokens === 'number' ? context.ints([capacity - tokens]) : context.node('Sub', [context.ints([capacity]), context.size(tokens)])
    const first = context.node('Max', [
      context.node('Min', [context.node('Reshape', [source, context.ints([1])]), last]),
      context.ints([0]),
    ])
    const slots = context.node('Reshape', [context.node('Add', [first, upTo(context, tokens)]), context.ints([1, -1, 1, 1])])
    return coordinates(context, batch, keyHeads, slots)
  })
}

/** Coordinates [B, 1, K, 3] of a row for each sequence, and whether there is room for it, [B, 1, 1, 1]. */
function placesApart({ context, positions, batch, keyHeads, capacity }: Call): Name {
  const own = positionsApart(context, positions)
  return context.once(`placesApart|${own}|${keyHeads}|${capacity}`, () => {
    const slots = context.node('Max', [context.node('Min', [own, context.ints([capacity - 1])]), context.ints([0])])
    return coordinates(context, batch, keyHeads, slots)
  })
}
function fitsApart({ context, positions, capacity }: Call): Name {
  const own = positionsApart(context, positions)
  return context.once(`fitsApart|${own}|${capacity}`, () =>
    context.node('And', [
      context.node('GreaterOrEqual', [own, context.scalar(0, INT64)]),
      context.node('Less', [own, context.scalar(capacity, INT64)]),
    ]),
  )
}

/** [batch, head, slot] for all heads of slots [B or 1, T, 1, 1]. */
function coordinates(context: EmitContext, batch: number, keyHeads: number, slots: Name): Name {
  const base: number[] = []
  for (let i = 0; i < batch; i++) for (let j = 0; j < keyHeads; j++) base.push(i, j, 0)
  const sequences = context.builder.constant(base, [batch, 1, keyHeads, 3], INT64)
  return context.node('Add', [sequences, context.node('Mul', [slots, context.ints([0, 0, 1])])])
}

/** 0, 1, … int64 [count] */
const upTo = (context: EmitContext, count: Dim): Name =>
  typeof count === 'number'
    ? context.ints(Array.from({ length: count }, (_, i) => i))
    : context.once(`upTo|${context.size(count)}`, () =>
        context.node('Range', [context.scalar(0, INT64), context.node('Squeeze', [context.size(count)]), context.scalar(1, INT64)]),
      )

// ---- What is seen ----

interface Seen {
  /** int64 [1]: the rows of the cache that any query sees. */
  readonly from: Name
  readonly to: Name
}

function seenRows({ context, positions, tokens, capacity, isApart, attrs: { window } }: Call): Seen {
  const at = context.node.bind(context)
  const source = context.as(positions, INT64)
  const key = `${source}|${context.size(tokens)}|${capacity}`
  const first = isApart
    ? context.once(`furthest|${source}`, () => at('ReduceMax', [source, context.ints([0])], { attributes: { keepdims: 1 } }))
    : context.once(`first|${source}`, () => at('Reshape', [source, context.ints([1])]))
  // One row at least, so that nothing is empty.
  const to = context.once(`seenTo|${key}`, () =>
    at('Max', [at('Min', [at('Add', [first, context.size(tokens)]), context.ints([capacity])]), context.ints([1])]),
  )
  if (window === undefined || isApart) return { from: context.ints([0]), to }
  const from = context.once(`seenFrom|${key}|${window}`, () => {
    const held = at('Sub', [at('Sub', [to, context.size(tokens)]), context.ints([window - 1])])
    return at('Max', [held, context.ints([0])])
  })
  return { from, to }
}

/** int64 [S]: the numbers of the rows that are seen. */
const columns = (context: EmitContext, { from, to }: Seen): Name =>
  context.once(`columns|${from}|${to}`, () =>
    context.node('Range', [context.node('Squeeze', [from]), context.node('Squeeze', [to]), context.scalar(1, INT64)]),
  )

/** int64 [B, 1, 1, 1] */
const positionsApart = (context: EmitContext, positions: Value): Name => {
  const source = context.as(positions, INT64)
  return context.once(`apart|${source}`, () => context.node('Reshape', [source, context.ints([-1, 1, 1, 1])]))
}

/** bool [B, 1, S, 1]: the rows of each sequence up to its own. */
function written({ context, positions }: Call, seen: Seen): Name {
  const own = positionsApart(context, positions)
  const rows = columns(context, seen)
  return context.once(`written|${own}|${rows}`, () =>
    context.node('LessOrEqual', [context.node('Reshape', [rows, context.ints([1, 1, -1, 1])]), own]),
  )
}

/** bool [B or 1, 1, G · T, S]: what the queries of G heads that share keys see of these rows; undefined where each sees all. */
function visible({ context, positions, heads, keyHeads, tokens, isApart, attrs: { window } }: Call, seen: Seen): Name | undefined {
  if (!isApart && tokens === 1) return undefined
  const rows = columns(context, seen)
  const at = context.node.bind(context)
  const shared = heads / keyHeads
  const own = isApart
    ? positionsApart(context, positions)
    : context.once(`own|${seen.to}|${context.size(tokens)}|${shared}`, () => {
        const each = at('Add', [at('Sub', [seen.to, context.size(tokens)]), upTo(context, tokens)])
        return at('Reshape', [at('Expand', [each, context.shape([shared, tokens])]), context.ints([1, 1, -1, 1])])
      })
  return context.once(`visible|${own}|${rows}|${window}`, () => {
    const before = at('LessOrEqual', [rows, own])
    if (window === undefined) return before
    return at('And', [before, at('Greater', [rows, at('Sub', [own, context.ints([window])])])])
  })
}

// ---- Rows as floats ----

/** Rows [B, K, S, W] as floats: whole, or, of 4 bits, in two parts [B, K, S, W/2] of which neither is unpacked: the first numbers of blocks are `bytes` − 16 · `last`, the others `last`. */
type Floats = { readonly whole: Name } | { readonly bytes: Name; readonly last: Name }

function halves({ context, layout, batch, keyHeads }: Call, codes: Name, scales: Name, seen: Seen): Floats {
  const { bits, block, width } = layout
  const perBlock = context.node('Reshape', [scales, context.ints([-1])])
  const rows = (name: Name, last: number): Name => context.node('Reshape', [name, context.ints([batch, keyHeads, -1, last])])
  if (bits === 8) {
    const blocks = context.node('Reshape', [codes, context.ints([-1, block])])
    return { whole: rows(context.node('DequantizeLinear', [blocks, perBlock], { attributes: { axis: 0 } }), width) }
  }
  const blocks = context.node('Reshape', [codes, context.ints([-1, block / 2])])
  const zeros = (zero: number): Name =>
    context.once(`zeros|${zero}|${seen.from}|${seen.to}|${batch}|${keyHeads}|${width / block}`, () =>
      context.node('Expand', [context.builder.constant([zero], [1], UINT8), context.node('Shape', [perBlock])]),
    )
  const floats = (name: Name, zero: number): Name =>
    rows(context.node('DequantizeLinear', [name, perBlock, zeros(zero)], { attributes: { axis: 0 } }), width / 2)
  // The number in the high half: the byte less 7 by a little more than 16, rounded to the nearest. A table of 256 does it, where a shift takes half as long again.
  const step = [context.float(1), context.scalar(7, UINT8), context.float(16.01), context.scalar(0, UINT8)]
  const high = context.node('QLinearLeakyRelu', [blocks, ...step], { domain: MICROSOFT, attributes: { alpha: float(1) } })
  return { bytes: floats(blocks, 8 + 16 * 8), last: floats(high, 8) }
}

/** Some rows [..., W] as the first numbers of their blocks and the last, [..., W/2] each. */
function blockHalves({ context, layout: { width, block } }: Call, rows: Name, lead: readonly number[]): readonly [Name, Name] {
  const blocks = context.node('Reshape', [rows, context.ints([-1, 2, block / 2])])
  const parts = context.builder.nodeWith('Split', [blocks], [true, true], { attributes: { axis: 1, num_outputs: 2 } })
  return parts.map((part) => context.node('Reshape', [part, context.ints([...lead, width / 2])])) as [Name, Name]
}

/** The same the other way round. */
function joinHalves({ context, layout: { block } }: Call, first: Name, last: Name, shape: Name): Name {
  const blocks = [first, last].map((part) => context.node('Reshape', [part, context.ints([-1, 1, block / 2])]))
  return context.node('Reshape', [context.node('Concat', blocks, { attributes: { axis: 1 } }), shape])
}

/** first − 16 · last */
const lessLast = (context: EmitContext, first: Name, last: Name): Name =>
  context.node('Sub', [first, context.node('Mul', [last, context.float(16)])])

// ---- Products ----

/** [B, H, T, W] */
function attended(call: Call, q: Value, keys: Floats, values: Floats, seen: Seen): Name {
  const { context, attrs, layout, batch, heads, keyHeads, tokens } = call
  const { scale, softcap } = attrs
  // Queries that share a key head are more rows of one product.
  const lead = [batch, keyHeads, -1]
  const queries = context.node('Reshape', [context.as(q, FLOAT), context.ints([...lead, layout.width])])
  const times = (a: Name, b: Name): Name =>
    context.node('FusedMatMul', [a, b], {
      domain: MICROSOFT,
      attributes: { transB: 1, alpha: float(softcap === undefined ? scale : scale / softcap) },
    })
  let scores: Name
  if ('whole' in keys) scores = times(queries, keys.whole)
  else {
    const [first, last] = blockHalves(call, queries, lead)
    scores = context.node('Add', [times(first, keys.bytes), times(lessLast(context, last, first), keys.last)])
  }
  if (softcap !== undefined) scores = context.node('Mul', [context.node('Tanh', [scores]), context.float(softcap)])
  const isSeen = visible(call, seen)
  const weights = context.node('Softmax', [isSeen === undefined ? scores : hidden(call, scores, isSeen)], { attributes: { axis: -1 } })
  const sum = (rows: Name): Name => context.node('MatMul', [weights, rows])
  const shape = context.shape([batch, heads, tokens, layout.width])
  if ('whole' in values) return emptied(call, context.node('Reshape', [sum(values.whole), shape]))
  const last = sum(values.last)
  return emptied(call, joinHalves(call, lessLast(context, sum(values.bytes), last), last, shape))
}

/** Scores of what is seen. Where all rows were written sums do, which take no memory of their own. */
function hidden({ context, isApart }: Call, scores: Name, isSeen: Name): Name {
  const low = context.float(-1e30)
  if (isApart) return context.node('Where', [isSeen, scores, low])
  return context.node('Add', [scores, context.once(`lowered|${isSeen}`, () => context.node('Where', [isSeen, context.float(0), low]))])
}

/** A sequence that sees nothing gives 0. */
function emptied({ context, positions, isApart }: Call, out: Name): Name {
  if (!isApart) return out
  const own = positionsApart(context, positions)
  const seesSome = context.once(`seesSome|${own}`, () => context.node('GreaterOrEqual', [own, context.scalar(0, INT64)]))
  return context.node('Where', [seesSome, out, context.float(0)])
}
