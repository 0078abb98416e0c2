/** Threads of a workgroup that go through a row together, or through what several rows have at one place, and put together what each of them found. */
import { u32, type KernelBuilder } from '../builder.js'
import type { Expr, Scalar, Shared } from '../ir.js'
import { asExpr, plus, times, type Amount } from './indexing.js'

/** What a thread knows so far. */
export type State = readonly Expr[]
/** What two threads know, put together: the same whichever comes first. */
export type Join = (a: State, b: State) => State

export interface TeamSize {
  /** Threads of a team, a power of two. */
  readonly threads: number
  /** Teams side by side in a workgroup. */
  readonly teams: number
  /** Threads of a subgroup, numbered one after another; 0 where a device does not say. */
  readonly subgroup: 0 | 32
}

/** Up to so many numbers of shared memory are put together by every thread for itself. */
const READ_BY_ALL = 8

export class Team {
  /** The thread's number in its team, and the team's in the workgroup. */
  readonly lane: Expr
  readonly which: Expr
  private readonly made = new Map<string, Shared>()
  private calls = 0

  constructor(
    private readonly b: KernelBuilder,
    readonly size: TeamSize,
  ) {
    const { threads, teams } = size
    const index = b.localIndex()
    this.lane = teams === 1 ? index : b.let('lane', index.and(threads - 1))
    this.which = teams === 1 ? u32(0) : b.let('which', index.shr(Math.log2(threads)))
  }

  /** What all threads of the team know, for all of them. All threads of the workgroup have to come by. */
  together(own: State, join: Join): State {
    const { threads, subgroup } = this.size
    if (threads === 1) return own
    this.calls++
    return subgroup === 0 ? this.byMemory(own, join) : this.bySubgroups(own, join, subgroup)
  }

  /** Each of some threads puts together what every so many know, and then each thread what these found: two barriers, where halving takes one for each step. */
  private byMemory(own: State, join: Join): State {
    const { b, lane, which } = this
    const { threads, teams } = this.size
    const some = 2 ** Math.floor(Math.log2(threads) / 2)
    const all = own.map(({ type }, i) => this.memory(`all${i}`, type.scalar, threads * teams))
    const found = own.map(({ type }, i) => this.memory(`found${i}`, type.scalar, some * teams))
    const load = (from: readonly Shared[], at: Expr): State => from.map((memory) => b.load(memory, at))
    own.forEach((value, i) => b.store(all[i]!, b.localIndex(), value))
    b.barrier()
    b.if(lane.lt(some), () => {
      const start = b.let('start', which.mul(threads).add(lane))
      let joined = load(all, start)
      for (let at = some; at < threads; at += some) joined = this.named(join(joined, load(all, start.add(at))))
      joined.forEach((value, i) => b.store(found[i]!, which.mul(some).add(lane), value))
    })
    b.barrier()
    // Nobody writes either memory again before everybody has been at the next barrier.
    let joined = load(found, which.mul(some))
    for (let at = 1; at < some; at++) joined = this.named(join(joined, load(found, which.mul(some).add(at))))
    return joined
  }

  private bySubgroups(own: State, join: Join, subgroup: number): State {
    const { b, lane, which } = this
    const { threads, teams } = this.size
    const shuffled = (state: State, from: number): State => {
      let joined = state
      for (let mask = from; mask >= 1; mask /= 2)
        joined = this.named(
          join(
            joined,
            joined.map((value) => b.subgroup('shuffleXor', value, mask)),
          ),
        )
      return joined
    }
    const mine = shuffled(own, Math.min(threads, subgroup) / 2)
    const count = threads / subgroup
    if (count <= 1) return mine
    // Two memories take turns, so that nobody writes what others still read.
    const found = own.map(({ type }, i) => this.memory(`found${i}_${this.calls % 2}`, type.scalar, count * teams))
    b.if(lane.and(subgroup - 1).eq(0), () => mine.forEach((value, i) => b.store(found[i]!, b.localIndex().shr(Math.log2(subgroup)), value)))
    b.barrier()
    const first = b.let('first', which.mul(count))
    const load = (at: Expr): State => found.map((memory) => b.load(memory, at))
    if (count > READ_BY_ALL) return shuffled(load(first.add(lane.and(count - 1))), count / 2)
    let joined = load(first)
    for (let at = 1; at < count; at++) joined = this.named(join(joined, load(first.add(at))))
    return joined
  }

  private named = (state: State): State => state.map((value) => this.b.let('joined', value))

  private memory(name: string, scalar: Scalar, length: number): Shared {
    const key = `${name} ${scalar}`
    let memory = this.made.get(key)
    if (memory === undefined) this.made.set(key, (memory = this.b.sharedArray(name, scalar as Exclude<Scalar, 'bool'>, length)))
    return memory
  }
}

export interface Going {
  /** The first that this thread looks at, and the number behind the last of all. */
  readonly from: Amount
  /** How many there are in all: those of a whole turn of all threads are looked at without asking. */
  readonly count: Amount
  /** This thread's number among those that share them, from 0 on, and how many they are. */
  readonly lane: Expr
  readonly threads: number
  /** Numbers side by side that a thread looks at, of which `count` is a multiple. */
  readonly size: number
  /** Turns that are written out, so that their loads are under way together. */
  readonly turns: number
  readonly inside: (body: () => void) => void
}

/** Goes through numbers, each thread at every so many of them. The body is given the first numbers of each turn. */
export function goThrough(
  b: KernelBuilder,
  { from, count, lane, threads, size, turns, inside }: Going,
  body: (firsts: readonly Expr[]) => void,
): void {
  const step = threads * size
  const mine = asExpr(plus(from, asExpr(times(lane, size))))
  const start = b.let('start', mine)
  const whole: Amount =
    typeof count === 'number'
      ? Math.floor(count / (step * turns)) * step * turns
      : b.let('whole', count.div(step * turns).mul(step * turns))
  if (turns > 1 && whole !== 0) {
    const end = b.let('end', asExpr(plus(from, whole)))
    b.for('i', start, end, step * turns, (i) =>
      inside(() => body(Array.from({ length: turns }, (_, turn) => (turn === 0 ? i : b.let('i', i.add(step * turn)))))),
    )
  }
  if (turns > 1 && whole === count) return
  b.for('i', turns > 1 ? b.let('rest', start.add(asExpr(whole))) : start, b.let('end', asExpr(plus(from, count))), step, (i) =>
    inside(() => body([i])),
  )
}
