/**
 * Attention by workgroups: what all ways of it share, and the way for few queries. There some rows of queries, of one head or of the heads that share its keys, go through the
 * keys together: a thread finds the scores of a key for all rows, and adds up four numbers of the values, so that keys and values are read once, straight into registers.
 *
 * Scores are kept in powers of two, which graphics processors raise in one instruction: e^x = 2^(x · log2 e).
 */
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import type { Expr, Shared } from '../ir.js'
import { divisorOf, type Bias } from './attention.js'

/** The keys from one on, up to another that is not among them. */
export interface Span {
  readonly from: Expr
  readonly to: Expr
}

/** Rows of queries that share keys, as a workgroup sees them. A row is a query of a head. */
export interface Rows {
  readonly b: KernelBuilder
  /** Vectors of four numbers in a query, key or value; the last is filled up with zeros. */
  readonly columns: number
  /** Four numbers of row `row`, which may lie behind the last: there it is the last again. */
  readonly query: (row: Expr, column: Expr) => Expr
  /** Four numbers of a key or value that exists. */
  readonly key: (s: Expr, column: Expr) => Expr
  /** So many columns of a key from a multiple of them on, where they are read at once. */
  readonly keyColumns?: (s: Expr, first: Expr, count: number) => readonly Expr[] | undefined
  readonly value: (s: Expr, column: Expr) => Expr
  /** What a row sees. */
  readonly seen: (row: Expr) => Span
  /** What the rows see between them: that of the first from its beginning, of the last to its end. */
  readonly span: Span
  readonly scale: number
  readonly softcap: number | undefined
  readonly bias: ((row: Expr) => (s: Expr) => Bias) | undefined
  readonly inside: (body: () => void) => void
}

/** What was found of a row: its largest score in powers of two, Σ 2^(score − peak), and of the values that sum, for the columns that this thread holds. */
export interface FoundRow {
  readonly row: Expr
  readonly peak: Expr
  readonly total: Expr
  /** Whether this is the one thread that writes the peak and the total. */
  readonly first: Expr
  /** Runs for each column of four numbers that this thread holds. */
  readonly each: (body: (column: Expr, sum: Expr) => void) => void
}

/** The score of a key that is not seen. Its power of two is 0 beside every peak, which an infinity's would not be. */
export const UNSEEN = -3e38
/** Below every score, and far above that of what is not seen. */
export const NO_PEAK = -1e38
const LOG2E = Math.LOG2E

/** What queries are multiplied by beforehand, so that their products with keys need nothing more; with a soft cap they are what tanh takes. */
export const queryFactor = ({ scale, softcap }: Rows): number => (softcap === undefined ? scale * LOG2E : scale / softcap)

/** Four numbers of a query, multiplied by it. */
export function scaledQuery(rows: Rows, row: Expr, column: Expr): Expr {
  const query = rows.query(row, column)
  return query.mul(query.like(queryFactor(rows)))
}

/** The score of such a product, without what a mask adds. */
export function cappedScore({ softcap }: Rows, dot: Expr): Expr {
  return softcap === undefined
    ? dot
    : dot
        .max(-15)
        .min(15)
        .unary('tanh')
        .mul(softcap * LOG2E)
}

/** What a mask makes of a score. */
export function biased(score: Expr, { isSeen, add }: Bias): Expr {
  const sum = add === undefined ? score : add.fma(LOG2E, score)
  return isSeen === undefined ? sum : isSeen.select(sum, UNSEEN)
}

/** The ends of the span, seen by all threads to be the same for all: loops with barriers go from one to the other. */
export function commonSpan({ b, span, inside }: Rows): Span {
  const ends = b.sharedArray('ends', 'u32', 2)
  b.if(b.localIndex().eq(0), () =>
    inside(() => {
      b.store(ends, u32(0), span.from)
      b.store(ends, u32(1), span.to)
    }),
  )
  return { from: b.commonLoad(ends, u32(0)), to: b.commonLoad(ends, u32(1)) }
}

const zeros = (): Expr => f32(0).splat(4)
/** Σ a·b of two vectors, added to a number. */
export const dotOnto = (sum: Expr, a: Expr, b: Expr): Expr =>
  [0, 1, 2, 3].reduce((total, lane) => a.lane(lane).fma(b.lane(lane), total), sum)

/** How many parts what the threads of a workgroup found of a row is first put together in. */
const PARTS = 16

/** Puts together a number of each row that each thread has. All threads must come by, and all get the result. */
class Reduction {
  private readonly own: Shared
  private readonly parts: Shared

  constructor(
    private readonly rows: Rows,
    private readonly count: number,
    private readonly threads: number,
  ) {
    this.own = rows.b.sharedArray('own', 'f32', count * threads)
    this.parts = rows.b.sharedArray('parts', 'f32', count * PARTS)
  }

