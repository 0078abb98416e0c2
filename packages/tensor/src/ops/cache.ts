/** Key and value caches of fixed capacity: [batch, key heads, capacity, width], written in place where donated. */
import type { NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit, emitAll } from '../graph/build.js'
import { dtypeOf, shapeOf, typeOf, type TensorType, type Value } from '../graph/node.js'
import {
  add,
  and,
  cast,
  constant,
  eq,
  expand,
  gather,
  gatherAlong,
  iota,
  like,
  lt,
  reshape,
  sub,
  symScalar,
  where,
} from '../graph/primitives.js'
import { dimMax, isSym, printIndex, type Dim, type Shape } from '../shape.js'
import { attention, checkHeads, checkScores } from './attention.js'
import { checkPackedCache, packRows, rowLayout, unpackRows } from './packed-rows.js'
import { defineOp, type OpRow, type ReferenceContext, type RefTensor, type Sample, type SampleInput } from './row.js'
import { checkCount, checkDTypeIs, checkRank, checkShapeIs, describe, given, widen } from './wide.js'

/** A cache [B, H, C, W] with rows [B, H, T, W] at `positions` (i32 [], or [B] for one each) onward. Rows beyond the capacity are dropped. */
export const cacheWrite = (cache: Value, rows: Value, positions: Value): Value => emit('cacheWrite', [cache, rows, positions])

export type AttendCachedAttrs = {
  readonly scale: number
  readonly window?: number
  readonly softcap?: number
}

/**
 * Writes k and v [B, K, T, W] into the caches [B, K, C, W] at `positions` (i32 [] or [B]) and lets query t of q
 * [B, H, T, W] see rows up to positions + t: [out, cacheK, cacheV], and the scales of caches that have some.
 */
export const attendCached = (
  q: Value,
  k: Value,
  v: Value,
  cache: { readonly k: Value; readonly v: Value; readonly positions: Value; readonly scales?: readonly [k: Value, v: Value] },
  attrs: AttendCachedAttrs,
): readonly Value[] => emitAll('attendCached', [q, k, v, cache.k, cache.v, cache.positions, ...(cache.scales ?? [])], given(attrs))

function checkCache(
  op: string,
  cache: TensorType,
  rows: TensorType,
  positions: TensorType,
  names: readonly [cache: string, rows: string],
  scales?: TensorType,
): void {
  checkRank(op, names[0], cache, 4, '[batch, heads, capacity, width]')
  checkRank(op, names[1], rows, 4, '[batch, heads, tokens, width]')
  if (scales === undefined) checkDTypeIs(op, names[1], rows, [cache.dtype], `the dtype of ${names[0]}`)
  else checkPackedCache(op, { cache, scales, rows }, { cache: names[0], scales: `the scales of ${names[0]}`, rows: names[1] })
  const [batch, heads, capacity] = cache.shape as readonly [Dim, Dim, Dim, Dim]
  const width = scales === undefined ? cache.shape[3]! : rows.shape[3]!
  const tokens = rows.shape[2]!
  checkShapeIs(op, names[1], rows, [batch, heads, tokens, width], `${names[0]} but for the tokens`)
  if (dimMax(tokens) > dimMax(capacity))
    throw new TensorError(
      'SHAPE',
      `${op}: ${names[1]} ${describe(rows)} has up to ${dimMax(tokens)} rows, more than the capacity ${printIndex(capacity)} of ${names[0]} ${describe(cache)}`,
    )
  checkDTypeIs(op, 'positions', positions, ['i32'], 'row numbers')
  if (positions.shape.length > 1 || (positions.shape.length === 1 && positions.shape[0] !== batch))
    throw new TensorError(
      'SHAPE',
      `${op}: positions must be a scalar or [${printIndex(batch)}] (one for each batch element), got ${describe(positions)}`,
    )
}

const countOf = (dim: Dim): Value => (isSym(dim) ? symScalar(dim) : constant(dim, 'i32'))
/** Positions shaped to broadcast against [B, H, rows, width]. */
const spread = (positions: Value): Value =>
  shapeOf(positions).length === 0 ? positions : reshape(positions, [shapeOf(positions)[0]!, 1, 1, 1])

