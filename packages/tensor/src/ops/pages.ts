/** Key and value caches in pages: blocks of rows in a pool, [blocks, key heads, block size, width], and for each sequence a table of those that it has, in order. */
import type { NumericArray } from '../dtype.js'
import { TensorError } from '../errors.js'
import { emit, emitAll } from '../graph/build.js'
import { dtypeOf, shapeOf, typeOf, type TensorType, type Value } from '../graph/node.js'
import {
  add,
  and,
  cast,
  constant,
  div,
  expand,
  gather,
  gatherAlong,
  iota,
  lt,
  mod,
  mul,
  permute,
  reshape,
  scatterAdd,
  sub,
  where,
} from '../graph/primitives.js'
import { isSym } from '../shape.js'
import { checkHeads, checkScores } from './attention.js'
import { attendFilled, type AttendCachedAttrs } from './cache.js'
import { checkPackedCache, packRows, rowLayout, unpackRows } from './packed-rows.js'
import { defineOp, type OpRow, type ReferenceContext, type RefTensor, type Sample, type SampleInput } from './row.js'
import { checkCount, checkDTypeIs, checkRank, checkShapeIs, describe, given, widen } from './wide.js'

/**
 * A pool [P, H, S, W] with rows [B, H, T, W] of sequences at `positions` (i32 [], or [B] for one each) onward: position p of sequence b is row p mod S of block table[b, p div S]
 * (i32 [B, M]). Rows whose block is none of the pool are dropped, as are those beyond the table. No two rows may have one place.
 */
export const pagedWrite = (pool: Value, rows: Value, table: Value, positions: Value): Value =>
  emit('pagedWrite', [pool, rows, table, positions])

/**
 * Writes k and v [B, K, T, W] into the pools and lets query t of q [B, H, T, W] see its sequence's rows up to positions + t: [out, poolK, poolV]. Of a block that is
 * none of the pool the nearest is read.
 */
export const attendPaged = (
  q: Value,
  k: Value,
  v: Value,
  pages: {
    readonly k: Value
    readonly v: Value
    readonly table: Value
    readonly positions: Value
    readonly scales?: readonly [k: Value, v: Value]
  },
  attrs: AttendCachedAttrs,
): readonly Value[] =>
  emitAll('attendPaged', [q, k, v, pages.k, pages.v, pages.table, pages.positions, ...(pages.scales ?? [])], given(attrs))

function checkPages(
  op: string,
  { pool, rows, table, positions }: Readonly<Record<'pool' | 'rows' | 'table' | 'positions', TensorType>>,
  names: readonly [pool: string, rows: string],
  scales?: TensorType,
): void {
  checkRank(op, names[0], pool, 4, '[blocks, heads, block size, width]')
  checkRank(op, names[1], rows, 4, '[batch, heads, tokens, width]')
  checkRank(op, 'table', table, 2, '[batch, blocks of a sequence]')
  for (const [name, type] of [
    [names[0], pool],
    [names[1], rows],
    ['table', table],
  ] as const)
    if (type.shape.some(isSym))
      throw new TensorError('SHAPE', `${op}: ${name} ${describe(type)} has a symbol in its shape; pages take known sizes`)
  if (scales === undefined) checkDTypeIs(op, names[1], rows, [pool.dtype], `the dtype of ${names[0]}`)
  else checkPackedCache(op, { cache: pool, scales, rows }, { cache: names[0], scales: `the scales of ${names[0]}`, rows: names[1] })
  const [, heads] = pool.shape as readonly [number, number, number, number]
  const width = (scales === undefined ? pool : rows).shape[3]!
  const [batch, , tokens] = rows.shape as readonly [number, number, number]
  checkShapeIs(op, names[1], rows, [batch, heads, tokens, width], `heads and width of ${names[0]}`)
  checkDTypeIs(op, 'table', table, ['i32'], 'block numbers')
  checkShapeIs(op, 'table', table, [batch, table.shape[1]!], `a row for each of ${names[1]}`)
  checkDTypeIs(op, 'positions', positions, ['i32'], 'row numbers')
  if (positions.shape.length > 1 || (positions.shape.length === 1 && positions.shape[0] !== batch))
    throw new TensorError('SHAPE', `${op}: positions must be a scalar or [${batch}] (one for each sequence), got ${describe(positions)}`)
}

const numbers = (value: Value): readonly number[] => shapeOf(value) as readonly number[]
const whole = (value: number): Value => constant(value, 'i32')

