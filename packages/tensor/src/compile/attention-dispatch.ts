import type { Node, TensorType, Value } from '../graph/node.js'
import { dtypeOf, shapeOf, typeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { joinRanges, type Span } from '../kernel/lib/attention-rows.js'
import { attendAlone, windowStart, type Query } from '../kernel/lib/attention.js'
import { asExpr } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord, rounded } from '../kernel/lib/pack.js'
import { softwareTuning, type Tuning } from '../kernel/lib/tuning.js'
import { elementCount, elementCountAt, type Dim, type SymValues } from '../shape.js'
import { packedColumn } from '../kernel/lib/packed-rows.js'
import { pageWritesDispatches, writesDispatch, type CacheWrite } from './cache-dispatch.js'
import { packedWritesDispatches, type PackedWrite } from './packed-cache-dispatch.js'
import { backwardBindings, backwardBlock } from './attention-backward.js'
import type { Dispatch, DispatchOptions } from './dispatches.js'
import { ELEMENT_GROUP, inVectors, kernelOf, placeInWord, type BuiltKernel, type KernelParts } from './kernel-parts.js'
import {
  attendGroup,
  attentionEnds,
  biasAt,
  groupCount,
  memo,
  packedRowsOf,
  rangePlaces,
  rowsInOrder,
  rowsInPages,
  type Attended,
} from './attention-groups.js'
import { attentionCut } from './attention-cut.js'
import type { Memory } from './places.js'
import { rangesOf } from './reach.js'

/** Numbers of a head for which a thread has room. */
const MOST_WIDTH = 256

/** Whether attention of these shapes has a kernel of its own. */
export function hasAttention(op: string, inputs: readonly TensorType[], options: DispatchOptions): boolean {
  const [q] = inputs
  const { tuning = softwareTuning } = options
  const isTrained = op === 'attentionForward' || op === 'attentionGrad'
  if ((op !== 'attention' && op !== 'attendCached' && op !== 'attendPaged' && !isTrained) || q === undefined) return false
  // What has no elements has no memory that could be bound as vectors.
  if (inputs.some(({ shape }) => elementCount(shape) === 0)) return false
  const width = q.shape[3]
  // Both passes or none: what one keeps the other has to understand.
  if (isTrained && (backwardBlock(inputs, tuning) === undefined || backwardBindings(op, inputs, options) > options.maxBindings))
    return false
  // Pools grow, and whoever makes them asks here how far they can.
  if (op === 'attendPaged' && pagedBindings(inputs, options) > options.maxBindings) return false
  return typeof width === 'number' && width > 0 && width <= MOST_WIDTH && width % perWord(q.dtype) === 0 && Number(q.shape[1]) > 0
}

/** Arrays that attention over pages reaches: queries and results, pools, the table and positions; and of ranges what lies between dispatches. */
function pagedBindings(
  [q, , , ...pages]: readonly TensorType[],
  { maxBindings, rangeBytes = Infinity, blockBytes = Infinity }: DispatchOptions,
): number {
  return rangesOf([q!, q!, ...pages], { maxBindings, rangeBytes, blockBytes })
}

/** The dispatches of `attendCached`: the rows of this call are written into the caches, then everything is attended to. */
export function attendCachedDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const { inputs, q, keys, values, writes } = cachedParts(node)
  const [positions, scalesK, scalesV] = inputs.slice(5) as [Value, Value?, Value?]
  const ends = endsBehind(node, positions, ({ symbols }) => asExpr(symbols.dim(shapeOf(keys)[2]!)))
  const attended: Attended = { node, q, keys, values, keyRows: rowsInOrder(keys), ends, mask: undefined }
  if (scalesK === undefined || scalesV === undefined)
    return [...writesDispatch(writes, positions, memory), ...attend(attended, memory, tuning)]
  const packed = packedParts(node, writes, [scalesK, scalesV])
  return [
    ...packedWritesDispatches(packed.writes, { positions }, memory, tuning),
    ...attend({ ...attended, scales: packed.scales }, memory, tuning),
  ]
}

/** Writes into caches of fewer bits, and the scales of this call, which are outputs too. */
function packedParts(node: Node, writes: readonly CacheWrite[], before: readonly [Value, Value]) {
  const scales = { keys: { node, index: 3 }, values: { node, index: 4 } }
  const beside = [
    { cache: before[0], out: scales.keys },
    { cache: before[1], out: scales.values },
  ] as const
  return { scales, writes: writes.map((write, i): PackedWrite => ({ ...write, scales: beside[i]! })) }
}