function decomposeWrite([cache, rows, positions]: readonly Value[]): readonly Value[] {
  const shape = shapeOf(cache!) as readonly [Dim, Dim, Dim, Dim]
  const tokens = shapeOf(rows!)[2]!
  if (tokens === 0) return [cache!]
  const slots = iota([shape[2], 1], 0, 'i32')
  if (tokens === 1) return [where(eq(slots, spread(positions!)), rows!, cache!)]
  // Each slot looks up the row that belongs there: [C, 1] for all of the batch, or [B, 1, C, 1].
  const from = sub(slots, spread(positions!))
  const isWritten = and(lt(constant(-1, 'i32'), from), lt(from, countOf(tokens)))
  const written =
    shapeOf(positions!).length === 0 ? gather(rows!, reshape(from, [shape[2]]), 2) : gatherAlong(rows!, expand(from, shape), 2)
  return [where(isWritten, written, cache!)]
}

function referenceWrite({ inputs }: ReferenceContext): readonly NumericArray[] {
  const [cache, rows, positions] = inputs as readonly [RefTensor, RefTensor, RefTensor]
  const [batch, heads, capacity, width] = cache.shape as readonly [number, number, number, number]
  const tokens = rows.shape[2]!
  const out = cache.data.slice()
  for (let b = 0; b < batch; b++) {
    const position = positions.data[positions.shape.length === 0 ? 0 : b]!
    for (let h = 0; h < heads; h++)
      for (let t = 0; t < tokens; t++) {
        const slot = position + t
        if (slot < 0 || slot >= capacity) continue
        const from = ((b * heads + h) * tokens + t) * width
        out.set(rows.data.subarray(from, from + width), ((b * heads + h) * capacity + slot) * width)
      }
  }
  return [out]
}

const cacheWriteOp = defineOp({
  name: 'cacheWrite',
  kind: 'composite',
  summary:
    'A cache [B, H, C, W] with rows [B, H, T, W] written at positions, for the whole batch or one each. Rows beyond the capacity are dropped.',
  infer: (inputs) => {
    checkCount('cacheWrite', inputs, 3, 3, 'cache, rows, positions')
    checkCache('cacheWrite', inputs[0]!, inputs[1]!, inputs[2]!, ['cache', 'rows'])
    return [inputs[0]!]
  },
  reference: referenceWrite,
  decompose: decomposeWrite,
  alias: [[0, 0]],
  samples: writeSamples(),
})

/** A cache with rows written, and its rows as numbers. */
function written(
  cache: Value,
  rows: Value,
  positions: Value,
  scales: Value | undefined,
): { readonly parts: readonly Value[]; readonly all: Value } {
  if (scales === undefined) {
    const all = cacheWrite(cache, rows, positions)
    return { parts: [all], all }
  }
  const layout = rowLayout(typeOf(cache), typeOf(scales))
  const packed = packRows(widen(rows), layout)
  const [codes, steps] = [cacheWrite(cache, packed.codes, positions), cacheWrite(scales, cast(packed.scales, dtypeOf(scales)), positions)]
  return { parts: [codes, steps], all: cast(unpackRows(codes, steps, layout), dtypeOf(rows)) }
}

/** Attention of q to what is filled of keys and values [B, K, C, W] in the order of their positions: `positions` rows before q, and one for each query. */
export function attendFilled(q: Value, keys: Value, values: Value, positions: Value, { scale, window, softcap }: AttendCachedAttrs): Value {
  const tokens = shapeOf(q)[2]!
  const capacity = shapeOf(keys)[2]!
  const first = spread(positions)
  // Rows that were never written may hold anything, and 0 · NaN is NaN.
  const isFilled = lt(iota([capacity, 1], 0, 'i32'), add(first, countOf(tokens)))
  const filled = (cache: Value): Value => where(isFilled, cache, like(cache, 0))
  const key = iota([1, capacity], 1, 'i32')
  const next = add(iota([tokens, 1], 0, 'i32'), add(first, constant(1, 'i32')))
  const seen = lt(key, next)
  const mask = window === undefined ? seen : and(seen, lt(sub(next, constant(window + 1, 'i32')), key))
  return attention(q, filled(keys), filled(values), { mask, scale, ...given({ softcap }) })
}

function decomposeCached(inputs: readonly Value[], attrs: AttendCachedAttrs): readonly Value[] {
  const [q, k, v, oldK, oldV, positions, scalesK, scalesV] = inputs as readonly [Value, Value, Value, Value, Value, Value, Value?, Value?]
  const keys = written(oldK, k, positions, scalesK)
  const values = written(oldV, v, positions, scalesV)
  const [cacheK, ...besideK] = keys.parts as [Value, ...Value[]]
  const [cacheV, ...besideV] = values.parts as [Value, ...Value[]]
  return [attendFilled(q, keys.all, values.all, positions, attrs), cacheK, cacheV, ...besideK, ...besideV]
}

