/**
 * Attention of blocks of queries by workgroups: blocks of keys and values go through memory that the threads share, and each thread works out a tile of the scores, and of the
 * result, in registers, so that what is read from memory is used for all queries of the block.
 *
 * Source: T. Dao et al., "FlashAttention", arXiv:2205.14135; the second version's order of loops, arXiv:2307.08691.
 */
import { f32, u32, type Cell } from '../builder.js'
import { vector, type Expr, type Shared } from '../ir.js'
import {
  biased,
  cappedScore,
  commonSpan,
  dotOnto,
  NO_PEAK,
  queryFactor,
  UNSEEN,
  type FoundRow,
  type Rows,
  type Span,
} from './attention-rows.js'

/** Threads stand in lines: those of a line share `rows` queries, of which each takes the scores of four keys of a block, and some columns of the result. */
export interface AttentionBlock {
  readonly down: number
  readonly across: number
  /** Queries of a thread, an even number. */
  readonly rows: number
}

/** Keys of which a thread works out the scores: as many as a vector holds. */
const KEYS = 4

export const blockThreads = ({ down, across }: AttentionBlock): number => down * across
/** Queries of a workgroup. */
export const blockQueries = ({ down, rows }: AttentionBlock): number => down * rows
/** Keys that are in shared memory at a time. */
export const blockKeys = ({ across }: AttentionBlock): number => across * KEYS
/** Columns of four numbers of the result of one thread. */
export const threadColumns = ({ across }: AttentionBlock, columns: number): number => Math.ceil(columns / across)

/** Vectors from one row to the next: an odd number, so that rows side by side do not meet in the banks of shared memory. */
const odd = (size: number): number => size | 1

