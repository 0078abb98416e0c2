/**
 * Attention in one pass over the keys: the softmax is kept up to date as larger scores come, so that no row of scores is ever in memory.
 *
 * Source: M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867; T. Dao et al., "FlashAttention", arXiv:2205.14135.
 */
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'

/** What a key adds to its score, and whether the query sees it at all. */
export interface Bias {
  readonly isSeen?: Expr
  readonly add?: Expr
}

/** One query of one thread, and the keys that it may see. */
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

/** The sum of no weights divides as 1 does: a query that sees no key gives 0. */
export const divisorOf = (b: KernelBuilder, total: Expr): Expr => b.let('divisor', total.eq(0).select(f32(1), total))

/** The first key of a window that ends before `end`. */
export const windowStart = (b: KernelBuilder, end: Expr, window: number | undefined): Expr =>
  window === undefined ? u32(0) : b.let('first', end.max(window).sub(window))
