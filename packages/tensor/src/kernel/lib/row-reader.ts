/** How rows are gone through: by one thread each, or by teams of threads that keep what they read where it is little enough. */
import { f32, u32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import type { Elements } from './elements.js'
import { asExpr, type Amount } from './indexing.js'
import { isNaNExpr } from './pack.js'
import { goThrough, type Join, type State, type Team, type TeamSize } from './team.js'
import type { Tuning } from './tuning.js'

type Of = (i: Expr) => Expr

/** Finds out about all elements of a row. */
export interface RowReader {
  /** Σ over the row of some values. */
  sum(of: readonly Of[]): readonly Expr[]
  /** The largest, NaN where one is, −∞ of none. */
  max(of: Of): Expr
  /** Powers of e of what lies below the largest of some values. */
  powers(of: Of): Powers
  /** Goes through the row's words of so many elements, one or some of them at a time. */
  write(perWord: number, write: (words: RowWords) => void): void
}

export interface Powers {
  /** The largest value. */
  readonly peak: Expr
  /** e^(value − peak) of an element. */
  readonly power: Of
  /** Their sum. */
  readonly total: Expr
  /** Quotients by the sum. */
  readonly share: (x: Expr) => Expr
}

/** Elements of a row side by side. */
export interface RowWords {
  readonly count: number
  /** The place of one of them in the row. */
  readonly index: (which: number) => Expr
  /** The number of the word in the row, where it is one. */
  readonly word: Expr | undefined
}

/** e^x; devices may take NaN for any number. */
const exp = (x: Expr): Expr => isNaNExpr(x).select(x, x.unary('exp'))
const larger = (a: Expr, b: Expr): Expr => isNaNExpr(a).select(a, isNaNExpr(b).select(b, a.max(b)))

/** A row by one thread, as often as it takes. */
export class AloneReader implements RowReader {
  constructor(
    private readonly b: KernelBuilder,
    private readonly size: Amount,
    private readonly inside: (body: () => void) => void,
  ) {}

  sum(of: readonly Of[]): Expr[] {
    const { b } = this
    const sums = of.map(() => b.var('sum', f32(0)))
    this.each((i) => of.forEach((value, which) => sums[which]!.set(sums[which]!.value.add(value(i)))))
    return sums.map((sum) => b.let('whole', sum.value))
  }

  max(of: Of): Expr {
    const { b } = this
    const most = b.var('most', f32(-Infinity))
    this.each((i) => most.set(larger(most.value, b.let('element', of(i)))))
    return b.let('whole', most.value)
  }

  powers(of: Of): Powers {
    const peak = this.max(of)
    const power = (i: Expr): Expr => exp(this.b.let('shifted', of(i).sub(peak)))
    const [total] = this.sum([power]) as [Expr]
    return { peak, power, total, share: (x) => x.div(total) }
  }

  write(perWord: number, write: (words: RowWords) => void): void {
    const { b } = this
    this.each(
      (word) => write({ count: perWord, index: (part) => (perWord === 1 ? word : b.let('i', word.mul(perWord).add(part))), word }),
      perWord === 1 ? this.size : (this.size as number) / perWord,
    )
  }

  private each(body: (i: Expr) => void, size: Amount = this.size): void {
    this.b.for('i', u32(0), asExpr(size), 1, (i) => this.inside(() => body(i)))
  }
}

/** How rows are shared out. */
export interface RowCut extends TeamSize {
  /** Elements side by side that a thread looks at together. */
  readonly run: number
  /** Runs that each thread keeps; 0 where rows are read again for each look. */
  readonly held: number
}

/** Elements of a row that a thread keeps at most. */
const MOST_HELD = 16
/** Below this many threads in all, rows are shared by more than they need. */
const ENOUGH_THREADS = 2 ** 15
const LEAST_GROUP = 128
/** Elements whose loads a thread has under way together. */
const UNDER_WAY = 16

export interface RowsSize {
  /** Infinity where only a symbol says. */
  readonly rows: number
  readonly size: number
  /** What the size is known to be a multiple of. */
  readonly multiple: number
  /** Elements in a word of the smallest dtype that is written, of which rows are whole. */
  readonly perWord: number
  /** Rows of a workgroup are a multiple of this. */
  readonly together?: number
  /** Whether the size is what it is, and not the most that it may be. */
  readonly isKnown?: boolean
}

const powerFrom = (count: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, count)))

