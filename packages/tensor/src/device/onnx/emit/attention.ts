/**
 * Rotary embedding, caches written in place, and attention over them. Our heads come before tokens, [B, H, T, W]; ONNX
 * Runtime's kernels want [B, T, H·W]. A value known in both layouts is handed on in the one that its reader wants.
 */
import { dtypeOf, shapeOf, type Node, type Value } from '../../../graph/node.js'
import type { Dim } from '../../../shape.js'
import { elementTypeOf } from '../element-type.js'
import type { EmitContext, Result } from './context.js'
import { attrsOf, type Emitter, type EmitterTable } from './emitter.js'
import { clampedIndices } from './indexing.js'
import { float, MICROSOFT, type Name } from './model-builder.js'
import { permuted } from './movement.js'
import { packedAttention } from './packed-attention.js'
import { FLOAT, FLOAT16, INT32, INT64, type OnnxType } from './onnx-type.js'

type Heads = readonly [batch: Dim, heads: number, tokens: Dim, width: number]
const headsOf = (x: Value): Heads => shapeOf(x) as Heads

/** [B, H, T, W] as [B, T, H·W], in a type. */
function tokenMajor(context: EmitContext, x: Value, type: OnnxType): Name {
  const [batch, heads, tokens, width] = headsOf(x)
  const flat = [batch, tokens, heads * width]
  const known = context.tokenMajor.get(x.node)
  if (known !== undefined && x.index === 0 && known.type === type) return known.name
  const { from, perm } = permuted(x)
  if (from !== x && perm.join() === '0,2,1,3') return context.reshape(context.as(from, type), flat)
  const name = context.as(x, type)
  return context.reshape(
    tokens === 1 || heads === 1 ? name : context.node('Transpose', [name], { attributes: { perm: [0, 2, 1, 3] } }),
    flat,
  )
}

/** The reverse. */
function headMajor(context: EmitContext, name: Name, [batch, heads, tokens, width]: Heads): Name {
  if (tokens === 1 || heads === 1) return context.reshape(name, [batch, heads, tokens, width], [batch, tokens, heads * width])
  return context.node('Transpose', [context.reshape(name, [batch, tokens, heads, width])], { attributes: { perm: [0, 2, 1, 3] } })
}

/** Positions as int64 [B, T], made once for all layers. */
function positionIds(context: EmitContext, positions: Value, rows: Dim, batch: Dim, tokens: Dim): Name {
  const source = context.forward(positions).name
  const shape = context.shape([batch, tokens])
  return context.once(`positions|${source}|${context.size(rows)}|${shape}`, () => {
    const wide = context.cast(clampedIndices(context, positions, rows), INT64)
    return shapeOf(positions).length === 2 ? wide : context.node('Expand', [wide, shape])
  })
}

/** Cosines, sines and positions of a rotation. */
function rotaryTables(context: EmitContext, node: Node): Name[] {
  const [x, cos, sin, positions] = node.inputs as readonly [Value, Value, Value, Value]
  const [batch, , tokens] = headsOf(x)
  return [context.as(cos, FLOAT), context.as(sin, FLOAT), positionIds(context, positions, shapeOf(cos)[0]!, batch, tokens)]
}

const isInterleaved = (rope: Node): boolean => attrsOf<{ interleaved: boolean }>(rope).interleaved

/** Made where something reads it: attention with a cache turns queries and keys itself. */
const rope: Emitter = (context, node) => {
  const [x, cos] = node.inputs as readonly [Value, Value]
  const heads = headsOf(x)
  const half = shapeOf(cos)[1] as number
  const partial = 2 * half < heads[3] ? { rotary_embedding_dim: 2 * half } : {}
  const attributes = { interleaved: isInterleaved(node) ? 1 : 0, num_heads: heads[1], ...partial }
  let made: Name | undefined
  const rotated = (): Name =>
    (made ??= context.node('RotaryEmbedding', [tokenMajor(context, x, FLOAT), ...rotaryTables(context, node)], { attributes, since: 23 }))
  const { dtype } = node.outputs[0]!
  if (dtype === 'f32') {
    context.tokenMajor.set(node, {
      type: FLOAT,
      get name() {
        return rotated()
      },
    })
  }
  return [() => ({ name: headMajor(context, rotated(), heads), type: FLOAT })]
}

/** What attention needs to turn queries and keys itself. */
interface Turn {
  readonly q: Value
  readonly k: Value
  readonly interleaved: boolean
  /** Cosines, sines, positions. */
  readonly tables: readonly Name[]
}

/** Queries and keys before both were turned by the same tables, all of their width; undefined where they were not. */
function turnOf(context: EmitContext, q: Value, k: Value): Turn | undefined {
  const [a, b] = [q.node, k.node]
  const [, , , width] = headsOf(q)
  // Of other widths the kernel turns none.
  if (a.op !== 'rope' || b.op !== 'rope' || 2 * (shapeOf(a.inputs[1]!)[1] as number) !== width || width % 16 !== 0) return undefined
  const [interleaved, tables] = [isInterleaved(a), rotaryTables(context, a)]
  if (isInterleaved(b) !== interleaved || rotaryTables(context, b).join() !== tables.join()) return undefined
  return { q: a.inputs[0]!, k: b.inputs[0]!, interleaved, tables }
}

