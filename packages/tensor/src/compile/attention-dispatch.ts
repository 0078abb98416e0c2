import type { Node, TensorType, Value } from '../graph/node.js'
import { dtypeOf, shapeOf, typeOf } from '../graph/node.js'
import { f32, u32, type KernelBuilder } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { attendAlone, attendTogether, windowStart, type Bias, type Query } from '../kernel/lib/attention.js'
import { asExpr, broadcastIndex, mostElements, plus, times, type Amount, type SymbolUniforms } from '../kernel/lib/indexing.js'
import { encodeBits, perWord, rounded } from '../kernel/lib/pack.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import type { AttentionAttrs } from '../ops/attention.js'
import { resolveShape, type Dim, type Index, type SymValues } from '../shape.js'
import { writesDispatch } from './cache-dispatch.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, inVectors, kernelOf, type BuiltKernel, type KernelParts } from './kernel-parts.js'
import type { Memory } from './places.js'

/** Numbers of a head for which a thread has room. */
const MOST_WIDTH = 256
/** A bias at or below this hides its key, as in the op's definition. */
const HIDDEN = -5e29

/** Whether attention of these shapes has a kernel of its own. */
export function hasAttention(op: string, inputs: readonly TensorType[]): boolean {
  const [q] = inputs
  if ((op !== 'attention' && op !== 'attendCached') || q === undefined) return false
  // What has no elements has no memory that could be bound as vectors.
  if (inputs.some(({ shape }) => mostElements(shape) === 0)) return false
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
  return [...writes, attend({ node, q, keys, values, ends, mask: undefined }, memory, tuning)]
}

/** The dispatch of `attention`. */
export function attentionDispatch(node: Node, memory: Memory, tuning: Tuning): Dispatch {
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

function attend(attended: Attended, memory: Memory, tuning: Tuning): Dispatch {
  const { node, q } = attended
  const [batch, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const threads = tuning.attentionThreads(width)
  const build = (lanes: 1 | 4): BuiltKernel =>
    kernelOf('attention', memory, threads === 1 ? ELEMENT_GROUP : threads, (parts) => {
      const number = threads === 1 ? parts.thread : parts.group
      parts.when(number, parts.symbols.count([batch, heads, tokens]), () => writeQuery(attended, parts, number, { lanes, threads }))
    })
  const vectors =
    width % 4 === 0 && [q, attended.keys, attended.values].every((value) => dtypeOf(value) === 'f32' && memory.of(value) !== undefined)
  const { kernel, places, symbols } = vectors ? inVectors(build) : build(1)
  const count = (values: SymValues): number => resolveShape([batch, heads, tokens], values).reduce((a, b) => a * b, 1)
  return { kernel, places, symbols, threads: (values) => count(values) * threads, title: node.op }
}

/** Works out and writes the query with a number. */
function writeQuery(
  { node, q, keys, values, ends, mask }: Attended,
  parts: KernelParts,
  number: Expr,
  { lanes, threads }: { readonly lanes: 1 | 4; readonly threads: number },
): void {
  const { b, symbols, arrays, elements } = parts
  const [, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const [, keyHeads, keyCount] = shapeOf(keys) as readonly [Dim, number, Dim]
  const out = arrays.of({ node, index: 0 })!
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
    ...ends(parts, batch, token),
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
  if (threads === 1 || elementsPerWord > 1) {
    const results = attendAlone(query)
    for (let w = 0; w < width; w += elementsPerWord) {
      const word = Array.from({ length: elementsPerWord }, (_, part) => bits(results[w + part]!).shl((32 / elementsPerWord) * part))
      b.store(
        out,
        b.let('to', queryBase.div(elementsPerWord).add(w / elementsPerWord)),
        word.reduce((a, c) => a.or(c)),
      )
    }
  } else attendTogether(query, threads, (w, value) => b.store(out, b.let('to', queryBase.add(w)), bits(value)))
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
