/**
 * Sorting by keys of 32 bits: a workgroup sorts a tile in shared memory, longer lines are merged from sorted runs. An element's former place decides between equal keys,
 * so that the order is stable, and the same each time.
 */
import { isFloat, type DType } from '../../dtype.js'
import { u32, type KernelBuilder } from '../builder.js'
import type { Expr, Shared } from '../ir.js'
import { asExpr, type Amount } from './indexing.js'
import { isNaNExpr } from './pack.js'

/** Elements that a workgroup sorts at once: at two words each they take the shared memory that every WebGPU device has. */
export const MOST_TILE = 2048
const MOST_THREADS = 256
/** A tile of short lines holds several. */
const LEAST_TILE = 256
/** Runs that one pass merges into one. */
export const WAYS = 4

/** Elements among which each counts those before it. */
const COUNTED = 32
/** Lines of so many elements are not cut for it. */
const MOST_COUNTED = 128

/** How lines are sorted: first runs, in tiles or by counting, then passes that merge them. */
export interface SortCut {
  /** Elements that are sorted together at first. */
  readonly run: number
  /** Elements that a workgroup sorts at once, run by run; 0 where each element counts those before it in its run. */
  readonly tile: number
  readonly threads: number
  /** Passes that merge runs. */
  readonly passes: number
}

/**
 * @param size elements of the longest line
 * @param tiles whether workgroups sort tiles, in which threads meet at barriers
 */
export function sortCut(size: number, tiles: boolean): SortCut {
  const power = 2 ** Math.ceil(Math.log2(Math.max(1, size)))
  const run = tiles ? Math.min(MOST_TILE, power) : size <= MOST_COUNTED ? MOST_COUNTED : COUNTED
  const tile = tiles ? Math.max(LEAST_TILE, run) : 0
  let passes = 0
  for (let width = run; width < size; width *= WAYS) passes++
  return { tile, run, threads: Math.min(MOST_THREADS, tile / 2), passes }
}

/** Whether an element with a key comes before another: of two equal ones that with the lower place. */
export const comesBefore = (key: Expr, place: Expr, other: Expr, otherPlace: Expr): Expr =>
  key.lt(other).or(key.eq(other).and(place.lt(otherPlace)))

/** A number whose order as a u32 is that of the values: NaN last, no difference between the zeros; all the other way round when descending. */
export function sortKey(b: KernelBuilder, value: Expr, dtype: DType, descending: boolean): Expr {
  const ascending = (): Expr => {
    if (!isFloat(dtype)) return value.type.scalar === 'u32' ? value : value.bits('u32').xor(0x80000000)
    const bits = b.let('bits', value.bits('u32'))
    const magnitude = b.let('magnitude', bits.and(0x7fffffff))
    const ordered = bits.eq(magnitude).select(bits.or(0x80000000), bits.not())
    return isNaNExpr(value).select(u32(0xffffffff), magnitude.eq(0).select(u32(0x80000000), ordered))
  }
  return b.let('key', descending ? ascending().not() : ascending())
}

/** The tile of a workgroup: a key and a place for each element. */
export interface Tile {
  readonly keys: Shared
  readonly places: Shared
}

/**
 * Sorts every run of a tile by key, then by place, which no two elements of a run have in common.
 *
 * Source of the network: K. Batcher, "Sorting networks and their applications", 1968.
 */
export function sortRuns(b: KernelBuilder, { keys, places }: Tile, { tile, run, threads }: SortCut): void {
  const lane = b.localIndex()
  b.barrier()
  b.for('width', u32(1), u32(Math.log2(run) + 1), 1, (width) => {
    b.for('pass', u32(0), width, 1, (pass) => {
      const shift = b.let('shift', width.sub(1).sub(pass))
      const distance = b.let('distance', u32(1).shl(shift))
      b.for('pair', lane, u32(tile / 2), threads, (pair) => {
        const low = b.let(
          'low',
          pair
            .shr(shift)
            .shl(shift.add(1))
            .add(pair.and(distance.sub(1))),
        )
        const high = b.let('high', low.add(distance))
        const [lowKey, highKey] = [b.load(keys, low), b.load(keys, high)]
        const [lowPlace, highPlace] = [b.load(places, low), b.load(places, high)]
        const after = comesBefore(highKey, highPlace, lowKey, lowPlace)
        // Every other part goes down, so that two of them go up and down; the whole run goes up.
        const up = low
          .and(run - 1)
          .shr(width)
          .and(1)
          .eq(0)
        b.if(after.eq(up), () => {
          b.store(keys, low, highKey)
          b.store(keys, high, lowKey)
          b.store(places, low, highPlace)
          b.store(places, high, lowPlace)
        })
      })
      b.barrier()
    })
  })
}

/** How many of `length` sorted numbers, not more than `most`, hold: those that do stand first. */
export function countWhere(
  b: KernelBuilder,
  length: Amount,
  most: number,
  holds: (place: Expr) => Expr,
  inside: (body: () => void) => void,
): Expr {
  const found = b.var('found', u32(0))
  const largest = Math.floor(Math.log2(Math.max(1, most)))
  b.for('halving', u32(0), u32(largest + 1), 1, (halving) =>
    inside(() => {
      const probe = b.let('probe', found.value.add(u32(2 ** largest).shr(halving)))
      b.if(probe.le(asExpr(length)), () =>
        inside(() => {
          b.if(holds(b.let('last', probe.sub(1))), () => found.set(probe))
        }),
      )
    }),
  )
  return found.value
}

/** Where an element of a sorted run goes when `WAYS` neighbouring runs become one. */
export function mergedPlace(
  b: KernelBuilder,
  { key, place, size, width }: { readonly key: Expr; readonly place: Expr; readonly size: Amount; readonly width: number },
  keyAt: (place: Expr) => Expr,
  inside: (body: () => void) => void,
): Expr {
  const run = b.let('run', place.div(width))
  const first = b.let('first', run.div(WAYS).mul(WAYS))
  const to = b.var('to', place.sub(run.sub(first).mul(width)))
  const runs = asExpr(size)
    .add(width - 1)
    .div(width)
  b.for('other', first, b.let('end', first.add(WAYS).min(runs)), 1, (other) =>
    b.if(other.ne(run), () =>
      inside(() => {
        const start = b.let('start', other.mul(width))
        const length = b.let('length', asExpr(size).sub(start).min(width))
        const comesFirst = b.let('comes_first', other.lt(run))
        const precedes = (at: Expr): Expr => {
          const theirs = keyAt(b.let('at', start.add(at)))
          return theirs.lt(key).or(comesFirst.and(theirs.eq(key)))
        }
        to.set(to.value.add(countWhere(b, length, width, precedes, inside)))
      }),
    ),
  )
  return b.let('merged', to.value)
}
