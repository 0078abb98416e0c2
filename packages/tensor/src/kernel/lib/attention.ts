/**
 * Attention in one pass over the keys: the softmax is kept up to date as larger scores come, so that no row of scores is ever in memory.
 *
 * Source: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867; T. Dao et al., "FlashAttention", arXiv:2205.14135.
 */
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import type { Expr, Shared } from '../ir.js'

/** What a key adds to its score, and whether the query sees it at all. */
export interface Bias {
  readonly isSeen?: Expr
  readonly add?: Expr
}

/** One query, and the keys that it may see. */
export interface Query {
  readonly b: KernelBuilder
  /** Numbers of a query, key or value; a multiple of `lanes`. */
  readonly width: number
  /** How many numbers one read gives: 4 where memory is bound as vectors. */
  readonly lanes: 1 | 4
  /** Numbers `w` … `w` + lanes − 1 of the query. */
  readonly query: (w: number) => readonly Expr[]
  readonly key: (s: Expr, w: number) => readonly Expr[]
  readonly value: (s: Expr, w: number) => readonly Expr[]
  /** The numbers of value `s`, for a thread whose `w` is known when it runs. */
  readonly valueOf: (s: Expr) => (w: Expr) => Expr
  /** The first key that is seen, and the one behind the last. */
  readonly from: Expr
  readonly to: Expr
  readonly scale: number
  readonly softcap: number | undefined
  readonly bias: ((s: Expr) => Bias) | undefined
  readonly inside: (body: () => void) => void
}

/** Below every score, and small enough that its exponential is 0: an infinity would make NaN of differences. */
const NOTHING = -3e38

function score({ b, width, lanes, key, scale, softcap }: Query, query: (w: number) => Expr, s: Expr): Expr {
  // Four sums, which a processor adds at the same time.
  const sums: Cell[] = Array.from({ length: Math.min(4, width) }, () => b.var('dot', f32(0)))
  for (let w = 0; w < width; w += lanes)
    key(s, w).forEach((one, lane) => {
      const sum = sums[(w + lane) % sums.length]!
      sum.set(sum.value.add(query(w + lane).mul(one)))
    })
  const dot = sums.slice(1).reduce((total, sum) => total.add(sum.value), sums[0]!.value)
  if (softcap === undefined) return b.let('score', dot.mul(scale))
  const capped = b.let('capped', dot.mul(scale / softcap))
  return b.let('score', capped.max(-15).min(15).unary('tanh').mul(softcap))
}

/** By one thread: gives the `width` numbers of the result, 0 where no key is seen. */
export function attendAlone(query: Query): Expr[] {
  const { b, width, lanes, inside } = query
  const own = Array.from({ length: width / lanes }, (_, i) => query.query(i * lanes)).flat()
  const peak = b.var('peak', f32(NOTHING))
  const total = b.var('total', f32(0))
  const sums = own.map(() => b.var('sum', f32(0)))
  b.for('key', query.from, query.to, 1, (s) =>
    inside(() => {
      const bias = query.bias?.(s) ?? {}
      const attend = (): void => {
        const plain = score(query, (w) => own[w]!, s)
        const one = bias.add === undefined ? plain : b.let('biased', plain.add(bias.add))
        b.if(one.gt(peak.value), () => {
          const shrink = b.let('shrink', peak.value.sub(one).unary('exp'))
          total.set(total.value.mul(shrink))
          sums.forEach((sum) => sum.set(sum.value.mul(shrink)))
          peak.set(one)
        })
        const weight = b.let('weight', one.sub(peak.value).unary('exp'))
        total.set(total.value.add(weight))
        for (let w = 0; w < width; w += lanes)
          query.value(s, w).forEach((number, lane) => {
            const sum = sums[w + lane]!
            sum.set(sum.value.add(weight.mul(number)))
          })
      }
      if (bias.isSeen === undefined) attend()
      else b.if(bias.isSeen, () => inside(attend))
    }),
  )
  const divisor = divisorOf(b, total.value)
  return sums.map((sum) => b.let('attended', sum.value.div(divisor)))
}

/** What a workgroup has found of some keys: the largest score, Σ e^(score − peak), and of the values that sum for the numbers that this thread holds. */
export interface Found {
  readonly peak: Expr
  readonly total: Expr
  /** Runs for each number `w` that this thread holds. */
  readonly each: (body: (w: Expr, sum: Expr) => void) => void
}

/**
 * By the threads of a workgroup: each finds the scores of some keys, and each adds up some numbers of the values. All of them must come by.
 *
 * @param threads of the workgroup
 */
