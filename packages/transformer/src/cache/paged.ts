import { counted, TransformerError } from '../errors.js'
import type { Block, Prefix } from './blocks.js'
import { blocksFor, type Lane, type Pages } from './pages.js'
import { beyondCapacity, type SequenceCache } from './sequence.js'
import { Slot, leastShared, type CachePool, type Taken } from './slots.js'
import { cutBack } from './sliding.js'

/** Keys and values of one text, in as many blocks as it has tokens for. Blocks that are full may be those of other texts too. */
export class PagedCache implements SequenceCache {
  readonly capacity: number
  /** Of each lane its blocks in order; undefined for those that no token to come sees. */
  private blocks: (Block | undefined)[][]
  private readonly ids: number[] = []
  /** What the full blocks are known by, in order. */
  private readonly prefixes: Prefix[] = []
  private gone = false

  constructor(
    readonly pages: Pages,
    /** Tokens that it is to have, for which it has no blocks yet. */
    private wanted: number,
  ) {
    this.capacity = pages.capacity
    this.blocks = pages.lanes.map(() => [])
  }

  get position(): number {
    return this.ids.length
  }

  reserve(tokens: number): void {
    if (this.position + tokens > this.capacity) throw new TransformerError('CAPACITY', beyondCapacity(this, tokens))
  }

  /** Takes the blocks of other texts that begin as this one does; of its last token none. It is empty so far. */
  begin(ids: readonly number[]): void {
    const { pages } = this
    const { blockSize } = pages
    const found: Prefix[] = []
    while ((found.length + 1) * blockSize < ids.length) {
      const next = pages.prefixes.find(found.at(-1), ids.slice(found.length * blockSize, (found.length + 1) * blockSize))
      if (next === undefined) break
      found.push(next)
    }
    // Every lane has to have what the next token sees.
    while (found.length > 0 && !pages.lanes.every((lane) => isThere(lane, found, blockSize))) found.pop()
    if (found.length * blockSize < leastShared) return
    for (const lane of pages.lanes) {
      const from = firstSeen(lane, found.length * blockSize, blockSize)
      const own = found.map(({ blocks }, i) => (i < from ? undefined : blocks[lane.index]))
      for (const block of own) if (block !== undefined) lane.blocks.hold(block)
      this.blocks[lane.index] = own
    }
    this.prefixes.push(...found)
    this.ids.push(...ids.slice(0, found.length * blockSize))
  }

  /** Becomes the first `tokens` tokens of another cache, in the same blocks. */
  become(other: PagedCache, tokens: number): void {
    const { blockSize, lanes } = this.pages
    const count = Math.ceil(tokens / blockSize)
    const blocks = other.blocks.map((own) => own.slice(0, count))
    for (const lane of lanes) for (const block of blocks[lane.index]!) if (block !== undefined) lane.blocks.hold(block)
    this.release()
    this.blocks = blocks
    this.wanted = Math.max(this.wanted, tokens + 1)
    this.ids.push(...other.ids.slice(0, tokens))
    this.prefixes.push(...other.prefixes.slice(0, Math.floor(tokens / blockSize)))
  }

  /** Blocks of its own for so many more tokens; false where there are none left. */
  async room(tokens: number): Promise<boolean> {
    const { pages, position } = this
    const { blockSize } = pages
    this.reserve(tokens)
    this.wanted = Math.max(this.wanted, position + tokens)
    for (const lane of pages.lanes) {
      const at = Math.floor(position / blockSize)
      const last = position % blockSize === 0 ? undefined : this.blocks[lane.index]![at]!
      if (last !== undefined && pages.isShared(last)) {
        const fresh = await pages.take(lane)
        if (fresh === undefined) return false
        pages.copy(lane, last, fresh)
        lane.blocks.release(last)
        this.blocks[lane.index]![at] = fresh
      } else if (last !== undefined) lane.blocks.forget(last)
      const own = this.blocks[lane.index]!
      while (own.length * blockSize < position + tokens) {
        const fresh = await pages.take(lane)
        if (fresh === undefined) return false
        own.push(fresh)
      }
    }
    return true
  }

  /** Blocks of a lane that it is going to ask for. */
  missing(lane: Lane): number {
    return Math.max(0, blocksFor(lane, this.wanted, this.pages.blockSize) - this.held(lane))
  }

  /** Those, or one more where it can grow on: so many it takes soon. */
  next(lane: Lane): number {
    const most = blocksFor(lane, this.capacity, this.pages.blockSize)
    return Math.max(this.missing(lane), Math.min(1, most - this.held(lane)))
  }

  /** Writes the numbers of a lane's blocks from a place on; where there is none the table stays as it is. */
  writeTable(lane: Lane, table: Int32Array, at: number): void {
    this.blocks[lane.index]!.forEach((block, i) => {
      if (block !== undefined) table[at + i] = block.number
    })
  }