interface Placement {
  /** Coordinates in the cache, int64 [B, H, T, 3]. */
  readonly places: Name
  /** Coordinates of the rows that are written there; undefined for one row. */
  readonly sources: Name | undefined
  /** Whether any row fits, bool [B or 1, 1, 1, 1]. */
  readonly fits: Name
}

/**
 * Where rows go. Those beyond the capacity are dropped: instead of them the nearest row that fits is written once more,
 * and where none fits, what the cache already holds.
 */
function placement(
  context: EmitContext,
  positions: Value,
  [b, h, t, c]: readonly [batch: number, heads: number, tokens: Dim, capacity: number],
): Placement {
  const key = `placement|${context.forward(positions).name}|${b}|${h}|${context.size(t)}|${c}`
  const make = (part: string, build: () => Name): Name => context.once(`${key}|${part}`, build)
  const number = (value: number): Name => context.scalar(value, INT64)
  const clamp = (name: Name, low: Name, high: Name): Name => context.node('Max', [context.node('Min', [name, high]), low])
  const position = make('position', () => context.node('Reshape', [context.as(positions, INT64), context.ints([-1, 1, 1, 1])]))
  const end = typeof t === 'number' ? number(t - 1) : make('end', () => context.node('Sub', [context.size(t), context.ints([1])]))
  const line = make('line', () => {
    if (typeof t === 'number')
      return context.builder.constant(
        Array.from({ length: t }, (_, i) => i),
        [1, 1, t, 1],
        INT64,
      )
    const count = context.node('Squeeze', [context.size(t)])
    return context.node('Reshape', [context.node('Range', [number(0), count, number(1)]), context.ints([1, 1, -1, 1])])
  })
  const first = make('first', () => context.node('Max', [context.node('Neg', [position]), number(0)]))
  const last = make('last', () => context.node('Min', [context.node('Sub', [number(c - 1), position]), end]))
  const row = t === 1 ? line : make('row', () => clamp(clamp(line, first, last), number(0), end))
  const slot = make('slot', () => clamp(context.node('Add', [position, row]), number(0), number(c - 1)))
  const coordinates = (along: Name): Name => {
    const base: number[] = []
    for (let i = 0; i < b; i++) for (let j = 0; j < h; j++) base.push(i, j, 0)
    return context.node('Add', [context.builder.constant(base, [b, h, 1, 3], INT64), context.node('Mul', [along, context.ints([0, 0, 1])])])
  }
  return {
    places: make('places', () => coordinates(slot)),
    sources: t === 1 ? undefined : make('sources', () => coordinates(row)),
    fits: make('fits', () => context.node('Not', [context.node('Less', [last, first])])),
  }
}
/** A cache with rows written, by ScatterND, whose output may be bound to the cache's own memory. */
function writeRows(context: EmitContext, cache: Value, rows: Value, positions: Value): Result {
  const type = elementTypeOf(dtypeOf(cache))
  const [batch, heads, capacity] = shapeOf(cache) as readonly number[]
  const { places, sources, fits } = placement(context, positions, [batch!, heads!, shapeOf(rows)[2]!, capacity!])
  const data = context.as(cache, type)
  const inFloat = (name: Name): Name => (type === FLOAT ? name : context.cast(name, FLOAT))
  const values = context.as(rows, FLOAT)
  const moved = sources === undefined ? values : context.node('GatherND', [values, sources])
  const chosen = context.node('Where', [fits, moved, inFloat(context.node('GatherND', [data, places]))])
  return { name: context.node('ScatterND', [data, places, type === FLOAT ? chosen : context.cast(chosen, type)]), type }
}

const cacheWrite: Emitter = (context, node) => {
  const [cache, rows, positions] = node.inputs as readonly [Value, Value, Value]
  if (shapeOf(rows)[2] === 0) return [context.forward(cache)]
  return [writeRows(context, cache, rows, positions)]
}

type AttendCachedAttrs = { readonly scale: number; readonly window?: number; readonly softcap?: number }

/** int32 [B] index of the last row that each batch element sees, and the number of rows that the longest does. */
function lengths(context: EmitContext, positions: Value, batch: Dim, tokens: Dim, capacity: Dim): readonly [last: Name, total: Name] {
  const key = `${context.forward(positions).name}|${context.size(batch)}|${context.size(tokens)}|${context.size(capacity)}`
  const scalar = shapeOf(positions).length === 0
  const int32 = (dim: Dim, plus: number): Name =>
    typeof dim === 'number'
      ? context.scalar(dim + plus, INT32)
      : context.cast(context.node('Add', [context.size(dim), context.ints([plus])]), INT32)
  // Beyond the capacity there is no memory: the host checks, and here positions end where the rows still fit.
  const last = context.once(`last|${key}`, () => {
    const limit = int32(capacity, -1)
    const ends = context.node('Min', [context.node('Add', [context.as(positions, INT32), int32(tokens, -1)]), limit])
    const valid = context.node('Max', [ends, int32(tokens, -1)])
    return scalar ? context.node('Expand', [valid, context.shape([batch])]) : valid
  })
  const total = context.once(`total|${key}`, () => {
    const longest = batch === 1 ? last : context.node('ReduceMax', [last, context.ints([0])], { attributes: { keepdims: 1 } })
    return context.node('Add', [longest, context.scalar(1, INT32)])
  })
  return [last, total]
}

