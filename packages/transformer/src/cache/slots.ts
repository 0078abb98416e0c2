import type { FixedCache } from './fixed.js'
import type { SequenceCache } from './sequence.js'

/** Fewer shared tokens than this are computed anew: a prompt's shortest piece costs the same. */
export const leastShared = 16

/** A cache that outlives the stream it was filled for, and knows whose keys and values it holds. */
export class Slot<Cache extends SequenceCache = FixedCache> {
  /** The tokens in the cache, in order: as many as its position says. */
  readonly tokens: number[] = []
  /** When it was last given back, by the pool's count. */
  used = 0

  constructor(readonly cache: Cache) {}

  /** Forgets the tokens from `length` on, or all where the cache cannot be cut there. */
  truncate(length: number): void {
    if (length < this.tokens.length) this.tokens.length = this.cache.truncate(length)
  }

  /** How many tokens at the beginning of a text need not be computed anew, the text's last left out. */
  sharedWith(ids: readonly number[]): number {
    const shared = sharedLength(this.tokens, ids)
    return this.cache.reaches(shared) ? shared : 0
  }
}

/** A slot for a text, and how to fill it. */
export interface Taken<Cache extends SequenceCache = FixedCache> {
  readonly slot: Slot<Cache>
  /** Tokens of the text that the slot has already. */
  readonly shared: number
  /** A slot that has more of them, which are to be copied, up to `shared`. */
  readonly copyFrom?: Slot<Cache>
}

/** Where the texts of a model have their caches from. */
export interface CachePool<Cache extends SequenceCache> {
  /** How many can be taken at most, memory willing. */
  readonly available: number
  /** A slot for a text, with what others have of its beginning. The last token is never counted as shared, since its logits are wanted. Undefined while there is none. */
  take(ids: readonly number[]): Taken<Cache> | undefined
  /** Memory for tokens behind those that a slot has; false while others have it all. Errors: CAPACITY beyond a cache. */
  room(slot: Slot<Cache>, tokens: number): Promise<boolean>
  /** A slot that nobody has to fill up a batch with. */
  filler(skip: ReadonlySet<Slot<Cache>>): Slot<Cache> | undefined
  /** Gives a slot back, with what is in it. */
  release(slot: Slot<Cache>): void
  /** Gives up a slot whose contents cannot be trusted. */
  drop(slot: Slot<Cache>): void
  /** Frees what is not in use now, and the rest as it is given back. */
  dispose(): void
}

export interface SlotPoolOptions {
  /** Makes an empty cache, or gives nothing where there is no memory for one more. */
  readonly make: (present: number) => FixedCache | undefined
  /** Most slots. */
  readonly most: number
  /** So many slots are made before one is overwritten that is kept for what is in it; more only while all are in use. 0 keeps nothing. */
  readonly kept: number
}

/** Slots for the streams of a model: some in use, the others kept for what is in them until somebody needs the place. */
export class SlotPool implements CachePool<FixedCache> {
  private readonly free: Slot[] = []
  private readonly taken = new Set<Slot>()
  private clock = 0
  private gone = false

  constructor(private readonly options: SlotPoolOptions) {}

  /**
   * A slot for a text: the one that has most of its beginning, an empty one, or the one that was not used for longest; a new one where so many are not kept yet, or
   * all are in use. The last token is never counted as shared, since its logits are wanted. Undefined while there is none.
   */
  take(ids: readonly number[]): Taken | undefined {
    const { kept } = this.options
    const own = best(this.free, ids)
    const other = best(this.taken, ids)
    const source = own !== undefined && own.shared >= (other?.shared ?? 0) ? own : other
    // Taking over a slot cuts off what else it has; that is worth keeping where it is the greater part and there is another place.
    const takesOver = own !== undefined && own === source && 2 * own.shared >= own.slot.tokens.length
    const slot =
      (takesOver ? own.slot : undefined) ??
      this.free.find(({ tokens }) => tokens.length === 0) ??
      (this.size < kept ? this.grow() : undefined) ??
      this.leastUsed(source?.slot) ??
      own?.slot ??
      this.grow()
    if (slot === undefined) return undefined
    const at = this.free.indexOf(slot)
    if (at >= 0) this.free.splice(at, 1)
    this.taken.add(slot)
    const has = slot.sharedWith(ids)
    if (source !== undefined && source.slot !== slot && source.shared > has) return { slot, shared: source.shared, copyFrom: source.slot }
    const shared = has >= leastShared ? has : 0
    slot.truncate(shared)
    return { slot, shared }
  }

  room({ cache }: Slot, tokens: number): Promise<boolean> {
    cache.reserve(tokens)
    return Promise.resolve(true)
  }

  /** A free slot to fill up a batch with: it must have room for a token behind those it has, which will be written over. */
  filler(skip: ReadonlySet<Slot>): Slot | undefined {
    const idle = this.free.find((slot) => !skip.has(slot)) ?? this.grow()
    if (idle !== undefined) idle.truncate(idle.cache.capacity - 1)
    return idle
  }

  /** Gives a slot back, with what is in it. */
  release(slot: Slot): void {
    if (!this.taken.delete(slot)) return
    if (this.gone || this.options.kept === 0) return slot.cache.dispose()
    slot.used = ++this.clock
    this.free.push(slot)
  }

  /** Gives up a slot whose contents cannot be trusted. */
  drop(slot: Slot): void {
    this.taken.delete(slot)
    const at = this.free.indexOf(slot)
    if (at >= 0) this.free.splice(at, 1)
    slot.cache.dispose()
  }

  /** How many can be taken at most, memory willing. */
  get available(): number {
    return this.free.length + Math.max(0, this.options.most - this.size)
  }

  /** Number of slots, in use or not. */
  get size(): number {
    return this.free.length + this.taken.size
  }

  /** Frees what is not in use now, and the rest as it is given back. */
  dispose(): void {
    this.gone = true
    for (const slot of this.free.splice(0)) slot.cache.dispose()
  }

  private grow(): Slot | undefined {
    const { most, make } = this.options
    const cache = this.size < most ? make(this.size) : undefined
    if (cache === undefined) return undefined
    const slot = new Slot(cache)
    this.free.push(slot)
    return slot
  }

  private leastUsed(but: Slot | undefined): Slot | undefined {
    let found: Slot | undefined
    for (const slot of this.free) if (slot !== but && (found === undefined || slot.used < found.used)) found = slot
    return found
  }
}

/** The slot that shares the longest beginning with a text, if it is worth anything. */
function best(slots: Iterable<Slot>, ids: readonly number[]): { readonly slot: Slot; readonly shared: number } | undefined {
  let found: { slot: Slot; shared: number } | undefined
  for (const slot of slots) {
    const shared = slot.sharedWith(ids)
    if (shared >= leastShared && shared > (found?.shared ?? 0)) found = { slot, shared }
  }
  return found
}

/** Tokens at the beginning that are the same, the text's last left out. */
export function sharedLength(tokens: readonly number[], ids: readonly number[]): number {
  const most = Math.min(tokens.length, ids.length - 1)
  let shared = 0
  while (shared < most && tokens[shared] === ids[shared]) shared++
  return shared
}