  of(op: 'add' | 'max', values: readonly Expr[]): Expr[] {
    const { count, threads } = this
    const { b, inside } = this.rows
    const member = b.localIndex()
    values.forEach((value, row) => b.store(this.own, row === 0 ? member : member.add(row * threads), value))
    b.barrier()
    const join = (array: Shared, from: Expr, step: number, turns: number): Expr => {
      let all = b.load(array, from)
      for (let i = 1; i < turns; i++) {
        const one = b.load(array, from.add(i * step))
        all = b.let('joined', op === 'add' ? all.add(one) : all.max(one))
      }
      return all
    }
    b.if(member.lt(count * PARTS), () =>
      inside(() => {
        const from = b.let('from', member.div(PARTS).mul(threads).add(member.rem(PARTS)))
        b.store(this.parts, member, join(this.own, from, PARTS, threads / PARTS))
      }),
    )
    b.barrier()
    return values.map((_, row) => join(this.parts, u32(row * PARTS), 1, PARTS))
  }
}

/** Rows that a workgroup of so many threads takes at most, of so many columns. */
export const mostRows = (columns: number): number => (columns > 32 ? 4 : 8)

/**
 * All threads of the workgroup must come by.
 *
 * @param count rows of the workgroup, `mostRows` at most
 * @param threads of the workgroup: a multiple of 16, at least as many as columns and 16 for each row
 */
export function attendRows(rows: Rows, count: number, threads: number, write: (found: FoundRow) => void): void {
  const { b, columns, inside } = rows
  const member = b.let('member', b.localIndex())
  const numbers = Array.from({ length: count }, (_, row) => u32(row))
  const queries = b.sharedArray('queries', 'f32', count * columns, 4)
  const slots = Math.max(1, Math.floor(4 / count))
  const weights = b.sharedArray('weights', 'f32', count * slots * threads)
  const reduction = new Reduction(rows, count, threads)
  const at = (row: number, slot: Expr): Expr => (row === 0 ? slot : slot.add(row * slots * threads))
  b.for('place', member, u32(count * columns), threads, (place) =>
    inside(() => {
      const row = b.let('row', place.div(columns))
      b.store(queries, place, scaledQuery(rows, row, b.let('column', place.rem(columns))))
    }),
  )
  const { from, to } = commonSpan(rows)
  const seen = numbers.map((row) => {
    const own = rows.seen(row)
    return { from: b.let('first', own.from), to: b.let('end', own.to.min(to)) }
  })
  const last = b.let('last', to.max(1).sub(1))
  const peaks = numbers.map(() => b.var('peak', f32(NO_PEAK)))
  const totals = numbers.map(() => b.var('total', f32(0)))
  const sums = numbers.map(() => b.var('sum', zeros()))
  // So many keys at a time are added up, each column of their values by a thread.
  const parts = Math.floor(threads / columns)
  const [part, column] = [b.let('part', member.div(columns)), b.let('column', member.rem(columns))]
  b.for('base', from, to, slots * threads, (base) =>
    inside(() => {
      const most = numbers.map(() => b.var('most', f32(UNSEEN)))
      b.for('slot', member, u32(slots * threads), threads, (slot) =>
        inside(() => {
          const s = b.let('key', base.add(slot))
          const scores = scoresOf(rows, queries, count, b.let('existing', s.min(last)))
          numbers.forEach((row, i) => {
            const { from: first, to: end } = seen[i]!
            const bias = rows.bias?.(row)(s.min(last)) ?? {}
            const isSeen = s.lt(end).and(s.ge(first))
            const score = b.let('score', isSeen.select(biased(cappedScore(rows, scores[i]!), bias), UNSEEN))
            most[i]!.set(most[i]!.value.max(score))
            b.store(weights, at(i, slot), score)
          })
        }),
      )
      const found = reduction.of(
        'max',
        most.map(({ value }) => value),
      )
      numbers.forEach((_, i) => {
        const next = b.let('next', peaks[i]!.value.max(found[i]!))
        const shrink = b.let('shrink', peaks[i]!.value.sub(next).unary('exp2'))
        peaks[i]!.set(next)
        totals[i]!.set(totals[i]!.value.mul(shrink))
        sums[i]!.set(sums[i]!.value.mul(shrink.splat(4)))
      })
      b.for('slot', member, u32(slots * threads), threads, (slot) =>
        inside(() =>
          numbers.forEach((_, i) => {
            const weight = b.let('weight', b.load(weights, at(i, slot)).sub(peaks[i]!.value).unary('exp2'))
            totals[i]!.set(totals[i]!.value.add(weight))
            b.store(weights, at(i, slot), weight)
          }),
        ),
      )
      b.barrier()
      const here = b.let('here', to.sub(base).min(slots * threads))
      b.if(part.lt(parts), () => inside(() => addValues({ rows, weights, at, sums, column, base }, part, here, parts)))
      b.barrier()
    }),
  )
  const whole = reduction.of(
    'add',
    totals.map(({ value }) => value),
  )
  const halves = parts > 1 ? b.sharedArray('halves', 'f32', threads, 4) : undefined
  numbers.forEach((row, i) => {
    if (halves !== undefined) {
      b.store(halves, member, sums[i]!.value)
      b.barrier()
    }
    b.if(member.lt(columns), () =>
      inside(() => {
        if (halves !== undefined)
          b.for('other', member.add(columns), u32(parts * columns), columns, (other) =>
            sums[i]!.set(sums[i]!.value.add(b.load(halves, other))),
          )
        const each: FoundRow['each'] = (body) => body(member, sums[i]!.value)
        write({ row, peak: peaks[i]!.value, total: whole[i]!, first: member.eq(0), each })
      }),
    )
    if (halves !== undefined && i + 1 < count) b.barrier()
  })
}

