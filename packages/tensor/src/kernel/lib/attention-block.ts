/**
 * Attention of blocks of queries by workgroups: blocks of keys and values go through memory that the threads share, and each thread works out a tile of the scores, and of the
 * result, in registers, so that what is read from memory is used for all queries of the block.
 *
 * Source: T. Dao et al., "FlashAttention", arXiv:2205.14135; the second version's order of loops, arXiv:2307.08691.
 */
import { f32, u32, type Cell } from '../builder.js'
import type { Expr } from '../ir.js'
import { biased, cappedScore, commonSpan, NO_PEAK, scaledQuery, UNSEEN, type FoundRow, type Rows, type Span } from './attention-rows.js'
import { blockKeys, blockQueries, Exchange, exchangeSize, KEYS, odd, Tile, type AttentionBlock } from './attention-tile.js'

/** Vectors of each shared array. */
function sizes(block: AttentionBlock, columns: number) {
  return {
    queries: blockQueries(block) * odd(columns),
    // Weights take the keys' place when scores are found.
    keys: Math.max(blockKeys(block) * odd(columns), blockQueries(block) * odd(block.across)),
    values: blockKeys(block) * odd(columns),
    peaks: exchangeSize(block),
  }
}

/** Bytes of shared memory that a workgroup takes. */
export function blockBytes(block: AttentionBlock, columns: number): number {
  const { queries, keys, values, peaks } = sizes(block, columns)
  return 16 * (queries + keys + values + peaks + 1)
}

/** All threads of the workgroup must come by. */
export function attendBlock(rows: Rows, block: AttentionBlock, write: (found: FoundRow) => void): void {
  const { b, columns, inside } = rows
  const size = sizes(block, columns)
  const queries = b.sharedArray('queries', 'f32', size.queries, 4)
  const keys = b.sharedArray('keys', 'f32', size.keys, 4)
  const values = b.sharedArray('values', 'f32', size.values, 4)
  const tile = new Tile(rows, block)
  const exchange = new Exchange(b, block, tile, b.sharedArray('peaks', 'f32', size.peaks, 4))
  const { own, lane } = tile
  tile.copyOwn(queries, (row, column) => scaledQuery(rows, row, column))
  const { from, to } = commonSpan(rows)
  const last = b.let('last', to.max(1).sub(1))
  const all = seenByAll(rows, block, to)
  const peaks = own.map(() => b.var('peak', f32(NO_PEAK)))
  const totals = own.map(() => b.var('total', f32(0)))
  const sums = tile.sums()
  b.for('base', from, to, blockKeys(block), (base) =>
    inside(() => {
      const existing = (row: Expr): Expr => b.let('existing', base.add(row).min(last))
      tile.copyPassing(keys, (row, column) => rows.key(existing(row), column))
      // What is behind the last value may be anything, and 0 · NaN is NaN.
      tile.copyPassing(values, (row, column) =>
        base
          .add(row)
          .le(last)
          .select(rows.value(existing(row), column), f32(0).splat(4)),
      )
      b.barrier()
      const scores = tile.products(queries, keys)
      if (rows.softcap !== undefined) scores.flat().forEach((score) => score.set(cappedScore(rows, score.value)))
      const first = b.let('key', base.add(lane.mul(KEYS)))
      const mask = (): void => maskScores(rows, scores, own, { first, last, to })
      if (rows.bias === undefined) b.if(base.lt(all.from).or(base.add(blockKeys(block)).gt(all.to)), () => inside(mask))
      else mask()
      const most = exchange.most(
        scores.map((row) =>
          b.let(
            'most',
            row.map(({ value }) => value).reduce((a, one) => a.max(one)),
          ),
        ),
      )
      // Keys have been read by all, and weights take their place.
      own.forEach((_, i) => {
        const next = b.let('next', peaks[i]!.value.max(most[i]!))
        const shrink = b.let('shrink', peaks[i]!.value.sub(next).unary('exp2'))
        peaks[i]!.set(next)
        const weights = scores[i]!.map(({ value }) => b.let('weight', value.sub(next).unary('exp2')))
        totals[i]!.set(weights.reduce((total, weight) => total.add(weight), totals[i]!.value.mul(shrink)))
        sums[i]!.forEach((sum) => sum.set(sum.value.mul(shrink.splat(4))))
        tile.keepWeights(keys, i, weights)
      })
      b.barrier()
      tile.addWeighted(sums, keys, values)
      // The next keys and values are loaded when everybody has read these.
      b.barrier()
    }),
  )
  const whole = exchange.total(totals.map(({ value }) => value))
  own.forEach((row, i) =>
    write({
      row,
      peak: peaks[i]!.value,
      total: whole[i]!,
      first: lane.eq(0),
      each: (body) => tile.eachColumn(sums[i]!, body),
    }),
  )
}

/** The keys that every row of the block sees, where no mask says otherwise: what ends the last row's beginning and the first row's end. */
function seenByAll({ b, seen }: Rows, block: AttentionBlock, to: Expr): Span {
  const [first, last] = [seen(u32(0)), seen(u32(blockQueries(block) - 1))]
  return { from: b.let('from', last.from), to: b.let('to', first.to.min(to)) }
}

/** Hides keys from the rows that do not see them, and adds what a mask adds. */
function maskScores(
  rows: Rows,
  scores: readonly (readonly Cell[])[],
  own: readonly Expr[],
  key: { readonly first: Expr; readonly last: Expr; readonly to: Expr },
): void {
  const { b } = rows
  const keys = Array.from({ length: KEYS }, (_, j) => (j === 0 ? key.first : b.let('key', key.first.add(j))))
  const existing = rows.bias === undefined ? [] : keys.map((s) => b.let('existing', s.min(key.last)))
  own.forEach((row, i) => {
    const seen = rows.seen(row)
    const [from, to] = [b.let('from', seen.from), b.let('to', seen.to.min(key.to))]
    const bias = rows.bias?.(row)
    scores[i]!.forEach((score, j) => {
      const value = bias === undefined ? score.value : biased(score.value, bias(existing[j]!))
      score.set(keys[j]!.ge(from).and(keys[j]!.lt(to)).select(value, UNSEEN))
    })
  })
}
