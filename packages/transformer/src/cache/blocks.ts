/** Who has which blocks of a pool, and what is in them. Numbers alone: the memory is in `pages.ts`. */

/** A block of rows that sequences may share. */
export interface Block {
  readonly number: number
  /** Sequences that have it, and copies that are to be made of it. */
  users: number
  /** The beginning of texts whose last tokens it holds, if it can be found by these. */
  prefix: Prefix | undefined
}

/** A beginning of texts of whole blocks. */
export interface Prefix {
  readonly key: string
  /** Never used again for another. */
  readonly serial: number
  /** Of each lane the block of its last tokens, where there is one. */
  readonly blocks: (Block | undefined)[]
}

/** Beginnings of texts by their tokens. */
export class Prefixes {
  private readonly found = new Map<string, Prefix>()
  private serials = 0

  constructor(private readonly lanes: number) {}

  /** What follows another beginning, or none, with the tokens of one more block. */
  find(before: Prefix | undefined, tokens: readonly number[]): Prefix | undefined {
    return this.found.get(keyOf(before, tokens))
  }

  /** The same; one that is not known yet is made. */
  make(before: Prefix | undefined, tokens: readonly number[]): Prefix {
    const key = keyOf(before, tokens)
    let prefix = this.found.get(key)
    if (prefix === undefined) {
      prefix = { key, serial: ++this.serials, blocks: new Array<undefined>(this.lanes).fill(undefined) }
      this.found.set(key, prefix)
    }
    return prefix
  }

  /** A beginning whose blocks are all gone is not known any more. */
  settle(prefix: Prefix): void {
    if (prefix.blocks.every((block) => block === undefined) && this.found.get(prefix.key) === prefix) this.found.delete(prefix.key)
  }

  clear(): void {
    this.found.clear()
  }
}

const keyOf = (before: Prefix | undefined, tokens: readonly number[]): string => `${before?.serial ?? 0}:${tokens.join()}`

/** The blocks of one lane: some sequences have, others are kept for what is in them, the rest is free. */
export class BlockPool {
  private readonly free: number[] = []
  /** Those that nobody has and that can be found by their tokens, the one that was given back first first. */
  private readonly kept = new Set<Block>()
  private made = 0

  constructor(
    private readonly lane: number,
    private readonly prefixes: Prefixes,
  ) {}

  /** Number of blocks. */
  get count(): number {
    return this.made
  }

  /** Blocks that can be had. */
  get available(): number {
    return this.free.length + this.kept.size
  }

  /** Of these, those with something in them. */
  get keptCount(): number {
    return this.kept.size
  }

  get inUse(): number {
    return this.made - this.available
  }

  /** There are so many blocks now. */
  grow(count: number): void {
    while (this.made < count) this.free.push(this.made++)
  }

  /** A block for oneself whose contents are nobody's; with `clear` one that was kept, if there is no other. */
  take(clear: boolean): Block | undefined {
    const number = this.free.pop()
    if (number !== undefined) return { number, users: 1, prefix: undefined }
    const [oldest] = clear ? this.kept : []
    if (oldest === undefined) return undefined
    this.kept.delete(oldest)
    this.forget(oldest)
    return { number: oldest.number, users: 1, prefix: undefined }
  }

  /** One more has a block. */
  hold(block: Block): void {
    if (block.users++ === 0) this.kept.delete(block)
  }

  release(block: Block): void {
    if (--block.users > 0) return
    if (block.prefix === undefined) this.free.push(block.number)
    else this.kept.add(block)
  }

  /** A block can be found by its tokens from now on, unless another with these can. */
  keep(block: Block, prefix: Prefix): void {
    if (prefix.blocks[this.lane] !== undefined) return
    prefix.blocks[this.lane] = block
    block.prefix = prefix
  }

  /** What is in a block is to change. */
  forget(block: Block): void {
    const { prefix } = block
    if (prefix === undefined) return
    block.prefix = undefined
    prefix.blocks[this.lane] = undefined
    this.prefixes.settle(prefix)
  }

  /** There are no blocks any more, whoever had some. */
  clear(): void {
    this.free.length = 0
    this.kept.clear()
    this.made = 0
  }
}