/** Cuts rows of which `size` is the longest that there may be. */
export function cutRows(
  { rows, size, multiple, perWord, together = 1, isKnown = true }: RowsSize,
  { rowThreads, subgroup }: Tuning,
): RowCut {
  const run = ([4, 2, 1] as const).map((words) => words * perWord).find((count) => multiple % count === 0) ?? 1
  const runs = Math.ceil(size / run)
  const most = Math.max(1, Math.floor((run === 1 ? MOST_HELD / 2 : MOST_HELD) / run))
  const limit = rowThreads / powerFrom(together)
  let threads = Math.max(Math.min(32, powerFrom(runs)), powerFrom(Math.ceil(runs / most)))
  while (threads < Math.min(limit, powerFrom(runs)) && rows * threads < ENOUGH_THREADS) threads *= 2
  threads = Math.min(threads, limit)
  const held = isKnown && runs <= threads * most ? Math.ceil(runs / threads) : 0
  const teams = Math.max(powerFrom(together), Math.min(LEAST_GROUP, rowThreads) / threads)
  return { threads, teams, subgroup, run, held }
}

interface Held {
  readonly indices: readonly Expr[]
  /** Undefined where the run is part of every row. */
  readonly valid: Expr | undefined
}

/** A row by a team of threads. All threads of the workgroup have to come by. */
export class TeamReader implements RowReader {
  private readonly held: readonly Held[]

  /** @param size at least 1 */
  constructor(
    private readonly b: KernelBuilder,
    private readonly elements: Elements,
    private readonly size: Amount,
    private readonly cut: RowCut,
    private readonly team: Team,
  ) {
    this.held = Array.from({ length: cut.held }, (_, at) => this.heldRun(at, size as number))
  }

  sum(of: readonly Of[]): readonly Expr[] {
    const first = of.map(() => f32(0))
    return this.fold(
      first,
      (sums, indices) => sums.map((sum, which) => indices.reduce((all, i) => this.b.let('sum', all.add(of[which]!(i))), sum)),
      (a, b) => a.map((sum, which) => sum.add(b[which]!)),
    )
  }

  max(of: Of): Expr {
    const largest = (most: Expr, i: Expr): Expr => this.b.let('most', larger(most, this.b.let('element', of(i))))
    return this.fold(
      [f32(-Infinity)],
      ([most], indices) => [indices.reduce(largest, most!)],
      ([a], [b]) => [larger(a!, b!)],
    )[0]!
  }

  powers(of: Of): Powers {
    const { b } = this
    const powerOf = (i: Expr, peak: Expr): Expr => exp(b.let('shifted', of(i).sub(peak)))
    // One division for the row: the quotients differ from those of divisions by their last bit.
    const shares = (total: Expr): Powers['share'] => {
      const inverse = b.let('inverse', f32(1).div(total))
      return (x) => x.mul(inverse)
    }
    if (this.cut.held > 0) {
      const peak = this.max(of)
      const known = new Map<Expr, Expr>()
      const power = (i: Expr): Expr => {
        const found = known.get(i) ?? b.let('power', powerOf(i, peak))
        known.set(i, found)
        return found
      }
      const [total] = this.sum([power]) as [Expr]
      return { peak, power, total, share: shares(total) }
    }
    const { peak, total } = this.largestAndPowers(of)
    return { peak, power: (i) => powerOf(i, peak), total, share: shares(total) }
  }