export function attendTogether(query: Query, threads: number): Found {
  const { b, width, inside } = query
  const lane = b.localIndex()
  const held = b.sharedArray('query', 'f32', width)
  const scores = b.sharedArray('scores', 'f32', threads)
  // Who holds which number of the result is known now where the threads are as many as numbers, or a part of them.
  const perThread = Math.ceil(width / threads)
  loadQuery(query, held, lane, threads)
  // The ends may come out of memory, and all threads have to be seen to turn as often.
  const ends = b.sharedArray('ends', 'u32', 2)
  b.if(lane.eq(0), () => {
    b.store(ends, u32(0), query.from)
    b.store(ends, u32(1), query.to)
  })
  const [from, to] = [b.commonLoad(ends, u32(0)), b.commonLoad(ends, u32(1))]
  const peak = b.var('peak', f32(NOTHING))
  const total = b.var('total', f32(0))
  const sums = Array.from({ length: perThread }, () => b.var('sum', f32(0)))
  const count = b.let('count', to.sub(from.min(to)))
  b.for('base', u32(0), count, threads, (base) =>
    inside(() => {
      const s = b.let('key', from.add(base).add(lane))
      const mine = b.var('mine', f32(NOTHING))
      b.if(s.lt(to), () =>
        inside(() => {
          const bias = query.bias?.(s) ?? {}
          const attend = (): void => {
            const plain = score(query, (w) => b.load(held, u32(w)), s)
            mine.set(bias.add === undefined ? plain : plain.add(bias.add))
          }
          if (bias.isSeen === undefined) attend()
          else b.if(bias.isSeen, () => inside(attend))
        }),
      )
      b.store(scores, lane, mine.value)
      b.barrier()
      const most = b.var('most', peak.value)
      const here = b.let('here', count.sub(base).min(threads))
      b.for('other', u32(0), here, 1, (other) => inside(() => most.set(most.value.max(b.load(scores, other)))))
      const shrink = b.let('shrink', peak.value.sub(most.value).unary('exp'))
      peak.set(most.value)
      const weight = b.let('weight', mine.value.le(NOTHING).select(f32(0), mine.value.sub(peak.value).unary('exp')))
      // Everybody has read the scores before they become weights.
      b.barrier()
      b.store(scores, lane, weight)
      b.barrier()
      total.set(total.value.mul(shrink))
      sums.forEach((sum) => sum.set(sum.value.mul(shrink)))
      b.for('other', u32(0), here, 1, (other) =>
        inside(() => {
          const one = b.load(scores, other)
          total.set(total.value.add(one))
          const key = b.let('key', from.add(base).add(other))
          const number = query.valueOf(key)
          sums.forEach((sum, part) => {
            const w = part === 0 ? lane : b.let('w', lane.add(part * threads))
            const add = (): void => sum.set(sum.value.add(one.mul(number(w))))
            if (width % threads === 0) add()
            else b.if(w.lt(width), () => inside(add))
          })
        }),
      )
      b.barrier()
    }),
  )
  const each: Found['each'] = (body) =>
    sums.forEach((sum, part) => {
      const w = part === 0 ? lane : b.let('w', lane.add(part * threads))
      if (width % threads === 0) body(w, sum.value)
      else b.if(w.lt(width), () => inside(() => body(w, sum.value)))
    })
  return { peak: peak.value, total: total.value, each }
}

/** The sum of no weights divides as 1 does: a query that sees no key gives 0. */
export const divisorOf = (b: KernelBuilder, total: Expr): Expr => b.let('divisor', total.eq(0).select(f32(1), total))

/**
 * Puts together what was found of several ranges of keys.
 *
 * @param found of a range: its peak, its total, and one number of its sums
 */
export function joinRanges(
  b: KernelBuilder,
  ranges: number,
  inside: (body: () => void) => void,
  found: (range: Expr) => { readonly peak: () => Expr; readonly total: () => Expr; readonly sum: () => Expr },
): Expr {
  const peak = b.var('peak', f32(NOTHING))
  b.for('range', u32(0), u32(ranges), 1, (range) => inside(() => peak.set(peak.value.max(found(range).peak()))))
  const [total, sum] = [b.var('total', f32(0)), b.var('sum', f32(0))]
  b.for('range', u32(0), u32(ranges), 1, (range) =>
    inside(() => {
      const own = found(range)
      const shrink = b.let('shrink', own.peak().sub(peak.value).unary('exp'))
      total.set(total.value.add(own.total().mul(shrink)))
      sum.set(sum.value.add(own.sum().mul(shrink)))
    }),
  )
  return b.let('attended', sum.value.div(divisorOf(b, total.value)))
}

/** The query's numbers, one read of each for the workgroup. */
function loadQuery({ b, width, lanes, query, inside }: Query, held: Shared, lane: Expr, threads: number): void {
  for (let w = 0; w < width; w += lanes)
    b.if(lane.eq((w / lanes) % threads), () => inside(() => query(w).forEach((number, i) => b.store(held, u32(w + i), number))))
}

/** The first key of a window that ends before `end`. */
export const windowStart = (b: KernelBuilder, end: Expr, window: number | undefined): Expr =>
  window === undefined ? u32(0) : b.let('first', end.max(window).sub(window))