/** The dispatches of `attendPaged`: the same with caches in pages. */
export function attendPagedDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const { inputs, q, keys, values, writes } = cachedParts(node)
  const [table, positions, scalesK, scalesV] = inputs.slice(5) as [Value, Value, Value?, Value?]
  const most = (shapeOf(table)[1] as number) * (shapeOf(keys)[2] as number)
  const ends = endsBehind(node, positions, () => u32(most))
  const attended: Attended = { node, q, keys, values, keyRows: rowsInPages(keys, table), ends, mask: undefined }
  if (scalesK === undefined || scalesV === undefined)
    return [...pageWritesDispatches(writes, [table, positions], memory, tuning), ...attend(attended, memory, tuning)]
  const packed = packedParts(node, writes, [scalesK, scalesV])
  return [
    ...packedWritesDispatches(packed.writes, { positions, table }, memory, tuning),
    ...attend({ ...attended, scales: packed.scales }, memory, tuning),
  ]
}

/** What both have: q, k, v and caches, with the caches of this call as outputs. */
function cachedParts(node: Node) {
  const [q, k, v, cacheK, cacheV] = node.inputs as readonly [Value, Value, Value, Value, Value]
  const [keys, values] = [
    { node, index: 1 },
    { node, index: 2 },
  ]
  const writes: readonly CacheWrite[] = [
    { cache: cacheK, rows: k, out: keys },
    { cache: cacheV, rows: v, out: values },
  ]
  return { inputs: node.inputs, q, keys, values, writes }
}

/** What a query sees that stands behind so many rows of a cache: those and itself, as far as there can be any. */
const endsBehind =
  (node: Node, positions: Value, most: (parts: KernelParts) => Expr): Attended['ends'] =>
  (parts, batch, token): Span => {
    const { b, elements } = parts
    const position = elements.at(positions, shapeOf(positions).length === 0 ? u32(0) : batch)
    const behind = b.let('behind', position.add(token.bits('i32')).add(1).max(0).bits('u32'))
    return { from: windowStart(b, behind, node.attrs['window'] as number | undefined), to: b.let('to', behind.min(most(parts))) }
  }

/** The dispatches of `attention`. */
export function attentionDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const [q, keys, values, mask] = node.inputs as readonly [Value, Value, Value, Value | undefined]
  return attend({ node, q, keys, values, keyRows: rowsInOrder(keys), ends: attentionEnds(node), mask }, memory, tuning)
}

function attend(attended: Attended, memory: Memory, tuning: Tuning): Dispatch[] {
  const { node, q } = attended
  const cut = attentionCut(node, tuning)
  if (cut.kind === 'alone') return [aloneDispatch(attended, memory)]
  const built = inVectors((lanes) =>
    kernelOf('attention', memory, cut.threads, (parts) => attendGroup(attended, cut, parts, lanes, memory)),
  )
  const { kernel, places, symbols } = built
  const first: Dispatch = { kernel, places, symbols, threads: (values) => groupCount(attended, cut, values) * cut.threads, title: node.op }
  return cut.ranges === 1 ? [first] : [first, joined(node, q, cut.ranges, memory)]
}

