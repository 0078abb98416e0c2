/**
 * Runs: indices side by side that one thread works out together, from a multiple of their number on, so that what lies there is loaded and stored as vectors. What is
 * derived from the indices of a run by `indexing.ts` is a run again where it can be, and worked out once for all of them.
 */
import type { KernelBuilder } from '../builder.js'
import type { Expr } from '../ir.js'

/** What is known in each block of a kernel that is open. */
export class Scopes {
  private readonly open: Map<string, unknown>[] = [new Map()]

  /** What goes by a name: made where it is first asked for, and forgotten when that block ends. */
  once<T>(key: string, make: () => T): T {
    for (const scope of this.open) if (scope.has(key)) return scope.get(key) as T
    const made = make()
    this.open.at(-1)!.set(key, made)
    return made
  }

  inside(body: () => void): void {
    this.open.push(new Map())
    try {
      body()
    } finally {
      this.open.pop()
    }
  }
}

export interface Run {
  /** A power of two. The first index is a multiple of it. */
  readonly size: number
  readonly members: readonly Expr[]
  readonly scopes: Scopes
}

/** An index of a run, and which one it is. */
export interface PlaceInRun {
  readonly run: Run
  readonly at: number
}

const places = new WeakMap<Expr, PlaceInRun>()
const shared = new WeakMap<Expr, Scopes>()
const divisors = new WeakMap<Expr, number>()
const numbers = new WeakMap<object, number>()
let last = 0

/** A name for an object, the same each time. */
export function nameOf(thing: object | number): string {
  if (typeof thing === 'number') return String(thing)
  let number = numbers.get(thing)
  if (number === undefined) numbers.set(thing, (number = ++last))
  return `#${number}`
}

/** The indices from `first` on, which must be a multiple of `size`. */
export function makeRun(b: KernelBuilder, scopes: Scopes, first: Expr, size: number): Run {
  const start = b.let('first', first)
  const members = Array.from({ length: size }, (_, at) => (at === 0 ? start : b.let('at', start.add(at))))
  const run: Run = { size, members, scopes }
  members.forEach((member, at) => places.set(member, { run, at }))
  return run
}

/** The run that an index is of; undefined for one that stands alone. */
export const placeInRun = (index: Expr): PlaceInRun | undefined => places.get(index)

/** Says that an index is the same for all indices of a run. */
export const markShared = (index: Expr, scopes: Scopes): void => void shared.set(index, scopes)
export const sharedIn = (index: Expr): Scopes | undefined => shared.get(index)

/** Says what a number that is known later is a multiple of. */
export function markMultiple(amount: Expr, of: number): Expr {
  divisors.set(amount, of)
  return amount
}
/** A number that an amount is known to be a multiple of. */
export const multipleOf = (amount: Expr | number): number => (typeof amount === 'number' ? amount : (divisors.get(amount) ?? 1))
export const isMultiple = (amount: Expr | number, of: number): boolean => multipleOf(amount) % of === 0