const attendCachedOp = defineOp<AttendCachedAttrs>({
  name: 'attendCached',
  kind: 'composite',
  summary:
    'Writes k and v into their caches at positions; query t attends to rows up to positions + t. Caches of 8 or 4 bits have scales beside them. Returns [out, cacheK, cacheV, scalesK, scalesV].',
  infer: (inputs, attrs) => {
    checkCount('attendCached', inputs, 6, 8, 'q, k, v, cacheK, cacheV, positions, scalesK, scalesV')
    const [q, k, v, cacheK, cacheV, positions, scalesK, scalesV] = inputs as CachedTypes
    if ((scalesK === undefined) !== (scalesV === undefined))
      throw new TensorError('VALUE', 'attendCached: scales are given of both caches or of none')
    checkHeads('attendCached', q, k, v)
    checkScores('attendCached', attrs)
    checkCache('attendCached', cacheK, k, positions, ['cacheK', 'k'], scalesK)
    checkCache('attendCached', cacheV, v, positions, ['cacheV', 'v'], scalesV)
    checkShapeIs('attendCached', 'cacheV', cacheV, cacheK.shape, 'the shape of cacheK')
    checkDTypeIs('attendCached', 'cacheV', cacheV, [cacheK.dtype], 'the dtype of cacheK')
    if (scalesK !== undefined) checkShapeIs('attendCached', 'the scales of cacheV', scalesV!, scalesK.shape, 'the shape of those of cacheK')
    if (q.shape[2] !== k.shape[2])
      throw new TensorError('SHAPE', `attendCached: q ${describe(q)} and k ${describe(k)} must have equally many tokens (axis 2)`)
    return [q, cacheK, cacheV, ...(scalesK === undefined ? [] : [scalesK, scalesV!])]
  },
  decompose: decomposeCached,
  alias: [
    [1, 3],
    [2, 4],
    [3, 6],
    [4, 7],
  ],
  samples: [...cachedSamples(4), ...cachedSamples(8), ...packedSamples()],
})

type CachedTypes = readonly [
  q: TensorType,
  k: TensorType,
  v: TensorType,
  cacheK: TensorType,
  cacheV: TensorType,
  positions: TensorType,
  scalesK: TensorType | undefined,
  scalesV: TensorType | undefined,
]

type Positions = number | readonly number[]
function positionsInput(positions: Positions): Sample['inputs'][number] {
  return typeof positions === 'number'
    ? { shape: [], dtype: 'i32', values: [positions] }
    : { shape: [positions.length], dtype: 'i32', values: positions }
}

function writeSamples(): Sample[] {
  const sample = (name: string, cache: Shape, tokens: number, positions: Positions, dtype: 'f32' | 'f16' | 'bf16' = 'f32'): Sample => {
    const [batch, heads, , width] = cache as readonly [number, number, number, number]
    return {
      name,
      inputs: [{ shape: cache as number[], dtype }, { shape: [batch, heads, tokens, width], dtype }, positionsInput(positions)],
    }
  }
  return [
    sample('one row', [2, 3, 8, 4], 1, 5),
    sample('several rows', [2, 3, 8, 4], 3, 2),
    sample('start', [1, 2, 8, 4], 4, 0),
    sample('end', [1, 2, 8, 4], 3, 5),
    sample('whole', [1, 2, 4, 3], 4, 0),
    sample('one row, batch positions', [3, 2, 8, 4], 1, [0, 7, 3]),
    sample('batch positions', [2, 2, 8, 4], 3, [5, 1]),
    sample('beyond the capacity', [1, 2, 4, 3], 3, 2),
    sample('no rows', [1, 2, 4, 3], 0, 2),
    sample('f16', [1, 2, 4, 3], 2, 1, 'f16'),
    sample('bf16', [1, 2, 4, 3], 1, 3, 'bf16'),
  ]
}