/** Products of all queries with a key: as many columns at a time as there are loads that one likes to have on their way. */
function scoresOf({ b, columns, key, keyColumns, inside }: Rows, queries: Shared, count: number, s: Expr): Expr[] {
  const dots = Array.from({ length: count }, () => b.var('dot', f32(0)))
  const step = [4, 2].find((size) => columns % size === 0) ?? 1
  b.for('column', u32(0), u32(columns), step, (start) =>
    inside(() => {
      const columnsHere = Array.from({ length: step }, (_, i) => (i === 0 ? start : b.let('column', start.add(i))))
      const numbers = keyColumns?.(s, start, step) ?? columnsHere.map((column) => key(s, column))
      columnsHere.forEach((column, i) =>
        dots.forEach((dot, row) =>
          dot.set(dotOnto(dot.value, b.load(queries, row === 0 ? column : column.add(row * columns)), numbers[i]!)),
        ),
      )
    }),
  )
  return dots.map(({ value }) => value)
}

interface Adding {
  readonly rows: Rows
  readonly weights: Shared
  readonly at: (row: number, slot: Expr) => Expr
  readonly sums: readonly Cell[]
  readonly column: Expr
  readonly base: Expr
}

/** Values that are on their way at a time. */
const VALUES = 4

/** Adds every so manieth value of some, times its weights. */
function addValues({ rows, weights, at, sums, column, base }: Adding, part: Expr, here: Expr, parts: number): void {
  const { b, value, inside } = rows
  b.for('other', part, here, VALUES * parts, (other) =>
    inside(() => {
      const slots = Array.from({ length: VALUES }, (_, i) => {
        const slot = i === 0 ? other : b.let('slot', other.add(i * parts))
        const existing = i === 0 ? other : b.let('existing', slot.min(here.sub(1)))
        return { slot, existing, numbers: value(b.let('key', base.add(existing)), column) }
      })
      slots.forEach(({ slot, existing, numbers }, i) => {
        const counts = i === 0 ? undefined : b.let('counts', slot.lt(here))
        sums.forEach((sum, row) => {
          const one = b.load(weights, at(row, existing))
          const weight = counts === undefined ? one : b.let('weight', counts.select(one, 0))
          sum.set(weight.splat(4).fma(numbers, sum.value))
        })
      })
    }),
  )
}

/**
 * Puts together what was found of several ranges of keys.
 *
 * @param found of a range: its peak, its total, and one number of its sums
 */
export function joinRanges(
  b: KernelBuilder,
  ranges: number,
  inside: (body: () => void) => void,
  found: (range: Expr) => { readonly peak: Expr; readonly total: Expr; readonly sum: Expr },
): Expr {
  const peak = b.var('peak', f32(NO_PEAK))
  const [total, sum] = [b.var('total', f32(0)), b.var('sum', f32(0))]
  // Several are on their way at a time.
  const step = [4, 2].find((size) => ranges % size === 0) ?? 1
  b.for('range', u32(0), u32(ranges), step, (range) =>
    inside(() => {
      const some = Array.from({ length: step }, (_, i) => found(i === 0 ? range : b.let('range', range.add(i))))
      const next = b.let(
        'next',
        some.reduce((most, own) => most.max(own.peak), peak.value),
      )
      const shrink = b.let('shrink', peak.value.sub(next).unary('exp2'))
      const factors = some.map((own) => b.let('factor', own.peak.sub(next).unary('exp2')))
      const onto = (cell: Cell, part: (own: (typeof some)[number]) => Expr): void =>
        cell.set(some.reduce((all, own, i) => part(own).fma(factors[i]!, all), cell.value.mul(shrink)))
      onto(total, (own) => own.total)
      onto(sum, (own) => own.sum)
      peak.set(next)
    }),
  )
  return b.let('attended', sum.value.div(divisorOf(b, total.value)))
}
