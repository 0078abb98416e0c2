import type { Node, TensorType, Value } from '../graph/node.js'
import { dtypeOf, shapeOf, typeOf } from '../graph/node.js'
import { f32, u32, type KernelBuilder } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { attendAlone, attendTogether, divisorOf, joinRanges, windowStart, type Bias, type Query } from '../kernel/lib/attention.js'
import { asExpr, broadcastIndex, plus, times, type Amount, type SymbolUniforms } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord, rounded } from '../kernel/lib/pack.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import type { AttentionAttrs } from '../ops/attention.js'
import { elementCount, elementCountAt, type Dim, type Index, type SymValues } from '../shape.js'
import { writesDispatch } from './cache-dispatch.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, inVectors, kernelOf, placeInWord, type BuiltKernel, type KernelParts } from './kernel-parts.js'
import { keyRanges } from './scratch.js'
import type { Memory, Place } from './places.js'

/** Numbers of a head for which a thread has room. */
const MOST_WIDTH = 256
/** A bias at or below this hides its key, as in the op's definition. */
const HIDDEN = -5e29

/** Whether attention of these shapes has a kernel of its own. */
export function hasAttention(op: string, inputs: readonly TensorType[]): boolean {
  const [q] = inputs
  if ((op !== 'attention' && op !== 'attendCached') || q === undefined) return false
  // What has no elements has no memory that could be bound as vectors.
  if (inputs.some(({ shape }) => elementCount(shape) === 0)) return false
  const width = q.shape[3]
  return typeof width === 'number' && width > 0 && width <= MOST_WIDTH && width % perWord(q.dtype) === 0 && Number(q.shape[1]) > 0
}

/** The dispatches of `attendCached`: the rows of this call are written into the caches, then everything is attended to. */
export function attendCachedDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const [q, k, v, cacheK, cacheV, positions] = node.inputs as readonly [Value, Value, Value, Value, Value, Value]
  const [keys, values] = [
    { node, index: 1 },
    { node, index: 2 },
  ]
  const writes = writesDispatch(
    [
      { cache: cacheK, rows: k, out: keys },
      { cache: cacheV, rows: v, out: values },
    ],
    positions,
    memory,
  )
  const ends = ({ b, symbols, elements }: KernelParts, batch: Expr, token: Expr): { from: Expr; to: Expr } => {
    const position = elements.at(positions, shapeOf(positions).length === 0 ? u32(0) : batch)
    const behind = b.let('behind', position.add(token.bits('i32')).add(1).max(0).bits('u32'))
    return {
      from: windowStart(b, behind, node.attrs['window'] as number | undefined),
      to: b.let('to', behind.min(asExpr(symbols.dim(shapeOf(cacheK)[2]!)))),
    }
  }
  return [...writes, ...attend({ node, q, keys, values, ends, mask: undefined }, memory, tuning)]
}

/** The dispatches of `attention`. */
export function attentionDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const [q, keys, values, mask] = node.inputs as readonly [Value, Value, Value, Value | undefined]
  const attrs = node.attrs as AttentionAttrs
  const ends = ({ b, symbols }: KernelParts, _: Expr, token: Expr): { from: Expr; to: Expr } => {
    const length = asExpr(lengthOf(symbols, attrs.length ?? shapeOf(keys)[2]!))
    if (attrs.causal !== true) return { from: u32(0), to: length }
    // The last query stands at the last key.
    const behind = length
      .bits('i32')
      .sub(asExpr(symbols.dim(shapeOf(q)[2]!)).bits('i32'))
      .add(token.bits('i32'))
      .add(1)
    const to = b.let('to', behind.max(0).bits('u32').min(length))
    return { from: windowStart(b, to, attrs.window), to }
  }
  return attend({ node, q, keys, values, ends, mask }, memory, tuning)
}

const lengthOf = (symbols: SymbolUniforms, length: Index | Dim): Amount =>
  typeof length === 'number' ? length : symbols.index(length).max(0).bits('u32')

interface Attended {
  readonly node: Node
  readonly q: Value
  readonly keys: Value
  readonly values: Value
  /** The first key that a query sees, and the one behind its last. */
  readonly ends: (parts: KernelParts, batch: Expr, token: Expr) => { readonly from: Expr; readonly to: Expr }
  readonly mask: Value | undefined
}

