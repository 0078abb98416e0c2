/** Running sums. Short lines are added up by each element; of longer ones a thread or a workgroup goes through a span, knowing the sums of the spans before. */
import type { DType } from '../../dtype.js'
import { u32, type KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'
import type { ElementRule } from './elements.js'
import { asExpr } from './indexing.js'
import { lineThrough } from './lines.js'
import { computedConstant } from './pack.js'

/** For lines of few elements: each adds up what is before it. */
const cumsum: ElementRule = (context, index) => {
  const { b, symbols, attrs, output } = context
  const axis = attrs['axis'] as number
  const [exclusive, reverse] = [attrs['exclusive'] === true, attrs['reverse'] === true]
  const { shape } = output
  const { mine, at } = lineThrough(b, symbols, shape, symbols.strides(shape), axis, index)
  const size = asExpr(symbols.dim(shape[axis]!))
  const from = reverse ? (exclusive ? mine.add(1) : mine) : u32(0)
  const to = reverse ? size : exclusive ? mine : mine.add(1)
  const sum = b.var('sum', computedConstant(0, output.dtype))
  b.for('along', from, to, 1, (step) => context.inside(() => sum.set(sum.value.add(context.input(0, b.let('from', at(step)))))))
  return sum.value
}

export const scanRules: readonly (readonly [string, ElementRule])[] = [['cumsum', cumsum]]

/** Elements that each thread of a workgroup takes of a block, next to each other. */
export const EACH = 4

/** A scan by a thread, or by the threads of a workgroup. */
export interface Scanner {
  readonly b: KernelBuilder
  readonly threads: number
  readonly dtype: DType
  readonly exclusive: boolean
  /** The element at a place, counted in the direction of the scan. */
  readonly read: (place: Expr) => Expr
  readonly write: (place: Expr, sum: Expr) => void
  readonly inside: (body: () => void) => void
}

/** The sum of the elements of a span; in a workgroup every thread gets it. */
export function spanSum(scanner: Pick<Scanner, 'b' | 'threads' | 'dtype' | 'read' | 'inside'>, from: Expr, to: Expr): Expr {
  const { b, threads, dtype, read, inside } = scanner
  const sum = b.var('sum', computedConstant(0, dtype))
  const start = threads === 1 ? from : b.let('own', from.add(b.localIndex()))
  b.for('i', start, to, threads, (i) => inside(() => sum.set(sum.value.add(read(i)))))
  if (threads === 1) return sum.value
  const { total } = scanThreads(b, threads, dtype)(sum.value)
  return total
}

/** Writes the running sums of a span, of which those before it add up to `before`. */
export function scanSpan(scanner: Scanner, from: Expr, to: Expr, before: Expr): void {
  const { b, threads, dtype, exclusive, read, write, inside } = scanner
  const carry = b.var('carry', before)
  if (threads === 1) {
    b.for('i', from, to, 1, (i) =>
      inside(() => {
        const sum = b.let('sum', carry.value.add(read(i)))
        write(i, exclusive ? carry.value : sum)
        carry.set(sum)
      }),
    )
    return
  }
  const zero = computedConstant(0, dtype)
  const combine = scanThreads(b, threads, dtype)
  // All threads go round as often, for they meet at barriers.
  b.for('block', from, to, threads * EACH, (block) =>
    inside(() => {
      const first = b.let('first', block.add(b.localIndex().mul(EACH)))
      const sums: Expr[] = []
      for (let k = 0; k < EACH; k++) {
        const element = b.var('element', zero)
        const place = b.let('place', first.add(k))
        b.if(place.lt(to), () => inside(() => element.set(read(place))))
        sums.push(b.let('sum', k === 0 ? element.value : sums[k - 1]!.add(element.value)))
      }
      const { others, total } = combine(sums.at(-1)!)
      const start = b.let('start', carry.value.add(others))
      for (let k = 0; k < EACH; k++) {
        const place = b.let('place', first.add(k))
        const sum = exclusive ? (k === 0 ? start : start.add(sums[k - 1]!)) : start.add(sums[k]!)
        b.if(place.lt(to), () => inside(() => write(place, b.let('running', sum))))
      }
      carry.set(carry.value.add(total))
    }),
  )
}

/**
 * Adds up a number of each thread of a workgroup: the sum of those of the threads before, and the sum of all.
 *
 * Source of the steps: W. Hillis and G. Steele, "Data parallel algorithms", 1986.
 */
function scanThreads(b: KernelBuilder, threads: number, dtype: DType): (own: Expr) => { readonly others: Expr; readonly total: Expr } {
  const zero = computedConstant(0, dtype)
  const scalar = zero.type.scalar as 'f32' | 'i32' | 'u32'
  // Two that take turns, so that one barrier a step is enough.
  const memories = [b.sharedArray('sums', scalar, threads), b.sharedArray('sums', scalar, threads)]
  return (own) => {
    const lane = b.localIndex()
    let at = 0
    b.store(memories[at]!, lane, own)
    b.barrier()
    for (let distance = 1; distance < threads; distance *= 2) {
      const from = memories[at]!
      const sum = b.var('sum', b.load(from, lane))
      b.if(lane.ge(distance), () => sum.set(b.load(from, lane.sub(distance)).add(sum.value)))
      at = 1 - at
      b.store(memories[at]!, lane, sum.value)
      b.barrier()
    }
    const others = b.var('others', zero)
    b.if(lane.gt(0), () => others.set(b.load(memories[at]!, lane.sub(1))))
    const total = b.load(memories[at]!, u32(threads - 1))
    // Nobody writes the next before everybody has read this.
    b.barrier()
    return { others: b.let('sum_before', others.value), total }
  }
}
