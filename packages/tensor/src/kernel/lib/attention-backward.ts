/**
 * The gradients of attention by workgroups: weights are worked out again from the logarithms of their sums, for blocks of queries that keys pass by (the gradient of the
 * queries), and for blocks of keys that queries pass by (those of keys and values). Each number is added up by one thread in one order, so that results are always the same.
 *
 * Source: T. Dao et al., "FlashAttention", arXiv:2205.14135, algorithm 4.
 */
import { f32, u32, type Cell } from '../builder.js'
import type { Expr } from '../ir.js'
import { biased, commonSpan, queryFactor, scaledQuery, UNSEEN, type Rows, type Span } from './attention-rows.js'
import { blockKeys, blockQueries, KEYS, odd, Tile, type AttentionBlock } from './attention-tile.js'

/** Rows of queries and what the forward pass left of them. */
export interface BackwardRows extends Rows {
  /** Four numbers of the gradient of row `row`'s result. */
  readonly gradient: (row: Expr, column: Expr) => Expr
  /** log Σ e^score of a row. */
  readonly sums: (row: Expr) => Expr
  /** Σ result · gradient of a row. */
  readonly delta: (row: Expr) => Expr
}

/** The rows of queries of one head, of a block of keys that they pass by. */
export interface PassingRows extends BackwardRows {
  /** The rows that see some of the keys. */
  readonly seers: Span
}

/** Writes four numbers of a row of a block. */
export type WriteColumn = (row: Expr, column: Expr, numbers: Expr) => void

/** Vectors of each shared array, of the larger of both kernels. */
function sizes(block: AttentionBlock, columns: number) {
  return {
    own: blockQueries(block) * odd(columns),
    passing: blockKeys(block) * odd(columns),
    weights: blockQueries(block) * odd(block.across),
  }
}

/** Bytes of shared memory that a workgroup takes. */
export function backwardBytes(block: AttentionBlock, columns: number): number {
  const { own, passing, weights } = sizes(block, columns)
  return 16 * (2 * own + 2 * passing + 2 * weights + 1) + 8 * blockKeys(block)
}

/** What one query and one key are to each other. */
interface Pair {
  /** The product of the query, as `scaledQuery` gives it, with the key. */
  readonly dot: Expr
  /** The product of the gradient with the value. */
  readonly dweight: Expr
  readonly isSeen: Expr
  readonly row: Expr
  readonly key: Expr
  /** log2 of the row's sum, and its delta. */
  readonly sum: Expr
  readonly delta: Expr
}

/** The weight of a key, and the gradient of its product with the query but for the scale. */
function weightOf(rows: Rows, { dot, dweight, isSeen, row, key, sum, delta }: Pair): { readonly weight: Expr; readonly dscore: Expr } {
  const { b, softcap } = rows
  const capped = softcap === undefined ? undefined : b.let('capped', dot.max(-15).min(15).unary('tanh'))
  const score = capped === undefined ? dot : capped.mul(softcap! * Math.LOG2E)
  const whole = rows.bias === undefined ? score : biased(score, rows.bias(row)(key))
  const seen = b.let('score', isSeen.select(whole, UNSEEN))
  // Of a query that sees no key the sum says nothing; what it does not see stays away from any sum.
  const weight = b.let('weight', seen.le(UNSEEN).select(f32(0), seen.sub(sum).unary('exp2')))
  const dcapped = weight.mul(dweight.sub(delta))
  const dscore = capped === undefined ? dcapped : dcapped.mul(f32(1).sub(capped.mul(capped)))
  // What is not seen may be anything, and 0 · NaN is NaN.
  return { weight, dscore: b.let('dscore', seen.le(UNSEEN).select(f32(0), dscore)) }
}

/** The gradient of a block of queries. All threads of the workgroup must come by. */
export function queryGradients(rows: BackwardRows, block: AttentionBlock, write: WriteColumn): void {
  const { b, columns, inside } = rows
  const size = sizes(block, columns)
  const array = (name: string, length: number) => b.sharedArray(name, 'f32', length, 4)
  const [queries, gradients] = [array('queries', size.own), array('gradients', size.own)]
  // Weights take the place of values.
  const [keys, values] = [array('keys', size.passing), array('values', Math.max(size.passing, size.weights))]
  const tile = new Tile(rows, block)
  const { own, lane } = tile
  tile.copyOwn(queries, (row, column) => scaledQuery(rows, row, column))
  tile.copyOwn(gradients, rows.gradient)
  const { from, to } = commonSpan(rows)
  const last = b.let('last', to.max(1).sub(1))
  const sums = own.map((row) => b.let('sum', rows.sums(row).mul(Math.LOG2E)))
  const deltas = own.map((row) => b.let('delta', rows.delta(row)))
  const spans = own.map((row) => {
    const span = rows.seen(row)
    return { from: b.let('first', span.from), to: b.let('end', span.to.min(to)) }
  })
  const found = tile.sums()
  b.for('base', from, to, blockKeys(block), (base) =>
    inside(() => {
      const existing = (row: Expr): Expr => b.let('existing', base.add(row).min(last))
      // The gradients of scores behind the last key are 0, and 0 · NaN is NaN.
      const isKey = (row: Expr): Expr => base.add(row).le(last)
      tile.copyPassing(keys, (row, column) => isKey(row).select(rows.key(existing(row), column), f32(0).splat(4)))
      tile.copyPassing(values, (row, column) => isKey(row).select(rows.value(existing(row), column), f32(0).splat(4)))
      b.barrier()
      const [dots, dweights] = [tile.products(queries, keys), tile.products(gradients, values)]
      const places = fours(rows, base.add(lane.mul(KEYS)))
      const clamped = places.map((s) => b.let('existing', s.min(last)))
      b.barrier()
      own.forEach((row, i) => {
        const weights = places.map((s, j) => {
          const isSeen = s.ge(spans[i]!.from).and(s.lt(spans[i]!.to))
          const pair = {
            dot: dots[i]![j]!.value,
            dweight: dweights[i]![j]!.value,
            isSeen,
            row,
            key: clamped[j]!,
            sum: sums[i]!,
            delta: deltas[i]!,
          }
          return weightOf(rows, pair).dscore
        })
        tile.keepWeights(values, i, weights)
      })
      b.barrier()
      tile.addWeighted(found, values, keys)
      b.barrier()
    }),
  )
  own.forEach((row, i) => tile.eachColumn(found[i]!, (column, sum) => write(row, column, sum.mul(sum.like(rows.scale)))))
}