/** A thread for each query. */
function aloneDispatch(attended: Attended, memory: Memory): Dispatch {
  const { node, q, keys, values: v } = attended
  const [batch, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const build = (lanes: 1 | 4): BuiltKernel =>
    kernelOf('attention', memory, ELEMENT_GROUP, (parts) =>
      parts.when(parts.thread, parts.symbols.count([batch, heads, tokens]), () => writeQuery(attended, parts, parts.thread, lanes)),
    )
  const inVector = (value: Value): boolean => dtypeOf(value) === 'f32' && memory.of(value) !== undefined
  const vectors = width % 4 === 0 && (attended.scales === undefined ? [q, keys, v] : [q]).every(inVector)
  const { kernel, places, symbols } = vectors ? inVectors(build) : build(1)
  return { kernel, places, symbols, threads: (values) => elementCountAt([batch, heads, tokens], values), title: node.op }
}

/** Results of the ranges of keys put together: a thread for each word. */
function joined(node: Node, q: Value, ranges: number, memory: Memory): Dispatch {
  const { shape, dtype } = typeOf(q)
  const width = shape[3] as number
  const elementsPerWord = perWord(dtype)
  const { kernel, places, symbols } = kernelOf('attention_joined', memory, ELEMENT_GROUP, (parts) => {
    const { b, symbols: sizes, arrays, elements, thread, when } = parts
    const [out, between] = [arrays.of({ node, index: 0 })!, arrays.at(memory.between(node)!)]
    const total = asExpr(sizes.count(shape))
    const at = rangePlaces(parts, q, ranges)
    when(thread, elementsPerWord === 1 ? total : total.div(elementsPerWord), () => {
      const word = joinParts(elementsPerWord, (part) => {
        const index = placeInWord(b, thread, part, elementsPerWord, total)
        const [query, w] = [b.let('query', index.div(width)), b.let('w', index.rem(width))]
        const inside = (body: () => void): void => elements.inside(body)
        const value = joinRanges(b, ranges, inside, (range) => {
          const own = b.let('own', query.mul(ranges).add(range))
          const [base, end] = [b.let('base', at.sums(own)), b.let('end', at.ends(own))]
          const load = (place: Expr): Expr => b.load(between, place).bits('f32')
          return { sum: load(base.add(w)), peak: load(end), total: load(end.add(1)) }
        })
        return b.let('bits', encodeBits(b.let('rounded', rounded(b, value, dtype)), dtype))
      })
      b.store(out, thread, word)
    })
  })
  const threads = (values: SymValues): number => elementCountAt(shape, values) / elementsPerWord
  return { kernel, places, symbols, threads, title: `${node.op}, joined` }
}

/** Works out and writes the query with a number. */
function writeQuery(
  { node, q, keys, values, keyRows, ends, mask, scales }: Attended,
  parts: KernelParts,
  number: Expr,
  lanes: 1 | 4,
): void {
  const { b, symbols, arrays, elements } = parts
  const [, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const keyHeads = shapeOf(keys)[1] as number
  const [headCount, tokenCount] = [u32(heads), asExpr(symbols.dim(tokens))]
  const token = b.let('token', number.rem(tokenCount))
  const rest = b.let('rest', number.div(tokenCount))
  const head = b.let('head', rest.rem(headCount))
  const batch = b.let('batch', rest.div(headCount))
  const keyRow = keyRows(parts, batch, head.div(heads / keyHeads))
  const queryBase = b.let('queryBase', number.mul(width))
  const read = (value: Value, base: Expr, w: number): Expr[] => {
    const at = w === 0 ? base : base.add(w)
    if (lanes === 1) return [elements.at(value, b.let('at', at))]
    const vector = b.let('vector', b.load(arrays.of(value, 4)!, at.div(4)).bits('f32'))
    return [0, 1, 2, 3].map((lane) => vector.lane(lane))
  }
  const rowStart = memo((s: Expr): Expr => b.let('row', keyRow(s).mul(width)))
  const rowOf = memo((s: Expr): Expr => b.let('row', keyRow(s)))
  const keyOrValue = (value: Value, beside: Value | undefined): Query['key'] => {
    if (beside === undefined) return (s, w) => read(value, rowStart(s), w)
    const packed = packedRowsOf(parts, value, beside, 1)
    return (s, w) => {
      const column = packedColumn(b, packed, rowOf(s), u32(Math.floor(w / 4)))
      return lanes === 1 ? [column.lane(w % 4)] : [0, 1, 2, 3].map((lane) => column.lane(lane))
    }
  }
  const seen = ends(parts, batch, token)
  const query: Query = {
    b,
    width,
    lanes,
    query: (w) => read(q, queryBase, w),
    key: keyOrValue(keys, scales?.keys),
    value: keyOrValue(values, scales?.values),
    ...seen,
    scale: node.attrs['scale'] as number,
    softcap: node.attrs['softcap'] as number | undefined,
    bias: mask === undefined ? undefined : (s) => biasAt(parts, mask, [batch, head, token, s]),
    inside: (body) => elements.inside(body),
  }
  const { dtype } = typeOf(q)
  const elementsPerWord = perWord(dtype)
  const bits = (value: Expr): Expr => b.let('bits', encodeBits(b.let('rounded', rounded(b, value, dtype)), dtype))
  const out = arrays.of({ node, index: 0 })!
  const results = attendAlone(query)
  for (let w = 0; w < width; w += elementsPerWord) {
    const word = joinParts(elementsPerWord, (part) => bits(results[w + part]!))
    b.store(out, b.let('to', queryBase.div(elementsPerWord).add(w / elementsPerWord)), word)
  }
}
