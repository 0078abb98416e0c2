/** Rows written into caches of 8 and 4 bits. */
import { shapeOf, typeOf, type Value } from '../graph/node.js'
import { vector, type Expr } from '../kernel/ir.js'
import { asExpr, coordinatesOf, flatIndex } from '../kernel/lib/indexing.js'
import { existing, writePacked } from '../kernel/lib/packed-rows.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { rowLayout } from '../ops/packed-rows.js'
import { elementCountAt, type Dim } from '../shape.js'
import { copiesOf, groupsOf, positionIndex, type CacheWrite } from './cache-dispatch.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf } from './kernel-parts.js'
import type { Memory } from './places.js'

/** Rows that are rounded as they are written. */
export interface PackedWrite extends CacheWrite {
  readonly scales: Pick<CacheWrite, 'cache' | 'out'>
}

/** Where rows go: behind so many others of a sequence, with a table in blocks of a pool. */
interface Targets {
  readonly positions: Value
  readonly table?: Value
}

/** Writes rows into caches of one form; what a cache held is copied first where it is not written in place. */
export function packedWritesDispatches(writes: readonly PackedWrite[], targets: Targets, memory: Memory, tuning: Tuning): Dispatch[] {
  const { positions, table } = targets
  const copies = copiesOf(
    writes.flatMap((write) => [write, write.scales]),
    memory,
    tuning,
  )
  const tables = table === undefined ? [] : [table]
  const groups = groupsOf(writes, [positions, ...tables, ...writes.flatMap(({ rows, out, scales }) => [rows, out, scales.out])], memory)
  return [...copies, ...groups.map((group) => rowsPacked(group, targets, memory))]
}

/** A thread for each four numbers of the rows; what lies beyond the capacity, or with a table in no block of the pool, is dropped. */
function rowsPacked(writes: readonly PackedWrite[], { positions, table }: Targets, memory: Memory): Dispatch {
  const { rows, cache } = writes[0]!
  const [batch, heads, tokens, width] = shapeOf(rows) as readonly [Dim, number, Dim, number]
  const columns: readonly Dim[] = [batch, heads, tokens, width / 4]
  const built = kernelOf('cacheWrite', memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread }) => {
    const total = asExpr(symbols.count(columns))
    const number = b.let('column', existing(thread, total))
    const [at, head, token, column] = coordinatesOf(b, symbols, columns, number).map(asExpr) as [Expr, Expr, Expr, Expr]
    const position = elements.at(positions, positionIndex(positions, at))
    const slot = b.let('slot', position.bits('u32').add(token))
    const strides = symbols.strides(shapeOf(cache).slice(0, 3))
    const placeOf = (): { readonly isThere: Expr; readonly row: Expr } => {
      // What is before the beginning wraps around to something large.
      if (table === undefined)
        return { isThere: slot.lt(asExpr(symbols.dim(shapeOf(cache)[2]!))), row: flatIndex(b, [at, head, slot], strides) }
      const [blocks, , size] = shapeOf(cache) as readonly [number, number, number]
      const most = shapeOf(table)[1] as number
      const entry = b.let('entry', slot.div(size).min(most - 1))
      const block = b.let('block', elements.at(table, b.let('place', at.mul(most).add(entry))).bits('u32'))
      const row = flatIndex(b, [block, head, b.let('inBlock', slot.rem(size))], strides)
      return { isThere: slot.lt(most * size).and(block.lt(blocks)), row }
    }
    const place = placeOf()
    const isThere = b.let('isThere', thread.lt(total).and(place.isThere))
    const row = b.let('row', place.row)
    const first = b.let('first', number.mul(4))
    for (const write of writes) {
      const numbers = vector(...[0, 1, 2, 3].map((lane) => elements.at(write.rows, lane === 0 ? first : b.let('at', first.add(lane)))))
      writePacked(
        b,
        {
          layout: rowLayout(typeOf(write.out), typeOf(write.scales.out)),
          numbers,
          words: arrays.of(write.out)!,
          scales: arrays.of(write.scales.out)!,
          row,
        },
        { column, isThere, threads: ELEMENT_GROUP },
      )
    }
  })
  const { kernel, places, symbols } = built
  return { kernel, places, symbols, threads: (values) => elementCountAt(columns, values), title: 'cacheWrite' }
}