/**
 * GroupQueryAttention. Its present outputs, bound to the caches' memory, are written in place; otherwise they hold nothing
 * past the last row, so then the caches are written apart from it.
 */
const attendCached: Emitter = (context, node) => {
  if (node.inputs.length > 6) return packedAttention(context, node, (x) => tokenMajor(context, x, FLOAT))
  const [q, k, v, cacheK, cacheV, positions] = node.inputs as readonly [Value, Value, Value, Value, Value, Value]
  const { scale, window, softcap } = attrsOf<AttendCachedAttrs>(node)
  const heads = headsOf(q)
  const type = dtypeOf(cacheK) === 'f16' ? FLOAT16 : FLOAT
  const [last, total] = lengths(context, positions, heads[0], heads[2], shapeOf(cacheK)[2]!)
  // The kernel turns them on its way, which saves a node each and what brings their layout about.
  const turn = type === FLOAT ? turnOf(context, q, k) : undefined
  const [queries, keys, values] = [turn?.q ?? q, turn?.k ?? k, v].map((x) => tokenMajor(context, x, type)) as [Name, Name, Name]
  const inPlace = context.aliased(node, 1) && context.aliased(node, 2)
  // Cut out of one product they are handed over as that.
  const whole = inPlace && type === FLOAT ? context.wholeOf([queries, keys, values]) : undefined
  const inputs = [
    ...(whole === undefined ? [queries, keys, values] : [whole, '', '']),
    context.as(cacheK, type),
    context.as(cacheV, type),
    last,
    total,
    ...(turn?.tables ?? []),
  ]
  const attributes = {
    num_heads: heads[1],
    kv_num_heads: headsOf(k)[1],
    scale: float(scale),
    local_window_size: window,
    softcap: softcap === undefined ? undefined : float(softcap),
    ...(turn === undefined ? {} : { do_rotary: 1, rotary_interleaved: turn.interleaved ? 1 : 0 }),
  }
  const [attended, presentK, presentV] = context.builder.nodeWith('GroupQueryAttention', inputs, [true, true, true], {
    domain: MICROSOFT,
    attributes,
  }) as [Name, Name, Name]
  const flat = [heads[0], heads[2], heads[1] * heads[3]]
  const out = context.reshape(attended, flat, flat)
  if (dtypeOf(q) === 'f32') context.tokenMajor.set(node, { name: out, type })
  const caches = inPlace
    ? [presentK, presentV].map((name) => ({ name, type }))
    : [writeRows(context, cacheK, k, positions), writeRows(context, cacheV, v, positions)]
  return [() => ({ name: headMajor(context, out, heads), type }), ...caches]
}

type AttentionAttrs = AttendCachedAttrs & { readonly causal?: boolean }

/**
 * Attention without a mask of its own. MultiHeadAttention never holds all scores at once (1,024 tokens, 8 heads of 64: 17
 * instead of 39 ms); GroupQueryAttention, for causal ones, computes only those that are seen (23 ms).
 */
const attention: Emitter = (context, node) => {
  const [q, k, v] = node.inputs as readonly [Value, Value, Value]
  const { causal = false, scale, window, softcap } = attrsOf<AttentionAttrs>(node)
  const heads = headsOf(q) as readonly [number, number, number, number]
  const inputs = [q, k, v].map((x) => tokenMajor(context, x, FLOAT))
  let out: Name
  if (causal) {
    const [batch, , tokens] = heads
    const lengths = [context.builder.constant(new Array<number>(batch).fill(tokens - 1), [batch], INT32), context.scalar(tokens, INT32)]
    const attributes = {
      num_heads: heads[1],
      kv_num_heads: headsOf(k)[1],
      scale: float(scale),
      local_window_size: window,
      softcap: softcap === undefined ? undefined : float(softcap),
    }
    out = context.builder.nodeWith('GroupQueryAttention', [...inputs, '', '', ...lengths], [true, true, true], {
      domain: MICROSOFT,
      attributes,
    })[0]!
  } else out = context.node('MultiHeadAttention', inputs, { domain: MICROSOFT, attributes: { num_heads: heads[1], scale: float(scale) } })
  if (dtypeOf(q) === 'f32') context.tokenMajor.set(node, { name: out, type: FLOAT })
  return [() => ({ name: headMajor(context, out, heads), type: FLOAT })]
}

export const attentionEmitters: EmitterTable = { rope, attention, cacheWrite, attendCached }
