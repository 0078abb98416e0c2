/**
 * What the threads of a workgroup do with blocks of rows in shared memory: each works out a tile of the products of some rows with others, and of sums of rows by such weights.
 */
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import { vector, type Expr, type Shared } from '../ir.js'

/** Threads stand in lines: those of a line share `rows` rows of a block, of which each takes the products with four of the rows that pass by, and some columns of the result. */
export interface AttentionBlock {
  readonly down: number
  readonly across: number
  /** Queries of a thread, an even number. */
  readonly rows: number
}

/** Keys of which a thread works out the scores: as many as a vector holds. */
export const KEYS = 4

export const blockThreads = ({ down, across }: AttentionBlock): number => down * across
/** Queries of a workgroup. */
export const blockQueries = ({ down, rows }: AttentionBlock): number => down * rows
/** Keys that are in shared memory at a time. */
export const blockKeys = ({ across }: AttentionBlock): number => across * KEYS
/** Columns of four numbers of the result of one thread. */
export const threadColumns = ({ across }: AttentionBlock, columns: number): number => Math.ceil(columns / across)

/** Vectors from one row to the next: an odd number, so that rows side by side do not meet in the banks of shared memory. */
export const odd = (size: number): number => size | 1

/** Vectors in which the threads of a workgroup tell each other of their rows. */
export const exchangeSize = (block: AttentionBlock): number => Math.ceil(block.rows / 4) * blockThreads(block)

/** Rows of so many vectors of four numbers. */
export interface TileRows {
  readonly b: KernelBuilder
  readonly columns: number
  readonly inside: (body: () => void) => void
}

/** What a thread works out of what is in shared memory. */
export class Tile {
  /** The thread's place in its line, and which line that is. */
  readonly lane: Expr
  readonly line: Expr
  /** The numbers of the thread's rows in the block. */
  readonly own: readonly Expr[]

  constructor(
    private readonly rows: TileRows,
    private readonly block: AttentionBlock,
  ) {
    const { b } = rows
    this.lane = b.let('lane', b.localIndex().rem(block.across))
    this.line = b.let('line', b.localIndex().div(block.across))
    this.own = Array.from({ length: block.rows }, (_, i) => (i === 0 ? this.line : b.let('row', this.line.add(i * block.down))))
  }

  /** The thread's rows of a block that stays: those of a line are `down` apart. Memory for `blockQueries` of them. */
  copyOwn(memory: Shared, read: (row: Expr, column: Expr) => Expr): void {
    this.copy(
      blockQueries(this.block),
      memory,
      read,
      (row) => row,
      (row) => row,
    )
  }

  /** The rows of a block that passes by, `blockKeys` of them: they lie so that those which the threads of a line read at the same time are side by side. */
  copyPassing(memory: Shared, read: (row: Expr, column: Expr) => Expr): void {
    const { across } = this.block
    this.copy(
      blockKeys(this.block),
      memory,
      read,
      (row) => row.rem(KEYS).mul(across).add(row.div(KEYS)),
      (row) => (row % KEYS) * across + Math.floor(row / KEYS),
    )
  }

  /** Neighbours copy what lies side by side: some reads before the first write, so that they are on their way together. */
  private copy(
    count: number,
    memory: Shared,
    read: (row: Expr, column: Expr) => Expr,
    placeOf: (row: Expr) => Expr,
    knownPlace: (row: number) => number,
  ): void {
    const { b, columns, inside } = this.rows
    const stride = odd(columns)
    const threads = blockThreads(this.block)
    const turns = Math.ceil((count * columns) / threads)
    const perTurn = threads / columns
    const member = b.localIndex()
    // Where each turn takes whole rows, places are a number and a constant apart, which costs no registers.
    if (turns * threads === count * columns && (perTurn % KEYS === 0 || KEYS % perTurn === 0)) {
      const [first, column] = [b.let('first', member.div(columns)), b.let('column', member.rem(columns))]
      const place = b.let('place', placeOf(first).mul(stride).add(column))
      const some = (row: Expr, to: Expr, now: number): void => {
        const numbers = Array.from({ length: now }, (_, i) => b.let('numbers', read(offset(row, i * perTurn), column)))
        numbers.forEach((one, i) => b.store(memory, offset(to, knownPlace(i * perTurn) * stride), one))
      }
      if (turns <= LOADS || turns % LOADS !== 0) return some(first, place, turns)
      const step = LOADS * perTurn
      b.for('turn', u32(0), u32(turns / LOADS), 1, (turn) =>
        inside(() => some(b.let('row', first.add(turn.mul(step))), b.let('to', place.add(turn.mul(knownPlace(step) * stride))), LOADS)),
      )
      return
    }
    b.for('number', member, u32(count * columns), threads, (number) =>
      inside(() => {
        const [row, column] = [b.let('row', number.div(columns)), b.let('column', number.rem(columns))]
        b.store(memory, b.let('to', placeOf(row).mul(stride).add(column)), read(row, column))
      }),
    )
  }