/** Vectors of each shared array. */
function sizes(block: AttentionBlock, columns: number) {
  const { across } = block
  return {
    queries: blockQueries(block) * odd(columns),
    // Weights take the keys' place when scores are found.
    keys: Math.max(blockKeys(block) * odd(columns), blockQueries(block) * odd(across)),
    values: blockKeys(block) * columns,
    peaks: Math.ceil(block.rows / 4) * blockThreads(block),
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
  const { down, across, rows: height } = block
  const size = sizes(block, columns)
  const queries = b.sharedArray('queries', 'f32', size.queries, 4)
  const keys = b.sharedArray('keys', 'f32', size.keys, 4)
  const values = b.sharedArray('values', 'f32', size.values, 4)
  const exchange = new Exchange(rows, block, b.sharedArray('peaks', 'f32', size.peaks, 4))
  const { lane, line } = exchange
  const tile = new Tile(rows, block, { queries, keys, values, lane, line })
  tile.copy(blockQueries(block), queries, odd(columns), (row, column) => {
    const query = rows.query(row, column)
    return query.mul(query.like(queryFactor(rows)))
  })
  const { from, to } = commonSpan(rows)
  const last = b.let('last', to.max(1).sub(1))
  const all = seenByAll(rows, block, to)
  const own = Array.from({ length: height }, (_, i) => (i === 0 ? line : b.let('row', line.add(i * down))))
  const peaks = own.map(() => b.var('peak', f32(NO_PEAK)))
  const totals = own.map(() => b.var('total', f32(0)))
  const sums = own.map(() => Array.from({ length: threadColumns(block, columns) }, () => b.var('sum', f32(0).splat(4))))
  b.for('base', from, to, blockKeys(block), (base) =>
    inside(() => {
      const existing = (row: Expr): Expr => b.let('existing', base.add(row).min(last))
      tile.copy(blockKeys(block), keys, odd(columns), (row, column) => rows.key(existing(row), column), true)
      // What is behind the last value may be anything, and 0 · NaN is NaN.
      tile.copy(blockKeys(block), values, columns, (row, column) =>
        base
          .add(row)
          .le(last)
          .select(rows.value(existing(row), column), f32(0).splat(4)),
      )
      b.barrier()
      const scores = tile.scores()
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
      own.forEach((_, i) => {
        const next = b.let('next', peaks[i]!.value.max(most[i]!))
        const shrink = b.let('shrink', peaks[i]!.value.sub(next).unary('exp2'))
        peaks[i]!.set(next)
        const weights = scores[i]!.map(({ value }) => b.let('weight', value.sub(next).unary('exp2')))
        totals[i]!.set(weights.reduce((total, weight) => total.add(weight), totals[i]!.value.mul(shrink)))
        sums[i]!.forEach((sum) => sum.set(sum.value.mul(shrink.splat(4))))
        tile.keepWeights(i, vector(...weights))
      })
      b.barrier()
      tile.addValues(sums)
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
      each: (body) =>
        sums[i]!.forEach((sum, which) => {
          const column = which === 0 ? lane : b.let('column', lane.add(which * across))
          if ((which + 1) * across <= columns) body(column, sum.value)
          else b.if(column.lt(columns), () => inside(() => body(column, sum.value)))
        }),
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

interface TileMemory {
  readonly queries: Shared
  /** Keys, and in their place the weights of the scores. */
  readonly keys: Shared
  readonly values: Shared
  readonly lane: Expr
  readonly line: Expr
}

/** What a thread works out of what is in shared memory. */
class Tile {
  constructor(
    private readonly rows: Rows,
    private readonly block: AttentionBlock,
    private readonly memory: TileMemory,
  ) {}

  /**
   * Copies rows into shared memory, neighbours what lies side by side: some reads before the first write, so that they are on their way together.
   *
   * @param spread keys lie so that those of which the threads of a line read at the same time are side by side
   */
  copy(count: number, memory: Shared, stride: number, read: (row: Expr, column: Expr) => Expr, spread = false): void {
    const { b, columns, inside } = this.rows
    const { across } = this.block
    const threads = blockThreads(this.block)
    const turns = Math.ceil((count * columns) / threads)
    const perTurn = threads / columns
    const member = b.localIndex()
    // Where each turn takes whole rows, places are a number and a constant apart, which costs no registers.
    if (turns * threads === count * columns && (perTurn % KEYS === 0 || KEYS % perTurn === 0)) {
      const [first, column] = [b.let('first', member.div(columns)), b.let('column', member.rem(columns))]
      const place = b.let('place', (spread ? first.rem(KEYS).mul(across).add(first.div(KEYS)) : first).mul(stride).add(column))
      const placeOf = (row: number): number => (spread ? (row % KEYS) * across + Math.floor(row / KEYS) : row) * stride
      const some = (row: Expr, to: Expr, now: number): void => {
        const numbers = Array.from({ length: now }, (_, i) => b.let('numbers', read(offset(row, i * perTurn), column)))
        numbers.forEach((one, i) => b.store(memory, offset(to, placeOf(i * perTurn)), one))
      }
      if (turns <= LOADS || turns % LOADS !== 0) return some(first, place, turns)
      const step = LOADS * perTurn
      b.for('turn', u32(0), u32(turns / LOADS), 1, (turn) =>
        inside(() => some(b.let('row', first.add(turn.mul(step))), b.let('to', place.add(turn.mul(placeOf(step)))), LOADS)),
      )
      return
    }
    b.for('number', member, u32(count * columns), threads, (number) =>
      inside(() => {
        const [row, column] = [b.let('row', number.div(columns)), b.let('column', number.rem(columns))]
        const place = spread ? row.rem(KEYS).mul(across).add(row.div(KEYS)) : row
        b.store(memory, b.let('to', place.mul(stride).add(column)), read(row, column))
      }),
    )
  }

  /** Products of the thread's queries with its keys. */
  scores(): Cell[][] {
    const { b, columns, inside } = this.rows
    const { down, across, rows } = this.block
    const { queries, keys, lane, line } = this.memory
    const stride = odd(columns)
    const cells = Array.from({ length: rows }, () => Array.from({ length: KEYS }, () => b.var('score', f32(0))))
    const [keyBase, queryBase] = [b.let('keyBase', lane.mul(stride)), b.let('queryBase', line.mul(stride))]
    b.for('column', u32(0), u32(columns), 1, (column) =>
      inside(() => {
        const [keyAt, queryAt] = [b.let('keyAt', keyBase.add(column)), b.let('queryAt', queryBase.add(column))]
        const some = Array.from({ length: KEYS }, (_, j) => b.load(keys, offset(keyAt, j * across * stride)))
        cells.forEach((row, i) => {
          const query = b.load(queries, offset(queryAt, i * down * stride))
          row.forEach((cell, j) => cell.set(dotOnto(cell.value, query, some[j]!)))
        })
      }),
    )
    return cells.map((row) =>
      row.map((cell) => {
        if (this.rows.softcap !== undefined) cell.set(cappedScore(this.rows, cell.value))
        return cell
      }),
    )
  }

  /** Row `i`'s weights of the thread's keys. */
  keepWeights(i: number, weights: Expr): void {
    const { b } = this.rows
    const { keys, lane, line } = this.memory
    const stride = odd(this.block.across)
    b.store(keys, offset(line.mul(stride).add(lane), i * this.block.down * stride), weights)
  }

  /** Adds the values in shared memory, times their weights: some columns after others, so that all that is on its way has room in registers. */
  addValues(sums: readonly (readonly Cell[])[]): void {
    const { b, columns, inside } = this.rows
    const { down, across } = this.block
    const { keys, values, lane, line } = this.memory
    const stride = odd(across)
    // Where columns end before threads do, those behind the end read the last again.
    const held = sums[0]!.map((_, which) =>
      (which + 1) * across <= columns ? undefined : b.let('column', lane.add(which * across).min(columns - 1)),
    )
    const base = b.let('weightBase', line.mul(stride))
    for (let start = 0; start < held.length; start += COLUMNS)
      b.for('four', u32(0), u32(across), 1, (four) =>
        inside(() => {
          const at = b.let('weightAt', base.add(four))
          const weights = sums.map((_, i) => b.load(keys, offset(at, i * down * stride)))
          const [rowAt, valueAt] = [b.let('rowAt', four.mul(KEYS * columns)), b.let('valueAt', four.mul(KEYS * columns).add(lane))]
          for (let k = 0; k < KEYS; k++)
            held.slice(start, start + COLUMNS).forEach((column, i) => {
              const which = start + i
              const index = column === undefined ? offset(valueAt, k * columns + which * across) : offset(rowAt.add(column), k * columns)
              const value = b.load(values, index)
              sums.forEach((row, r) => row[which]!.set(weights[r]!.lane(k).splat(4).fma(value, row[which]!.value)))
            })
        }),
      )
  }
}

/** Columns of a thread that go through the weights together. */
const COLUMNS = 4
/** Vectors that a thread has on their way at a time. */
const LOADS = 8

const offset = (base: Expr, by: number): Expr => (by === 0 ? base : base.add(by))

/** What the threads of a line tell each other of their rows, four rows in a vector. */
class Exchange {
  readonly lane: Expr
  readonly line: Expr

  constructor(
    private readonly rows: Rows,
    private readonly block: AttentionBlock,
    private readonly memory: Shared,
  ) {
    const { b } = rows
    this.lane = b.let('lane', b.localIndex().rem(block.across))
    this.line = b.let('line', b.localIndex().div(block.across))
  }

  /** The largest of each row. */
  most(values: readonly Expr[]): Expr[] {
    return this.joined(values, (a, one) => a.max(one))
  }

  total(values: readonly Expr[]): Expr[] {
    return this.joined(values, (a, one) => a.add(one))
  }

  /** All threads must come by, and a barrier must lie between one call and the next. */
  private joined(values: readonly Expr[], join: (a: Expr, one: Expr) => Expr): Expr[] {
    const { b } = this.rows
    const { across } = this.block
    const fours = Math.ceil(values.length / 4)
    const at = (four: number): Expr => this.line.mul(fours).add(four).mul(across)
    for (let four = 0; four < fours; four++)
      b.store(
        this.memory,
        at(four).add(this.lane),
        vector(...[0, 1, 2, 3].map((i) => values[4 * four + (i % Math.min(4, values.length))]!)),
      )
    b.barrier()
    return Array.from({ length: fours }, (_, four) => {
      const others = Array.from({ length: across }, (__, i) => b.load(this.memory, at(four).add(i)))
      const all = b.let(
        'joined',
        others.slice(1).reduce((a, one) => join(a, one), others[0]!),
      )
      return [0, 1, 2, 3].slice(0, values.length).map((lane) => all.lane(lane))
    }).flat()
  }
}
