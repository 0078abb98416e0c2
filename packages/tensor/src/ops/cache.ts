/** Key and value caches of fixed capacity: [batch, key heads, capacity, width], written in place where donated. */
import type { NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit, emitAll } from '../graph/build.js'
import { shapeOf, type TensorType, type Value } from '../graph/node.js'
import { add, and, constant, eq, expand, gather, gatherAlong, iota, like, lt, reshape, sub, symScalar, where } from '../graph/primitives.js'
import { dimMax, isSym, printIndex, type Dim, type Shape } from '../shape.js'
import { attention, checkHeads, checkScores } from './attention.js'
import { defineOp, type OpRow, type ReferenceContext, type RefTensor, type Sample } from './row.js'
import { checkCount, checkDTypeIs, checkRank, checkShapeIs, describe, given } from './wide.js'

/** A cache [B, H, C, W] with rows [B, H, T, W] at `positions` (i32 [], or [B] for one each) onward. Rows beyond the capacity are dropped. */
export const cacheWrite = (cache: Value, rows: Value, positions: Value): Value => emit('cacheWrite', [cache, rows, positions])

export type AttendCachedAttrs = {
  readonly scale: number
  readonly window?: number
  readonly softcap?: number
}

/**
 * Writes k and v [B, K, T, W] into the caches [B, K, C, W] at `positions` (i32 [] or [B]) and lets query t of q
 * [B, H, T, W] see rows up to positions + t: [out, cacheK, cacheV].
 */
export const attendCached = (
  q: Value,
  k: Value,
  v: Value,
  cache: { readonly k: Value; readonly v: Value; readonly positions: Value },
  attrs: AttendCachedAttrs,
): readonly Value[] => emitAll('attendCached', [q, k, v, cache.k, cache.v, cache.positions], given(attrs))

function checkCache(
  op: string,
  cache: TensorType,
  rows: TensorType,
  positions: TensorType,
  names: readonly [cache: string, rows: string],
): void {
  checkRank(op, names[0], cache, 4, '[batch, heads, capacity, width]')
  checkRank(op, names[1], rows, 4, '[batch, heads, tokens, width]')
  checkDTypeIs(op, names[1], rows, [cache.dtype], `the dtype of ${names[0]}`)
  const [batch, heads, capacity, width] = cache.shape as readonly [Dim, Dim, Dim, Dim]
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
  const [q, k, v, oldK, oldV, positions] = inputs as readonly [Value, Value, Value, Value, Value, Value]
  const cacheK = cacheWrite(oldK, k, positions)
  const cacheV = cacheWrite(oldV, v, positions)
  return [attendFilled(q, cacheK, cacheV, positions, attrs), cacheK, cacheV]
}

const attendCachedOp = defineOp<AttendCachedAttrs>({
  name: 'attendCached',
  kind: 'composite',
  summary: 'Writes k and v into their caches at positions; query t attends to rows up to positions + t. Returns [out, cacheK, cacheV].',
  infer: (inputs, attrs) => {
    checkCount('attendCached', inputs, 6, 6, 'q, k, v, cacheK, cacheV, positions')
    const [q, k, v, cacheK, cacheV, positions] = inputs as readonly [TensorType, TensorType, TensorType, TensorType, TensorType, TensorType]
    checkHeads('attendCached', q, k, v)
    checkScores('attendCached', attrs)
    checkCache('attendCached', cacheK, k, positions, ['cacheK', 'k'])
    checkCache('attendCached', cacheV, v, positions, ['cacheV', 'v'])
    checkShapeIs('attendCached', 'cacheV', cacheV, cacheK.shape, 'the shape of cacheK')
    if (q.shape[2] !== k.shape[2])
      throw new TensorError('SHAPE', `attendCached: q ${describe(q)} and k ${describe(k)} must have equally many tokens (axis 2)`)
    return [q, cacheK, cacheV]
  },
  decompose: decomposeCached,
  alias: [
    [1, 3],
    [2, 4],
  ],
  samples: [...cachedSamples(4), ...cachedSamples(8)],
})

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

export const cacheOps: readonly OpRow[] = [cacheWriteOp, attendCachedOp]