function decomposeWrite([pool, rows, table, positions]: readonly Value[]): readonly Value[] {
  const [blocks, heads, size, width] = numbers(pool!) as readonly [number, number, number, number]
  const [batch, , tokens] = numbers(rows!) as readonly [number, number, number]
  const [, most] = numbers(table!) as readonly [number, number]
  if (batch * tokens * blocks * size * most === 0) return [pool!]
  const first = numbers(positions!).length === 0 ? positions! : reshape(positions!, [batch, 1])
  const position = add(iota([batch, tokens], 1, 'i32'), expand(first, [batch, tokens]))
  const block = gatherAlong(table!, div(position, whole(size)), 1)
  const isInside = and(and(lt(whole(-1), position), lt(position, whole(most * size))), and(lt(whole(-1), block), lt(block, whole(blocks))))
  // Where each row goes; those that are dropped go behind the last.
  const place = where(isInside, add(mul(block, whole(size)), mod(position, whole(size))), expand(whole(blocks * size), [batch, tokens]))
  const numbered = add(iota([batch * tokens], 0, 'i32'), whole(1))
  // Each place looks up its row; 0 stands for none.
  const found = scatterAdd(expand(whole(0), [blocks * size + 1]), reshape(place, [batch * tokens]), numbered)
  const from = sub(gather(found, iota([blocks * size], 0, 'i32')), whole(1))
  const flat = reshape(permute(rows!, [0, 2, 1, 3]), [batch * tokens, heads, width])
  const written = permute(reshape(gather(flat, from), [blocks, size, heads, width]), [0, 2, 1, 3])
  return [where(reshape(lt(whole(-1), from), [blocks, 1, size, 1]), written, pool!)]
}

function referenceWrite({ inputs }: ReferenceContext): readonly NumericArray[] {
  const [pool, rows, table, positions] = inputs as readonly [RefTensor, RefTensor, RefTensor, RefTensor]
  const [blocks, heads, size, width] = pool.shape as readonly [number, number, number, number]
  const [batch, , tokens] = rows.shape as readonly [number, number, number]
  const [, most] = table.shape as readonly [number, number]
  const out = pool.data.slice()
  for (let b = 0; b < batch; b++)
    for (let t = 0; t < tokens; t++) {
      const position = positions.data[positions.shape.length === 0 ? 0 : b]! + t
      const block = position < 0 || position >= most * size ? -1 : table.data[b * most + Math.floor(position / size)]!
      if (block < 0 || block >= blocks) continue
      for (let h = 0; h < heads; h++) {
        const from = ((b * heads + h) * tokens + t) * width
        out.set(rows.data.subarray(from, from + width), ((block * heads + h) * size + (position % size)) * width)
      }
    }
  return [out]
}

const pagedWriteOp = defineOp({
  name: 'pagedWrite',
  kind: 'composite',
  summary:
    'A pool of blocks [P, H, S, W] with rows [B, H, T, W] of sequences written at positions, in the blocks that a table [B, M] has for them. Rows without a block are dropped.',
  infer: (inputs) => {
    checkCount('pagedWrite', inputs, 4, 4, 'pool, rows, table, positions')
    const [pool, rows, table, positions] = inputs as readonly [TensorType, TensorType, TensorType, TensorType]
    checkPages('pagedWrite', { pool, rows, table, positions }, ['pool', 'rows'])
    return [pool]
  },
  reference: referenceWrite,
  decompose: decomposeWrite,
  alias: [[0, 0]],
  samples: writeSamples(),
})

/** A pool with rows written, and the rows of each sequence in order as numbers. */
function written(
  pool: Value,
  rows: Value,
  { table, positions, scales }: { readonly table: Value; readonly positions: Value; readonly scales: Value | undefined },
): { readonly parts: readonly Value[]; readonly all: Value } {
  const inOrder = (part: Value): Value => {
    const [batch, most] = numbers(table) as readonly [number, number]
    const [, heads, size, width] = numbers(part) as readonly [number, number, number, number]
    return reshape(permute(gather(part, table), [0, 2, 1, 3, 4]), [batch, heads, most * size, width])
  }
  if (scales === undefined) {
    const all = pagedWrite(pool, rows, table, positions)
    return { parts: [all], all: inOrder(all) }
  }
  const layout = rowLayout(typeOf(pool), typeOf(scales))
  const packed = packRows(widen(rows), layout)
  const codes = pagedWrite(pool, packed.codes, table, positions)
  const steps = pagedWrite(scales, cast(packed.scales, dtypeOf(scales)), table, positions)
  return { parts: [codes, steps], all: cast(unpackRows(inOrder(codes), inOrder(steps), layout), dtypeOf(rows)) }
}