/** `width` 8 reaches kernels that want whole vectors; with 4 the same cases are decomposed there. */
function cachedSamples(width: number): Sample[] {
  interface Layout {
    readonly batch?: number
    readonly heads?: number
    readonly keyHeads?: number
    readonly tokens: number
    readonly capacity?: number
    readonly positions: Positions
    readonly dtype?: 'f32' | 'f16' | 'bf16'
  }
  const sample = (name: string, layout: Layout, attrs: Omit<AttendCachedAttrs, 'scale'> = {}): Sample => {
    const { batch = 1, heads = 4, keyHeads = 2, tokens, capacity = 9, positions, dtype = 'f32' } = layout
    const rows = { shape: [batch, keyHeads, tokens, width], dtype }
    const cache = { shape: [batch, keyHeads, capacity, width], dtype }
    return {
      name: width === 4 ? name : `${name}, width ${width}`,
      inputs: [{ shape: [batch, heads, tokens, width], dtype }, rows, rows, cache, cache, positionsInput(positions)],
      attrs: { scale: 0.5, ...attrs },
    }
  }
  return [
    sample('decode', { tokens: 1, positions: 4 }),
    sample('first token', { tokens: 1, positions: 0 }),
    sample('last row', { tokens: 1, positions: 8 }),
    sample('prefill', { tokens: 5, positions: 0 }),
    sample('chunk', { tokens: 3, positions: 4 }),
    sample('fills the cache', { tokens: 9, positions: 0 }),
    sample('one head each', { heads: 2, tokens: 2, positions: 3 }),
    sample('decode, batch positions', { batch: 3, tokens: 1, positions: [0, 4, 8] }),
    sample('decode, batch, one position', { batch: 2, tokens: 1, positions: 5 }),
    sample('chunk, batch positions', { batch: 2, tokens: 3, positions: [1, 6] }),
    sample('window', { tokens: 3, positions: 4 }, { window: 2 }),
    sample('window, decode', { tokens: 1, positions: 7 }, { window: 3 }),
    sample('soft cap', { tokens: 2, positions: 2 }, { softcap: 1.5 }),
    sample('f16', { tokens: 2, positions: 3, dtype: 'f16' }),
    sample('bf16', { tokens: 1, positions: 3, dtype: 'bf16' }),
  ]
}

/** Caches of 8 and 4 bits. */
function packedSamples(): Sample[] {
  interface Layout {
    readonly batch?: number
    readonly heads?: number
    readonly keyHeads?: number
    readonly tokens: number
    readonly capacity?: number
    readonly width?: number
    readonly block?: number
    readonly positions: Positions
    readonly dtype?: 'f32' | 'f16'
  }
  const sample = (name: string, bits: 4 | 8, layout: Layout, attrs: Omit<AttendCachedAttrs, 'scale'> = {}): Sample => {
    const { batch = 1, heads = 4, keyHeads = 2, tokens, capacity = 9, width = 32, block = 32, positions, dtype = 'f32' } = layout
    const rows = { shape: [batch, keyHeads, tokens, width], dtype }
    const cache: SampleInput =
      bits === 8
        ? { shape: [batch, keyHeads, capacity, width], dtype: 'i8', range: [-127, 127] }
        : { shape: [batch, keyHeads, capacity, width / 2], dtype: 'u8', range: [0, 255] }
    const scales: SampleInput = { shape: [batch, keyHeads, capacity, width / block], range: bits === 8 ? [0.005, 0.02] : [-0.25, 0.25] }
    return {
      name: `${name}, ${bits} bits`,
      inputs: [{ shape: [batch, heads, tokens, width], dtype }, rows, rows, cache, cache, positionsInput(positions), scales, scales],
      attrs: { scale: 0.25, ...attrs },
    }
  }
  return ([8, 4] as const).flatMap((bits) => [
    sample('decode', bits, { tokens: 1, positions: 4 }),
    sample('first token', bits, { tokens: 1, positions: 0 }),
    sample('chunk', bits, { tokens: 3, positions: 4, width: 64 }),
    sample('blocks of 16', bits, { tokens: 2, positions: 3, width: 48, block: 16 }),
    sample('blocks of 8', bits, { tokens: 1, positions: 8, width: 8, block: 8 }),
    sample('batch positions', bits, { batch: 3, tokens: 1, positions: [0, -1, 8] }),
    sample('chunk, batch positions', bits, { batch: 2, tokens: 3, positions: [1, 6] }),
    sample('window', bits, { tokens: 3, positions: 4 }, { window: 2 }),
    sample('soft cap', bits, { tokens: 2, positions: 2 }, { softcap: 1.5 }),
    sample('f16', bits, { tokens: 2, positions: 3, dtype: 'f16' }),
  ])
}

export const cacheOps: readonly OpRow[] = [cacheWriteOp, attendCachedOp]