function attend(attended: Attended, memory: Memory, tuning: Tuning): Dispatch[] {
  const { node, q } = attended
  const [batch, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const threads = tuning.attentionThreads(width)
  const ranges = keyRanges(node, tuning)
  const build = (lanes: 1 | 4): BuiltKernel =>
    kernelOf('attention', memory, threads === 1 ? ELEMENT_GROUP : threads, (parts) => {
      const number = threads === 1 ? parts.thread : parts.group
      const count = times(parts.symbols.count([batch, heads, tokens]), ranges)
      parts.when(number, count, () => writeQuery(attended, parts, number, { lanes, threads, ranges, between: memory.between(node) }))
    })
  const vectors =
    width % 4 === 0 && [q, attended.keys, attended.values].every((value) => dtypeOf(value) === 'f32' && memory.of(value) !== undefined)
  const { kernel, places, symbols } = vectors ? inVectors(build) : build(1)
  const count = (values: SymValues): number => elementCountAt([batch, heads, tokens], values)
  const first: Dispatch = { kernel, places, symbols, threads: (values) => count(values) * ranges * threads, title: node.op }
  return ranges === 1 ? [first] : [first, joined(node, q, ranges, memory)]
}

/** Results of the ranges of keys put together: a thread for each word. */
function joined(node: Node, q: Value, ranges: number, memory: Memory): Dispatch {
  const { shape, dtype } = typeOf(q)
  const width = shape[3] as number
  const elementsPerWord = perWord(dtype)
  const { kernel, places, symbols } = kernelOf(
    'attention_joined',
    memory,
    ELEMENT_GROUP,
    ({ b, symbols: sizes, arrays, elements, thread, when }) => {
      const [out, between] = [arrays.of({ node, index: 0 })!, arrays.at(memory.between(node)!)]
      const total = asExpr(sizes.count(shape))
      when(thread, elementsPerWord === 1 ? total : total.div(elementsPerWord), () => {
        const word = joinParts(elementsPerWord, (part) => {
          const index = placeInWord(b, thread, part, elementsPerWord, total)
          const [query, w] = [b.let('query', index.div(width)), b.let('w', index.rem(width))]
          const inside = (body: () => void): void => elements.inside(body)
          const value = joinRanges(b, ranges, inside, (range) => {
            const base = b.let(
              'base',
              query
                .mul(ranges)
                .add(range)
                .mul(width + 2),
            )
            const at = (place: Expr): Expr => b.load(between, place).bits('f32')
            return { sum: () => at(base.add(w)), peak: () => at(base.add(width)), total: () => at(base.add(width + 1)) }
          })
          return b.let('bits', encodeBits(b.let('rounded', rounded(b, value, dtype)), dtype))
        })
        b.store(out, thread, word)
      })
    },
  )
  const threads = (values: SymValues): number => elementCountAt(shape, values) / elementsPerWord
  return { kernel, places, symbols, threads, title: `${node.op}, joined` }
}

interface WriteOptions {
  readonly lanes: 1 | 4
  readonly threads: number
  /** Ranges that the keys are split into, each of which has a workgroup. */
  readonly ranges: number
  /** Where what was found of each range is kept. */
  readonly between: Place | undefined
}

/** Works out and writes the query with a number, or one range of its keys. */
function writeQuery(
  { node, q, keys, values, ends, mask }: Attended,
  parts: KernelParts,
  task: Expr,
  { lanes, threads, ranges, between }: WriteOptions,
): void {
  const { b, symbols, arrays, elements } = parts
  const [, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const [, keyHeads, keyCount] = shapeOf(keys) as readonly [Dim, number, Dim]
  const number = ranges === 1 ? task : b.let('number', task.div(ranges))
  const [headCount, tokenCount] = [u32(heads), asExpr(symbols.dim(tokens))]
  const token = b.let('token', number.rem(tokenCount))
  const rest = b.let('rest', number.div(tokenCount))
  const head = b.let('head', rest.rem(headCount))
  const batch = b.let('batch', rest.div(headCount))
  const keyHead = b.let('keyHead', batch.mul(keyHeads).add(head.div(heads / keyHeads)))
  const keyBase = b.let('keyBase', asExpr(times(times(keyHead, symbols.dim(keyCount)), width)))
  const queryBase = b.let('queryBase', number.mul(width))
  const read = (value: Value, base: Expr, w: number): Expr[] => {
    const at = w === 0 ? base : base.add(w)
    if (lanes === 1) return [elements.at(value, b.let('at', at))]
    const vector = b.let('vector', b.load(arrays.of(value, 4)!, at.div(4)).bits('f32'))
    return [0, 1, 2, 3].map((lane) => vector.lane(lane))
  }
  const rowStart = memo((s: Expr): Expr => b.let('row', asExpr(plus(keyBase, times(s, width)))))
  const seen = ends(parts, batch, token)
  const query: Query = {
    b,
    width,
    lanes,
    query: (w) => read(q, queryBase, w),
    key: (s, w) => read(keys, rowStart(s), w),
    value: (s, w) => read(values, rowStart(s), w),
    valueOf: (s) => {
      const row = rowStart(s)
      return (w) => {
        const at = b.let('at', row.add(w))
        if (lanes === 1) return elements.at(values, at)
        return laneOf(b, b.let('vector', b.load(arrays.of(values, 4)!, at.div(4)).bits('f32')), at.and(3))
      }
    },
    ...(ranges === 1 ? seen : rangeOf(b, seen, task.rem(ranges), ranges)),
    scale: node.attrs['scale'] as number,
    softcap: node.attrs['softcap'] as number | undefined,
    bias:
      mask === undefined
        ? undefined
        : (s) => biasOf(parts, mask, [shapeOf(q)[0]!, heads, tokens, keyCount], asExpr(plus(times(number, symbols.dim(keyCount)), s))),
    inside: (body) => elements.inside(body),
  }
  const { dtype } = typeOf(q)
  const elementsPerWord = perWord(dtype)
  const bits = (value: Expr): Expr => b.let('bits', encodeBits(b.let('rounded', rounded(b, value, dtype)), dtype))
  if (threads === 1) {
    const out = arrays.of({ node, index: 0 })!
    const results = attendAlone(query)
    for (let w = 0; w < width; w += elementsPerWord) {
      const word = joinParts(elementsPerWord, (part) => bits(results[w + part]!))
      b.store(out, b.let('to', queryBase.div(elementsPerWord).add(w / elementsPerWord)), word)
    }
    return
  }
  const { peak, total, each } = attendTogether(query, threads)
  if (ranges > 1) {
    const memory = arrays.at(between!)
    const base = b.let('base', task.mul(width + 2))
    each((w, sum) => b.store(memory, b.let('to', base.add(w)), sum.bits('u32')))
    b.if(b.localIndex().eq(0), () => {
      b.store(memory, b.let('to', base.add(width)), peak.bits('u32'))
      b.store(memory, b.let('to', base.add(width + 1)), total.bits('u32'))
    })
    return
  }
  const out = arrays.of({ node, index: 0 })!
  const divisor = divisorOf(b, total)
  if (elementsPerWord === 1) return each((w, sum) => b.store(out, b.let('to', queryBase.add(w)), bits(sum.div(divisor))))
  // Numbers that share a word are put into it by one thread.
  const whole = b.sharedArray('whole', 'u32', width)
  each((w, sum) => b.store(whole, w, bits(sum.div(divisor))))
  b.barrier()
  b.for('word', b.localIndex(), u32(width / elementsPerWord), threads, (word) =>
    elements.inside(() => {
      const joint = joinParts(elementsPerWord, (part) => b.load(whole, word.mul(elementsPerWord).add(part)))
      b.store(out, b.let('to', queryBase.div(elementsPerWord).add(word)), joint)
    }),
  )
}

/** One of so many ranges of the keys that a query sees. */
function rangeOf(
  b: KernelBuilder,
  { from, to }: { readonly from: Expr; readonly to: Expr },
  range: Expr,
  ranges: number,
): { readonly from: Expr; readonly to: Expr } {
  const size = b.let(
    'size',
    to
      .sub(from.min(to))
      .add(ranges - 1)
      .div(ranges),
  )
  const start = b.let('start', from.add(size.mul(range)))
  return { from: start, to: b.let('stop', start.add(size).min(to)) }
}

/** One name for what is asked for again, in one block. */
function memo(compute: (s: Expr) => Expr): (s: Expr) => Expr {
  const made = new WeakMap<Expr, Expr>()
  return (s) => {
    const found = made.get(s) ?? compute(s)
    made.set(s, found)
    return found
  }
}

const laneOf = (b: KernelBuilder, vector: Expr, lane: Expr): Expr =>
  b.let('lane', lane.lt(2).select(lane.eq(0).select(vector.lane(0), vector.lane(1)), lane.eq(2).select(vector.lane(2), vector.lane(3))))

/** What a mask says of one score: booleans say what is seen, numbers are added. */
function biasOf({ b, symbols, elements }: KernelParts, mask: Value, scores: readonly Dim[], index: Expr): Bias {
  const at = b.let('score', index)
  const value = elements.at(mask, broadcastIndex(b, symbols, shapeOf(mask), scores, at))
  return dtypeOf(mask) === 'bool' ? { isSeen: value } : { isSeen: value.le(f32(HIDDEN)).not(), add: value }
}