/** A number and the three behind it. */
const fours = ({ b }: Rows, first: Expr): Expr[] => Array.from({ length: KEYS }, (_, j) => b.let('place', j === 0 ? first : first.add(j)))

/**
 * The gradients of a block of keys and values. All threads of the workgroup must come by.
 *
 * @param heads that share the keys: runs once for each, with the rows of its queries
 */
export function keyGradients(
  block: AttentionBlock,
  keyRows: Pick<Rows, 'b' | 'columns' | 'inside' | 'key' | 'value'> & { readonly count: Expr },
  heads: (attend: (rows: PassingRows) => void) => void,
  write: { readonly key: WriteColumn; readonly value: WriteColumn },
  top: Expr,
): void {
  const { b, columns, inside, count } = keyRows
  const size = sizes(block, columns)
  const array = (name: string, length: number) => b.sharedArray(name, 'f32', length, 4)
  const [keys, values] = [array('keys', size.own), array('values', size.own)]
  const [queries, gradients] = [array('queries', size.passing), array('gradients', size.passing)]
  const [weights, dscores] = [array('weights', size.weights), array('dscores', size.weights)]
  const [sums, deltas] = [b.sharedArray('sums', 'f32', blockKeys(block)), b.sharedArray('deltas', 'f32', blockKeys(block))]
  const ends = b.sharedArray('ends', 'u32', 2)
  const tile = new Tile(keyRows, block)
  const { own, lane } = tile
  const lastKey = b.let('lastKey', count.sub(1))
  const keyAt = (row: Expr): Expr => b.let('existing', top.add(row).min(lastKey))
  tile.copyOwn(keys, (row, column) => keyRows.key(keyAt(row), column))
  tile.copyOwn(values, (row, column) => keyRows.value(keyAt(row), column))
  const own4 = own.map((row) => b.let('key', top.add(row)))
  const [dkeys, dvalues] = [tile.sums(), tile.sums()]
  let factor = 1
  heads((rows) => {
    factor = rows.scale / queryFactor(rows)
    b.if(b.localIndex().eq(0), () =>
      inside(() => {
        b.store(ends, u32(0), rows.seers.from)
        b.store(ends, u32(1), rows.seers.to)
      }),
    )
    const [from, to] = [b.commonLoad(ends, u32(0)), b.commonLoad(ends, u32(1))]
    const last = b.let('last', to.max(1).sub(1))
    b.for('base', from, to, blockKeys(block), (base) =>
      inside(() => {
        const existing = (row: Expr): Expr => b.let('existing', base.add(row).min(last))
        tile.copyPassing(queries, (row, column) => scaledQuery(rows, existing(row), column))
        tile.copyPassing(gradients, (row, column) => rows.gradient(existing(row), column))
        b.if(b.localIndex().lt(blockKeys(block)), () =>
          inside(() => {
            const row = existing(b.localIndex())
            b.store(sums, b.localIndex(), rows.sums(row).mul(Math.LOG2E))
            b.store(deltas, b.localIndex(), rows.delta(row))
          }),
        )
        b.barrier()
        const [dots, dweights] = [tile.products(keys, queries), tile.products(values, gradients)]
        const places = fours(rows, lane.mul(KEYS))
        const passing = places.map((place) => {
          const row = b.let('row', base.add(place))
          const clamped = b.let('existing', row.min(last))
          const span = rows.seen(clamped)
          const [first, end] = [b.let('first', span.from), b.let('end', row.lt(to).select(span.to.min(count), 0))]
          return { row: clamped, first, end, sum: b.load(sums, place), delta: b.load(deltas, place) }
        })
        own4.forEach((key, i) => {
          const clamped = b.let('existing', key.min(lastKey))
          const both = passing.map(({ row, first, end, sum, delta }, j) => {
            const isSeen = key.ge(first).and(key.lt(end))
            return weightOf(rows, { dot: dots[i]![j]!.value, dweight: dweights[i]![j]!.value, isSeen, row, key: clamped, sum, delta })
          })
          tile.keepWeights(
            weights,
            i,
            both.map(({ weight }) => weight),
          )
          tile.keepWeights(
            dscores,
            i,
            both.map(({ dscore }) => dscore),
          )
        })
        b.barrier()
        tile.addWeighted(dvalues, weights, gradients)
        tile.addWeighted(dkeys, dscores, queries)
        b.barrier()
      }),
    )
  })
  const each = (found: readonly (readonly Cell[])[], to: WriteColumn, by: number): void =>
    own.forEach((row, i) => tile.eachColumn(found[i]!, (column, sum) => to(row, column, sum.mul(sum.like(by)))))
  each(dkeys, write.key, factor)
  each(dvalues, write.value, 1)
}