function decomposePaged(inputs: readonly Value[], attrs: AttendCachedAttrs): readonly Value[] {
  const [q, k, v, oldK, oldV, table, positions] = inputs as readonly [Value, Value, Value, Value, Value, Value, Value]
  const [scalesK, scalesV] = inputs.slice(7)
  const keys = written(oldK, k, { table, positions, scales: scalesK })
  const values = written(oldV, v, { table, positions, scales: scalesV })
  const [poolK, ...besideK] = keys.parts as [Value, ...Value[]]
  const [poolV, ...besideV] = values.parts as [Value, ...Value[]]
  return [attendFilled(q, keys.all, values.all, positions, attrs), poolK, poolV, ...besideK, ...besideV]
}

const attendPagedOp = defineOp<AttendCachedAttrs>({
  name: 'attendPaged',
  kind: 'composite',
  summary:
    'Writes k and v into pools of blocks as a table says; query t attends to the rows of its sequence up to positions + t. Pools of 8 or 4 bits have scales beside them. Returns [out, poolK, poolV, scalesK, scalesV].',
  infer: (inputs, attrs) => {
    checkCount('attendPaged', inputs, 7, 9, 'q, k, v, poolK, poolV, table, positions, scalesK, scalesV')
    const [q, k, v, poolK, poolV] = inputs as readonly [TensorType, TensorType, TensorType, TensorType, TensorType]
    const [table, positions, scalesK, scalesV] = inputs.slice(5) as [TensorType, TensorType, TensorType?, TensorType?]
    if ((scalesK === undefined) !== (scalesV === undefined))
      throw new TensorError('VALUE', 'attendPaged: scales are given of both pools or of none')
    checkHeads('attendPaged', q, k, v)
    checkScores('attendPaged', attrs)
    checkPages('attendPaged', { pool: poolK, rows: k, table, positions }, ['poolK', 'k'], scalesK)
    checkPages('attendPaged', { pool: poolV, rows: v, table, positions }, ['poolV', 'v'], scalesV)
    checkShapeIs('attendPaged', 'poolV', poolV, poolK.shape, 'the shape of poolK')
    checkDTypeIs('attendPaged', 'poolV', poolV, [poolK.dtype], 'the dtype of poolK')
    if (scalesK !== undefined) checkShapeIs('attendPaged', 'the scales of poolV', scalesV!, scalesK.shape, 'the shape of those of poolK')
    if (q.shape[2] !== k.shape[2])
      throw new TensorError('SHAPE', `attendPaged: q ${describe(q)} and k ${describe(k)} must have equally many tokens (axis 2)`)
    return [q, poolK, poolV, ...(scalesK === undefined ? [] : [scalesK, scalesV!])]
  },
  decompose: decomposePaged,
  alias: [
    [1, 3],
    [2, 4],
    [3, 7],
    [4, 8],
  ],
  samples: [...pagedSamples(4), ...pagedSamples(8), ...packedSamples()],
})

type Positions = number | readonly number[]
type Float = 'f32' | 'f16' | 'bf16'

function positionsInput(positions: Positions): Sample['inputs'][number] {
  return typeof positions === 'number'
    ? { shape: [], dtype: 'i32', values: [positions] }
    : { shape: [positions.length], dtype: 'i32', values: positions }
}

function tableInput(table: readonly (readonly number[])[]): Sample['inputs'][number] {
  return { shape: [table.length, table[0]!.length], dtype: 'i32', values: table.flat() }
}

function writeSamples(): Sample[] {
  const sample = (
    name: string,
    tokens: number,
    table: readonly (readonly number[])[],
    positions: Positions,
    dtype: Float = 'f32',
  ): Sample => ({
    name,
    inputs: [{ shape: [5, 2, 4, 6], dtype }, { shape: [table.length, 2, tokens, 6], dtype }, tableInput(table), positionsInput(positions)],
  })
  return [
    sample('one row', 1, [[3, 1]], 5),
    sample('rows of two blocks', 3, [[4, 2]], 3),
    sample('a block', 4, [[4], [0]], 0),
    sample(
      'sequences',
      1,
      [
        [3, 1],
        [0, 2],
        [4, -1],
      ],
      [5, 7, 2],
    ),
    sample(
      'no such block',
      2,
      [
        [9, -1],
        [1, 0],
      ],
      [3, 2],
    ),
    sample('beyond the table', 4, [[2, 1]], 6),
    sample('before the beginning', 3, [[2, 1]], -1),
    sample('no rows', 0, [[2, 1]], 1),
    sample('f16', 3, [[2, 1]], 3, 'f16'),
    sample('bf16', 1, [[2, 1]], 3, 'bf16'),
  ]
}

