/** Attention by workgroups: which rows and keys are whose, how they are read, and where results go. */
import type { Node, Value } from '../graph/node.js'
import { dtypeOf, shapeOf, typeOf } from '../graph/node.js'
import { f32, u32 } from '../kernel/builder.js'
import { vector, type Expr } from '../kernel/ir.js'
import { attendBlock } from '../kernel/lib/attention-block.js'
import { attendRows, type FoundRow, type Rows, type Span } from '../kernel/lib/attention-rows.js'
import { divisorOf, windowStart, type Bias } from '../kernel/lib/attention.js'
import { asExpr, flatIndex, plus, times, type Amount, type SymbolUniforms } from '../kernel/lib/indexing.js'
import { decodeBits, encodeBits, joinParts, perWord, rounded } from '../kernel/lib/pack.js'
import { packedColumn, packedColumns, type PackedRows } from '../kernel/lib/packed-rows.js'
import type { AttentionAttrs } from '../ops/attention.js'
import { rowLayout } from '../ops/packed-rows.js'
import { elementCountAt, type Dim, type Index, type SymValues } from '../shape.js'
import type { AttentionCut } from './attention-cut.js'
import type { KernelParts } from './kernel-parts.js'
import type { Memory, Place } from './places.js'
import { baseValue } from './views.js'

/** An attention, whatever operation it is part of. */
export interface Attended {
  readonly node: Node
  readonly q: Value
  readonly keys: Value
  readonly values: Value
  /** Where keys and values lie. */
  readonly keyRows: KeyRows
  /** What a query sees. */
  readonly ends: (parts: KernelParts, batch: Expr, token: Expr) => Span
  readonly mask: Value | undefined
  /** Scales of keys and values of fewer bits. */
  readonly scales?: { readonly keys: Value; readonly values: Value }
}

/** The rows, among all rows of keys or values in memory, of one head's keys of a sequence. */
export type KeyRows = (parts: KernelParts, batch: Expr, head: Expr) => (key: Expr) => Expr

/** Keys [B, K, S, W]: those of a head follow each other. */
export const rowsInOrder =
  (keys: Value): KeyRows =>
  ({ b, symbols }, batch, head) => {
    const [, heads, count] = shapeOf(keys) as readonly [Dim, number, Dim]
    const keyHead = b.let('keyHead', batch.mul(heads).add(head))
    const first = b.let('keyRow', asExpr(times(keyHead, symbols.dim(count))))
    return (key) => first.add(key)
  }

/** Keys in a pool [P, K, S, W], in blocks that a table [B, M] has for a sequence. What the table says is not trusted: reads stay in the pool. */
export const rowsInPages =
  (pool: Value, table: Value): KeyRows =>
  ({ b, elements }, batch, head) => {
    const [blocks, heads, size] = shapeOf(pool) as readonly [number, number, number]
    const first = b.let('tableRow', batch.mul(shapeOf(table)[1] as number))
    return memo((key) => {
      const place = elements.at(table, b.let('place', first.add(key.div(size))))
      const block = b.let(
        'block',
        place
          .max(0)
          .min(blocks - 1)
          .bits('u32'),
      )
      return b.let('keyRow', block.mul(heads).add(head).mul(size).add(key.rem(size)))
    })
  }

/** One name for what is asked for again, in one block. */
export function memo(compute: (s: Expr) => Expr): (s: Expr) => Expr {
  const made = new WeakMap<Expr, Expr>()
  return (s) => {
    const found = made.get(s) ?? compute(s)
    made.set(s, found)
    return found
  }
}