  /** Products of the thread's rows with four of those that pass by. */
  products(own: Shared, passing: Shared): Cell[][] {
    const { b, columns, inside } = this.rows
    const { down, across, rows } = this.block
    const stride = odd(columns)
    const cells = Array.from({ length: rows }, () => Array.from({ length: KEYS }, () => b.var('product', f32(0))))
    const [passingBase, ownBase] = [b.let('passingBase', this.lane.mul(stride)), b.let('ownBase', this.line.mul(stride))]
    b.for('column', u32(0), u32(columns), 1, (column) =>
      inside(() => {
        const [passingAt, ownAt] = [b.let('passingAt', passingBase.add(column)), b.let('ownAt', ownBase.add(column))]
        const some = Array.from({ length: KEYS }, (_, j) => b.load(passing, offset(passingAt, j * across * stride)))
        // Sums that wait for nothing follow each other: two rows' products with all that pass by, one number after another.
        for (let i = 0; i < rows; i += 2) {
          const pair = cells.slice(i, i + 2).map((row, k) => ({ row, one: b.load(own, offset(ownAt, (i + k) * down * stride)) }))
          for (let lane = 0; lane < 4; lane++)
            for (const { row, one } of pair) row.forEach((cell, j) => cell.set(one.lane(lane).fma(some[j]!.lane(lane), cell.value)))
        }
      }),
    )
    return cells
  }

  /** What row `i` of the thread weighs its four of the rows that pass by with. */
  keepWeights(memory: Shared, i: number, weights: readonly Expr[]): void {
    const { b } = this.rows
    const stride = odd(this.block.across)
    b.store(memory, offset(this.line.mul(stride).add(this.lane), i * this.block.down * stride), vector(...weights))
  }

  /** Sums of columns for each of the thread's rows, to begin with. */
  sums(): Cell[][] {
    const { b, columns } = this.rows
    return this.own.map(() => Array.from({ length: threadColumns(this.block, columns) }, () => b.var('sum', f32(0).splat(4))))
  }

  /** Adds the rows that pass by, times their weights: some columns after others, so that all that is on its way has room in registers. */
  addWeighted(sums: readonly (readonly Cell[])[], weights: Shared, passing: Shared): void {
    const { b, columns, inside } = this.rows
    const { down, across } = this.block
    const [stride, weightStride] = [odd(columns), odd(across)]
    const held = sums[0]!.map((_, which) => this.column(which))
    const base = b.let('weightBase', this.line.mul(weightStride))
    for (let start = 0; start < held.length; start += COLUMNS)
      b.for('four', u32(0), u32(across), 1, (four) =>
        inside(() => {
          const at = b.let('weightAt', base.add(four))
          const factors = sums.map((_, i) => b.load(weights, offset(at, i * down * weightStride)))
          const rowAt = b.let('rowAt', four.mul(stride))
          const firstAt = b.let('firstAt', rowAt.add(this.lane))
          for (let k = 0; k < KEYS; k++)
            held.slice(start, start + COLUMNS).forEach((column, i) => {
              const which = start + i
              const index = offset(column === undefined ? offset(firstAt, which * across) : rowAt.add(column), k * across * stride)
              const numbers = b.load(passing, index)
              sums.forEach((row, r) => row[which]!.set(factors[r]!.lane(k).splat(4).fma(numbers, row[which]!.value)))
            })
        }),
      )
  }

  /** The number of a column of this thread, where columns end before threads do: behind the last it is the last again. */
  private column(which: number): Expr | undefined {
    const { b, columns } = this.rows
    const { across } = this.block
    return (which + 1) * across <= columns ? undefined : b.let('column', this.lane.add(which * across).min(columns - 1))
  }

  /** Runs for each column that this thread holds of a row. */
  eachColumn(sums: readonly Cell[], body: (column: Expr, sum: Expr) => void): void {
    const { b, columns, inside } = this.rows
    const { across } = this.block
    sums.forEach((sum, which) => {
      const column = which === 0 ? this.lane : b.let('column', this.lane.add(which * across))
      if ((which + 1) * across <= columns) body(column, sum.value)
      else b.if(column.lt(columns), () => inside(() => body(column, sum.value)))
    })
  }
}

/** Columns of a thread that go through the weights together. */
const COLUMNS = 4
/** Vectors that a thread has on their way at a time. */
const LOADS = 8

const offset = (base: Expr, by: number): Expr => (by === 0 ? base : base.add(by))

/** What the threads of a line tell each other of their rows, four rows in a vector. */
export class Exchange {
  constructor(
    private readonly b: KernelBuilder,
    private readonly block: AttentionBlock,
    private readonly tile: Tile,
    /** `exchangeSize` vectors. */
    private readonly memory: Shared,
  ) {}

  /** The largest of each row. */
  most(values: readonly Expr[]): Expr[] {
    return this.joined(values, (a, one) => a.max(one))
  }

  total(values: readonly Expr[]): Expr[] {
    return this.joined(values, (a, one) => a.add(one))
  }

  /** All threads must come by, and a barrier must lie between one call and the next. */
  private joined(values: readonly Expr[], join: (a: Expr, one: Expr) => Expr): Expr[] {
    const { b } = this
    const { across } = this.block
    const fours = Math.ceil(values.length / 4)
    const at = (four: number): Expr => this.tile.line.mul(fours).add(four).mul(across)
    for (let four = 0; four < fours; four++)
      b.store(
        this.memory,
        at(four).add(this.tile.lane),
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