/** `width` 8 reaches kernels that want whole vectors; 4 those that take what there is. */
function pagedSamples(width: number): Sample[] {
  interface Layout {
    readonly heads?: number
    readonly keyHeads?: number
    readonly tokens: number
    readonly table?: readonly (readonly number[])[]
    readonly positions: Positions
    readonly size?: number
    readonly dtype?: Float
  }
  const sample = (name: string, layout: Layout, attrs: Omit<AttendCachedAttrs, 'scale'> = {}): Sample => {
    const { heads = 4, keyHeads = 2, tokens, table = [[5, 0, 3]], positions, size = 4, dtype = 'f32' } = layout
    const rows = { shape: [table.length, keyHeads, tokens, width], dtype }
    const pool = { shape: [6, keyHeads, size, width], dtype }
    return {
      name: width === 4 ? name : `${name}, width ${width}`,
      inputs: [
        { shape: [table.length, heads, tokens, width], dtype },
        rows,
        rows,
        pool,
        pool,
        tableInput(table),
        positionsInput(positions),
      ],
      attrs: { scale: 0.5, ...attrs },
    }
  }
  const several = [
    [5, 0, 3],
    [2, 1, -1],
    [4, -1, -1],
  ]
  return [
    sample('decode', { tokens: 1, positions: 6 }),
    sample('first token', { tokens: 1, positions: 0 }),
    sample('last row', { tokens: 1, positions: 11 }),
    sample('prefill', { tokens: 6, positions: 0 }),
    sample('chunk', { tokens: 3, positions: 6 }),
    sample('one head each', { heads: 2, tokens: 2, positions: 3 }),
    sample('blocks of three rows', { tokens: 2, positions: 5, size: 3 }),
    sample('sequences', { tokens: 1, table: several, positions: [9, 6, 3] }),
    sample('sequences, one of them nobody’s', {
      tokens: 1,
      table: [
        [5, 0, 3],
        [-1, -1, -1],
      ],
      positions: [9, 0],
    }),
    sample('chunks of sequences', { tokens: 3, table: several, positions: [7, 4, 0] }),
    sample('a block that two begin with', {
      tokens: 1,
      table: [
        [5, 0, 3],
        [5, 2, -1],
      ],
      positions: [6, 4],
    }),
    sample('filled up beyond the table', { tokens: 4, table: [[5, 0, -1]], positions: 6 }),
    sample('window', { tokens: 3, positions: 6 }, { window: 2 }),
    sample('window, decode', { tokens: 1, positions: 9 }, { window: 3 }),
    sample('soft cap', { tokens: 2, positions: 4 }, { softcap: 1.5 }),
    sample('f16', { tokens: 2, positions: 3, dtype: 'f16' }),
    sample('bf16', { tokens: 1, positions: 5, dtype: 'bf16' }),
  ]
}

/** Pools of 8 and 4 bits. */
function packedSamples(): Sample[] {
  interface Layout {
    readonly tokens: number
    readonly table?: readonly (readonly number[])[]
    readonly positions: Positions
    readonly width?: number
    readonly block?: number
  }
  const sample = (name: string, bits: 4 | 8, layout: Layout, attrs: Omit<AttendCachedAttrs, 'scale'> = {}): Sample => {
    const { tokens, table = [[5, 0, 3]], positions, width = 32, block = 32 } = layout
    const rows = { shape: [table.length, 2, tokens, width] }
    const pool: SampleInput =
      bits === 8
        ? { shape: [6, 2, 4, width], dtype: 'i8', range: [-127, 127] }
        : { shape: [6, 2, 4, width / 2], dtype: 'u8', range: [0, 255] }
    const scales: SampleInput = { shape: [6, 2, 4, width / block], range: bits === 8 ? [0.005, 0.02] : [-0.25, 0.25] }
    const q = { shape: [table.length, 4, tokens, width] }
    return {
      name: `${name}, ${bits} bits`,
      inputs: [q, rows, rows, pool, pool, tableInput(table), positionsInput(positions), scales, scales],
      attrs: { scale: 0.25, ...attrs },
    }
  }
  const several = [
    [5, 0, 3],
    [2, 1, -1],
    [-1, -1, -1],
  ]
  return ([8, 4] as const).flatMap((bits) => [
    sample('decode', bits, { tokens: 1, positions: 6 }),
    sample('chunk', bits, { tokens: 3, positions: 6, width: 64 }),
    sample('blocks of 8', bits, { tokens: 2, positions: 3, width: 8, block: 8 }),
    sample('sequences, one of them nobody’s', bits, { tokens: 1, table: several, positions: [9, 6, 0] }),
    sample('chunks of sequences', bits, { tokens: 3, table: several, positions: [7, 4, 0] }),
    sample('window', bits, { tokens: 3, positions: 6 }, { window: 2 }),
  ])
}

export const pageOps: readonly OpRow[] = [pagedWriteOp, attendPagedOp]