  /** In one go: when a larger one is met, what was added up is made smaller. */
  private largestAndPowers(of: Of): { readonly peak: Expr; readonly total: Expr } {
    const { b } = this
    const shiftOf = (peak: Expr): Expr => b.let('shift', peak.eq(-Infinity).select(f32(0), peak))
    const [peak, total] = this.fold(
      [f32(-Infinity), f32(0)],
      ([before, sum], indices) => {
        const found = indices.map((i) => b.let('element', of(i)))
        const now = found.reduce((most, element) => b.let('most', larger(most, element)), before!)
        const shift = shiftOf(now)
        const scaled = b.let('scaled', sum!.mul(exp(b.let('shifted', before!.sub(shift)))))
        const next = found.reduce((all, element) => b.let('sum', all.add(exp(b.let('shifted', element.sub(shift))))), scaled)
        return [now, next]
      },
      ([peakA, sumA], [peakB, sumB]) => {
        const now = b.let('most', larger(peakA!, peakB!))
        const shift = shiftOf(now)
        const [left, right] = [
          [peakA!, sumA!],
          [peakB!, sumB!],
        ].map(([own, sum]) => sum!.mul(exp(b.let('shifted', own!.sub(shift))))) as [Expr, Expr]
        return [now, left.add(right)]
      },
    ) as [Expr, Expr]
    return { peak, total }
  }

  write(_: number, write: (words: RowWords) => void): void {
    const { b, elements } = this
    const each = (indices: readonly Expr[]): void => write({ count: indices.length, index: (which) => indices[which]!, word: undefined })
    if (this.cut.held === 0) return this.stream(each, false)
    for (const { indices, valid } of this.held) {
      if (valid === undefined) each(indices)
      else b.if(valid, () => elements.inside(() => each(indices)))
    }
  }

  /** What is known of all elements, for all threads of the team. */
  fold(first: State, take: (state: State, indices: readonly Expr[]) => State, join: Join): State {
    const { b, team } = this
    if (this.cut.held > 0) {
      let state = first
      for (const { indices, valid } of this.held) {
        const next = take(state, indices)
        const before = state
        state = valid === undefined ? next : next.map((value, i) => b.let('kept', valid.select(value, before[i]!)))
      }
      return team.together(state, join)
    }
    const cells = first.map((value) => b.var('state', value))
    this.stream((indices) => {
      const next = take(
        cells.map(({ value }) => b.let('before', value)),
        indices,
      ).map((value) => b.let('next', value))
      cells.forEach((cell, i) => cell.set(next[i]!))
    }, true)
    return team.together(
      cells.map(({ value }) => b.let('own', value)),
      join,
    )
  }

  /** @param several whether the body takes several runs at once */
  private stream(body: (indices: readonly Expr[]) => void, several: boolean): void {
    const { b, elements, size, cut, team } = this
    const { run } = cut
    const turns = Math.max(1, UNDER_WAY / run)
    const inside = (statements: () => void): void => elements.inside(statements)
    goThrough(b, { from: 0, count: size, lane: team.lane, threads: cut.threads, size: run, turns, inside }, (firsts) => {
      const indices = firsts.map((first) => this.indicesFrom(first))
      if (several) body(indices.flat())
      else indices.forEach(body)
    })
  }

  private heldRun(at: number, size: number): Held {
    const { b, cut, team } = this
    const { run, threads } = cut
    const first = b.let('first', team.lane.add(at * threads).mul(run))
    if ((at + 1) * threads * run <= size) return { indices: this.indicesFrom(first), valid: undefined }
    // What is beyond the row is the last of it, and not counted.
    return { indices: this.indicesFrom(b.let('inRow', first.min(size - run))), valid: b.let('valid', first.lt(size)) }
  }

  private indicesFrom(first: Expr): readonly Expr[] {
    return this.cut.run === 1 ? [first] : this.elements.run(first, this.cut.run).members
  }
}