  /** Tokens were written behind those that it has. */
  wrote(ids: readonly number[]): void {
    const { pages } = this
    const { blockSize } = pages
    this.ids.push(...ids)
    for (let i = this.prefixes.length; pages.keeps && (i + 1) * blockSize <= this.position; i++) {
      const prefix = pages.prefixes.make(this.prefixes.at(-1), this.ids.slice(i * blockSize, (i + 1) * blockSize))
      for (const lane of pages.lanes) {
        const block = this.blocks[lane.index]![i]
        if (block !== undefined) lane.blocks.keep(block, prefix)
      }
      this.prefixes.push(prefix)
    }
    for (const lane of pages.lanes) {
      const own = this.blocks[lane.index]!
      // Texts may be cut back by a little at any time.
      for (let i = firstSeen(lane, this.position - cutBack, blockSize) - 1; i >= 0 && own[i] !== undefined; i--) {
        lane.blocks.release(own[i]!)
        own[i] = undefined
      }
    }
  }

  reaches(position: number): boolean {
    if (position >= this.position) return position === this.position
    const { lanes, blockSize } = this.pages
    return lanes.every((lane) => {
      const from = firstSeen(lane, position, blockSize)
      return from * blockSize >= position || this.blocks[lane.index]![from] !== undefined
    })
  }

  truncate(position: number): number {
    if (!Number.isInteger(position) || position < 0 || position > this.position)
      throw new TransformerError(
        'OPTION',
        `a cache of ${counted(this.position, 'token')} cannot be cut at ${position}; expected 0 to ${this.position}`,
      )
    const kept = this.reaches(position) ? position : 0
    const { lanes, blockSize } = this.pages
    const count = Math.ceil(kept / blockSize)
    for (const lane of lanes) this.give(lane, this.blocks[lane.index]!.splice(count))
    this.ids.length = kept
    this.prefixes.length = Math.min(this.prefixes.length, Math.floor(kept / blockSize))
    return kept
  }

  /** The pools are empty, and nobody has blocks any more. */
  forget(): void {
    this.blocks = this.pages.lanes.map(() => [])
    this.ids.length = 0
    this.prefixes.length = 0
  }

  dispose(): void {
    if (this.gone) return
    this.gone = true
    this.release()
    this.pages.trim()
  }

  private held(lane: Lane): number {
    return this.blocks[lane.index]!.reduce((count, block) => count + (block === undefined ? 0 : 1), 0)
  }

  private release(): void {
    for (const lane of this.pages.lanes) this.give(lane, this.blocks[lane.index]!)
    this.forget()
  }

  /** Gives blocks back, the last first: what many texts begin with is kept for longest. */
  private give(lane: Lane, blocks: readonly (Block | undefined)[]): void {
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i]
      if (block !== undefined) lane.blocks.release(block)
    }
  }
}

/** The first block with a token that the one at a position sees. */
const firstSeen = ({ window }: Lane, position: number, blockSize: number): number =>
  window === undefined ? 0 : Math.floor(Math.max(0, position - window + 1) / blockSize)

const isThere = (lane: Lane, found: readonly Prefix[], blockSize: number): boolean => {
  for (let i = firstSeen(lane, found.length * blockSize, blockSize); i < found.length; i++)
    if (found[i]!.blocks[lane.index] === undefined) return false
  return true
}

/** Caches in pages for the texts of a model, as many side by side as have blocks. */
export class PagedSlots implements CachePool<PagedCache> {
  private readonly taken = new Set<Slot<PagedCache>>()
  private gone = false

  constructor(
    private readonly pages: Pages,
    /** Most side by side. */
    private readonly most: number,
    /** Told when it is disposed and the last cache is back: nothing runs any more. */
    private readonly onEnd: () => void,
  ) {
    pages.onLost = () => {
      for (const { cache, tokens } of this.taken) {
        cache.forget()
        tokens.length = 0
      }
    }
  }

  /** A cache for a text, with the blocks of what others have of its beginning. Undefined while there are not blocks enough for all of it. */
  take(ids: readonly number[]): Taken<PagedCache> | undefined {
    if (this.taken.size >= this.most) return undefined
    const { pages } = this
    const cache = new PagedCache(pages, Math.min(ids.length + 1, pages.capacity))
    cache.begin(ids)
    const promised = (lane: Lane): number => [...this.taken].reduce((sum, slot) => sum + slot.cache.next(lane), 0)
    if (pages.lanes.some((lane) => cache.missing(lane) + promised(lane) > pages.obtainable(lane))) {
      cache.dispose()
      return undefined
    }
    const slot = new Slot(cache)
    slot.tokens.push(...ids.slice(0, cache.position))
    this.taken.add(slot)
    return { slot, shared: cache.position }
  }

  room({ cache }: Slot<PagedCache>, tokens: number): Promise<boolean> {
    return cache.room(tokens)
  }

  /** A step needs none: rows without a text have no blocks. */
  filler(): undefined {
    return undefined
  }

  release(slot: Slot<PagedCache>): void {
    if (!this.taken.delete(slot)) return
    slot.cache.dispose()
    if (this.gone && this.taken.size === 0) this.end()
  }

  drop(slot: Slot<PagedCache>): void {
    this.release(slot)
  }

  get available(): number {
    return this.most - this.taken.size
  }

  dispose(): void {
    this.gone = true
    if (this.taken.size === 0) this.end()
  }

  private end(): void {
    this.pages.dispose()
    this.onEnd()
  }
}