/** What queries of `attention` see. */
export function attentionEnds(node: Node): Attended['ends'] {
  const [q, keys] = node.inputs as readonly [Value, Value]
  const attrs = node.attrs as AttentionAttrs
  return ({ b, symbols }, _, token) => {
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
}

/** Keys that count. */
export const lengthOf = (symbols: SymbolUniforms, length: Index | Dim): Amount =>
  typeof length === 'number' ? length : symbols.index(length).max(0).bits('u32')

export type GroupCut = Exclude<AttentionCut, { readonly kind: 'alone' }>

/** Workgroups of the dispatch. */
export function groupCount({ q, keys }: Attended, cut: GroupCut, values: SymValues): number {
  const [batch, heads, tokens] = shapeOf(q) as readonly [Dim, number, Dim]
  const keyHeads = shapeOf(keys)[1] as number
  const count = (...dims: Dim[]): number => elementCountAt(dims, values)
  const each =
    cut.kind === 'block'
      ? count(batch, heads) * Math.ceil(count(tokens) / cut.rows)
      : count(batch, keyHeads) * Math.ceil((count(tokens) * (heads / keyHeads)) / cut.rows)
  return each * cut.ranges
}

/** Where a row lies: the number of its query among all, and its coordinates. */
interface RowPlace {
  readonly number: Expr
  readonly head: Expr
  readonly token: Expr
}

/** What a workgroup does. */
export function attendGroup(attended: Attended, cut: GroupCut, parts: KernelParts, lanes: 1 | 4, memory: Memory): void {
  const { node, q, keys, values, keyRows, ends, mask } = attended
  const { b, symbols, elements, group, when } = parts
  const [batches, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const keyHeads = shapeOf(keys)[1] as number
  const shared = heads / keyHeads
  const tokenCount = symbols.dim(tokens)
  const isBlock = cut.kind === 'block'
  // Rows that the workgroups of one head, or of the heads that share its keys, divide among them.
  const rowCount = isBlock ? tokenCount : times(tokenCount, shared)
  const chunks = typeof rowCount === 'number' ? Math.ceil(rowCount / cut.rows) : b.let('chunks', rowCount.add(cut.rows - 1).div(cut.rows))
  const outer = isBlock ? heads : keyHeads
  when(group, times(times(symbols.count([batches]), outer * cut.ranges), chunks), () => {
    const range = cut.ranges === 1 ? u32(0) : b.let('range', group.rem(cut.ranges))
    const number = cut.ranges === 1 ? group : b.let('number', group.div(cut.ranges))
    const chunk = b.let('chunk', number.rem(asExpr(chunks)))
    const rest = b.let('rest', number.div(asExpr(chunks)))
    const [one, batch] = [b.let('head', rest.rem(outer)), b.let('batch', rest.div(outer))]
    // Later queries see more keys, and are begun with.
    const top = b.let('top', asExpr(chunks).sub(chunk).sub(1).mul(cut.rows))
    const last = b.let('lastRow', asExpr(rowCount).sub(1))
    const place = (row: Expr): RowPlace => {
      const at = b.let('row', top.add(row).min(last))
      const head = isBlock || shared === 1 ? one : b.let('head', one.mul(shared).add(at.rem(shared)))
      const token = isBlock || shared === 1 ? at : b.let('token', at.div(shared))
      return { head, token, number: b.let('query', batch.mul(heads).add(head).mul(asExpr(tokenCount)).add(token)) }
    }
    const keyRow = keyRows(parts, batch, isBlock && shared > 1 ? one.div(shared) : one)
    const [readQ, readKey, readValue] = [
      reader(parts, memory, q, width, lanes),
      keyReader(parts, memory, keys, attended.scales?.keys, width, lanes),
      keyReader(parts, memory, values, attended.scales?.values, width, lanes),
    ]
    const seen = (row: Expr): Span => ends(parts, batch, place(row).token)
    const rows: Rows = {
      b,
      columns: Math.ceil(width / 4),
      query: (row, column) => readQ(place(row).number, column),
      key: (s, column) => readKey.one(keyRow(s), column),
      keyColumns: (s, first, count) => (count === 4 ? readKey.four?.(keyRow(s), first) : undefined),
      value: (s, column) => readValue.one(keyRow(s), column),
      seen,
      get span() {
        const whole = { from: seen(u32(0)).from, to: seen(u32(cut.rows - 1)).to }
        return cut.ranges === 1 ? whole : rangeOf(parts, whole, range, cut.ranges)
      },
      scale: node.attrs['scale'] as number,
      softcap: node.attrs['softcap'] as number | undefined,
      bias:
        mask === undefined
          ? undefined
          : (row) => {
              const { head, token } = place(row)
              return (s) => biasAt(parts, mask, [batch, head, token, s])
            },
      inside: (body) => elements.inside(body),
    }
    const out = cut.ranges === 1 ? resultWriter(parts, node, lanes) : undefined
    const ranged = out === undefined ? rangeWriter(parts, attended, cut.ranges, memory.between(node)!) : undefined
    const write = (found: FoundRow): void =>
      when(top.add(found.row), rowCount, () => {
        const { number: query } = place(found.row)
        if (out !== undefined) out(query, found)
        else ranged!(b.let('part', query.mul(cut.ranges).add(range)), found)
      })
    if (isBlock) attendBlock(rows, cut.block, write)
    else attendRows(rows, cut.rows, cut.threads, write)
  })
}

/** One of so many ranges of the keys that are seen. */
function rangeOf({ b }: KernelParts, { from, to }: Span, range: Expr, ranges: number): Span {
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

/** Four numbers of a row of a matrix. */
export type Read = (row: Expr, column: Expr) => Expr

/** How keys or values are read: a column of four numbers, and where they are few bits four columns from a multiple of four on. */
interface KeyReader {
  readonly one: Read
  readonly four?: (row: Expr, first: Expr) => readonly Expr[] | undefined
}

function keyReader(parts: KernelParts, memory: Memory, rows: Value, scales: Value | undefined, width: number, lanes: 1 | 4): KeyReader {
  if (scales === undefined) return { one: reader(parts, memory, rows, width, lanes) }
  const { b } = parts
  const packed = packedRowsOf(parts, rows, scales, lanes)
  return {
    one: (row, column) => packedColumn(b, packed, row, column),
    four: (row, first) => packedColumns(b, packed, row, first),
  }
}

/** Keys or values of fewer bits, both parts of which are in memory. */
export const packedRowsOf = ({ arrays }: KernelParts, rows: Value, scales: Value, lanes: 1 | 4): PackedRows => ({
  layout: rowLayout(typeOf(rows), typeOf(scales)),
  words: () => arrays.of(rows)!,
  vectors: lanes === 4 ? () => arrays.of(rows, 4)! : undefined,
  scales: () => arrays.of(scales)!,
})

/** Reads rows of a width, as vectors where they are in memory and of whole vectors. */
export function reader({ b, arrays, elements }: KernelParts, memory: Memory, value: Value, width: number, lanes: 1 | 4): Read {
  const { dtype } = typeOf(value)
  const base = baseValue(value)
  if (lanes === 4 && width % 4 === 0 && memory.of(base) !== undefined) {
    const words = dtype === 'f32' ? 4 : 2
    const array = arrays.of(base, words)!
    return (row, column) => {
      const bits = b.load(array, row.mul(width / 4).add(column))
      if (dtype === 'f32') return bits.bits('f32')
      const halves = [0, 1].flatMap((word) => [bits.lane(word).and(0xffff), bits.lane(word).shr(16)])
      return b.let('numbers', vector(...halves.map((half) => decodeBits(half, dtype))))
    }
  }
  return (row, column) => {
    const [start, first] = [b.let('start', row.mul(width)), b.let('first', column.mul(4))]
    const numbers = [0, 1, 2, 3].map((lane) => {
      const w = lane === 0 ? first : first.add(lane)
      if (width % 4 === 0) return elements.at(value, b.let('at', start.add(w)))
      const number = elements.at(value, b.let('at', start.add(w.min(width - 1))))
      return w.lt(width).select(number, 0)
    })
    return b.let('numbers', vector(...numbers))
  }
}

/** Writes four numbers of a row of a matrix, as far as it is wide. */
export type Write = (row: Expr, column: Expr, numbers: Expr) => void

/** Writes rows of a width where they have memory, as vectors where they are of whole ones. */
export function writer({ b, arrays, elements }: KernelParts, value: Value, lanes: 1 | 4): Write | undefined {
  const { dtype, shape } = typeOf(value)
  const width = shape.at(-1) as number
  const elementsPerWord = perWord(dtype)
  const whole = width % 4 === 0 && lanes === 4
  const perVector = 4 / elementsPerWord
  const out = arrays.of(value, whole ? (perVector as 2 | 4) : 1)
  if (out === undefined) return undefined
  return (row, column, numbers) => {
    const words = Array.from({ length: perVector }, (_, word) =>
      joinParts(elementsPerWord, (part) => {
        const number = rounded(b, numbers.lane(word * elementsPerWord + part), dtype)
        return b.let('bits', encodeBits(b.let('rounded', number), dtype))
      }),
    )
    if (whole) return b.store(out, b.let('to', row.mul(width / 4).add(column)), vector(...words))
    words.forEach((bits, word) => {
      const w = b.let('w', column.mul(perVector).add(word))
      const perRow = width / elementsPerWord
      b.if(w.lt(perRow), () => elements.inside(() => b.store(out, b.let('to', row.mul(perRow).add(w)), bits)))
    })
  }
}

/** Writes a row of the result, and where it has memory log Σ e^score. */
function resultWriter(parts: KernelParts, node: Node, lanes: 1 | 4): (query: Expr, found: FoundRow) => void {
  const { b, arrays, elements } = parts
  const write = writer(parts, { node, index: 0 }, lanes)
  const sums = node.outputs.length > 1 && node.op === 'attentionForward' ? arrays.of({ node, index: 1 }) : undefined
  return (query, { peak, total, first, each }) => {
    if (write !== undefined) {
      const factor = b.let('factor', f32(1).div(divisorOf(b, total)))
      each((column, sum) => write(query, column, b.let('attended', sum.mul(factor.splat(4)))))
    }
    if (sums === undefined) return
    b.if(first, () =>
      elements.inside(() => {
        const sum = peak.mul(Math.LN2).add(divisorOf(b, total).unary('log'))
        b.store(sums, query, total.eq(0).select(f32(0), sum).bits('u32'))
      }),
    )
  }
}

/** Where what was found of the ranges lies: first the sums of all queries and ranges, then their peaks and totals. */
export function rangePlaces(
  { symbols }: KernelParts,
  q: Value,
  ranges: number,
): { readonly sums: (part: Expr) => Expr; readonly ends: (part: Expr) => Expr } {
  const [batch, heads, tokens, width] = shapeOf(q) as readonly [Dim, number, Dim, number]
  const all = times(symbols.count([batch, heads, tokens]), ranges * width)
  return { sums: (part) => part.mul(width), ends: (part) => asExpr(plus(part.mul(2), all)) }
}

/** Writes what was found of one range of a row's keys. */
function rangeWriter(parts: KernelParts, { q }: Attended, ranges: number, between: Place): (part: Expr, found: FoundRow) => void {
  const { b, arrays, elements } = parts
  const width = shapeOf(q)[3] as number
  const array = arrays.at(between)
  const places = rangePlaces(parts, q, ranges)
  return (part, { peak, total, first, each }) => {
    const base = b.let('base', places.sums(part))
    each((column, sum) => {
      const start = b.let('start', column.mul(4))
      for (let lane = 0; lane < 4; lane++) {
        const w = lane === 0 ? start : b.let('w', start.add(lane))
        const store = (): void => b.store(array, b.let('to', base.add(w)), sum.lane(lane).bits('u32'))
        if (width % 4 === 0) store()
        else b.if(w.lt(width), () => elements.inside(store))
      }
    })
    b.if(first, () =>
      elements.inside(() => {
        const end = b.let('end', places.ends(part))
        b.store(array, end, peak.bits('u32'))
        b.store(array, b.let('to', end.add(1)), total.bits('u32'))
      }),
    )
  }
}

/** A bias at or below this hides its key, as in the op's definition. */
const HIDDEN = -5e29

/** What a mask says of the score at [batch, head, token, key]: booleans say what is seen, numbers are added. */
export function biasAt({ b, symbols, elements }: KernelParts, mask: Value, score: readonly Expr[]): Bias {
  const shape = shapeOf(mask)
  const strides = symbols.strides(shape)
  const own = score.slice(4 - shape.length)
  const index = flatIndex(
    b,
    own,
    shape.map((dim, axis): Amount => (dim === 1 ? 0 : strides[axis]!)),
  )
  const value = elements.at(mask, index)
  return dtypeOf(mask) === 'bool' ? { isSeen: value } : { isSeen: value.le(f32(HIDDEN)).not(), add: value }
}
