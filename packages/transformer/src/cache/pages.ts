/** Keys and values of all texts of a model in pages: pools of blocks in the device's memory, larger as more are needed. */
import { byteSize, concat, estimateMemory, fromBytes, jit, zeros, type Device, type Shape, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import type { LayerCache } from '../layers/attention.js'
import { BlockPool, Prefixes, type Block } from './blocks.js'
import type { CacheType } from './cache-type.js'
import { mapCache, partBytes, partsOf, type CachePart } from './parts.js'
import { cutBack, longestPiece } from './sliding.js'

/** Tokens of a block where nothing else is said. */
export const defaultBlockSize = 16

/** Tokens for which memory is taken at first where a device does not say how much there is, or has that of the process. */
const firstTokens = 1024
/** What is taken of a card's free memory at first: programs are compiled for pools of one size, so that each growth costs seconds. */
const firstShare = 1 / 4

/** Bytes of pools that are made in the process's memory. */
const mostFromHost = 2 ** 20

export interface PageOptions {
  /** Most tokens of a text. */
  readonly capacity: number
  /** Tokens of a block. */
  readonly blockSize: number
  /** Most blocks, as many as the longest text takes at least. */
  readonly cacheBlocks: number
  readonly type: CacheType
  readonly device: Device
  /** Blocks that are made before one is taken that is kept for what is in it; 0 keeps nothing. */
  readonly kept: number
}

/** How caches in pages are used. */
export interface PagesUse {
  /** Tokens of a block. */
  readonly blockSize: number
  /** Most blocks, those there are, those that texts have, and those that are kept for texts to come. */
  readonly most: number
  readonly made: number
  readonly inUse: number
  readonly kept: number
  /** Bytes of all that there are. */
  readonly bytes: number
}

/** Layers that need the same of a text: all of it, or what a window shows. */
export interface Lane {
  readonly layers: readonly number[]
  /** Tokens that one sees, itself included, the most of these layers; undefined for all. */
  readonly window: number | undefined
  readonly blocks: BlockPool
  /** Its number among the lanes. */
  readonly index: number
}

/** What is to be copied from one block to another of a lane, before anything is written. Both are held until then. */
export interface BlockCopy {
  readonly lane: Lane
  readonly from: Block
  readonly to: Block
}

/** The pools of a model. Owns their memory. */
export class Pages {
  readonly blockSize: number
  /** Most tokens of a text, and the blocks that these take. */
  readonly capacity: number
  readonly perText: number
  readonly lanes: readonly Lane[]
  readonly prefixes: Prefixes
  /** Copies that are due before the next program. */
  readonly copies: BlockCopy[] = []
  /** Whether blocks are kept for what is in them. */
  readonly keeps: boolean
  private readonly limits: number[]
  /** Of each lane, once there are any, the pools of its layers, one after another: keys, values and what else there is. */
  private readonly pools: Tensor[][]
  private readonly parts: readonly (readonly [name: string, part: CachePart])[]
  private readonly isNative: boolean
  private readonly enlarged
  /** Told when all contents are gone. */
  onLost: () => void = () => undefined

  constructor(
    private readonly config: Pick<DecoderConfig, 'layers' | 'heads' | 'kvHeads' | 'headWidth' | 'windows'>,
    private readonly options: PageOptions,
  ) {
    const { blockSize, capacity, cacheBlocks, kept, device, type } = options
    this.blockSize = blockSize
    this.capacity = capacity
    this.perText = Math.ceil(capacity / blockSize)
    this.keeps = kept > 0
    const groups = lanesOf(config, capacity)
    this.prefixes = new Prefixes(groups.length)
    this.lanes = groups.map((group, index) => ({ ...group, index, blocks: new BlockPool(index, this.prefixes) }))
    this.limits = groups.map(() => cacheBlocks)
    this.pools = groups.map(() => [])
    this.parts = Object.entries(partsOf(type, config.headWidth)) as [string, CachePart][]
    this.isNative = hasPages(config, options)
    this.enlarged = jit(
      (pool: Tensor, more: number) => concat([pool, zeros([more, ...(pool.shape.slice(1) as number[])], pool.dtype)], 0),
      { static: [1], name: 'growCache', device },
    )
  }

  /** Blocks of a lane that can be had, those that are not made yet among them. */
  obtainable(lane: Lane): number {
    return lane.blocks.available + this.limits[lane.index]! - lane.blocks.count
  }

  /** A block for oneself; undefined while all are in use and there is no memory for more. */
  async take(lane: Lane): Promise<Block | undefined> {
    const { blocks } = lane
    const grows = blocks.count < Math.min(this.options.kept, this.limits[lane.index]!)
    return (
      blocks.take(false) ??
      (grows && (await this.grow(lane)) ? blocks.take(true) : undefined) ??
      blocks.take(true) ??
      ((await this.grow(lane)) ? blocks.take(true) : undefined)
    )
  }

  /** Whether more than one text has a block. Copies that are due do not count: they are made before anything is written. */
  isShared(block: Block): boolean {
    return block.users - this.copies.filter(({ from, to }) => from === block || to === block).length > 1
  }

  /** A block is to be copied to one that is nobody's yet. */
  copy(lane: Lane, from: Block, to: Block): void {
    lane.blocks.hold(from)
    lane.blocks.hold(to)
    this.copies.push({ lane, from, to })
  }

  /** All copies were made. */
  copied(): void {
    for (const { lane, from, to } of this.copies.splice(0)) for (const block of [from, to]) lane.blocks.release(block)
    this.trim()
  }

  /** Keys and values by layer: donate them, and hand on what becomes of them to {@link Pages.replace}. Errors: DISPOSED where nobody has a block. */
  get layers(): LayerCache[] {
    const all: LayerCache[] = []
    for (const lane of this.lanes) for (const [i, layer] of lane.layers.entries()) all[layer] = this.layersOf(lane)[i]!
    return all
  }

  /** Those of one lane. */
  layersOf({ index, layers }: Lane): LayerCache[] {
    const pools = this.pools[index]!
    if (pools.length === 0) throw new TransformerError('DISPOSED', 'nothing is in these caches; give them a text first')
    const { parts } = this
    return layers.map((_, i) => Object.fromEntries(parts.map(([name], j) => [name, pools[i * parts.length + j]!])) as unknown as LayerCache)
  }

  /** Takes the tensors that a call returned for {@link Pages.layers}. */
  replace(written: readonly LayerCache[]): void {
    for (const lane of this.lanes)
      this.replaceOf(
        lane,
        lane.layers.map((layer) => written[layer]!),
      )
  }

  replaceOf({ index }: Lane, written: readonly LayerCache[]): void {
    this.pools[index] = written.flatMap((layer) => this.parts.map(([name]) => layer[name as keyof LayerCache]!))
  }

  /** A program that was given the pools has failed: what was in them is gone for all texts. */
  lost(): void {
    this.free()
    this.prefixes.clear()
    this.onLost()
  }

  /** A text is gone. Where it was the last, and nothing is kept, the memory is freed. */
  trim(): void {
    if (this.lanes.some(({ blocks }) => blocks.inUse > 0)) return
    // There may be more memory by now.
    this.limits.fill(this.options.cacheBlocks)
    if (!this.keeps) this.free()
  }

  get use(): PagesUse {
    const sum = (count: (lane: Lane) => number): number => this.lanes.reduce((total, lane) => total + count(lane), 0)
    return {
      blockSize: this.blockSize,
      most: sum(({ index }) => this.limits[index]!),
      made: sum(({ blocks }) => blocks.count),
      inUse: sum(({ blocks }) => blocks.inUse),
      kept: sum(({ blocks }) => blocks.keptCount),
      bytes: this.pools.flat().reduce((total, { dtype, size }) => total + byteSize(dtype) * size, 0),
    }
  }

  dispose(): void {
    this.free()
    this.prefixes.clear()
    this.enlarged.dispose()
  }

  private free(): void {
    for (const pools of this.pools) for (const pool of pools.splice(0)) pool.dispose()
    for (const { blocks } of this.lanes) blocks.clear()
    this.copies.length = 0
  }

  /** Twice the blocks, or some to begin with, or as many more as there is memory for; false where that is none, or all that were asked for are there. */
  private async grow(lane: Lane): Promise<boolean> {
    const { index, blocks } = lane
    const limit = this.limits[index]!
    const wanted = Math.min(limit, blocks.count === 0 ? this.firstBlocks : 2 * blocks.count)
    for (let more = wanted - blocks.count; more > 0; more = Math.floor(more / 2)) {
      const count = blocks.count + more
      if (!this.fits(lane, count) || !(await this.enlarge(lane, count))) continue
      blocks.grow(count)
      return true
    }
    this.limits[index] = blocks.count
    return false
  }

  private get firstBlocks(): number {
    const { free, host } = this.options.device.room?.() ?? {}
    const least = Math.ceil(firstTokens / this.blockSize)
    return free === undefined || host === true
      ? least
      : Math.max(least, Math.floor((firstShare * free) / (this.config.layers * this.bytesOf(1))))
  }

  /** Bytes of one layer's pools, or of a part of them, of so many blocks. */
  private bytesOf(blocks: number, parts = this.parts): number {
    return parts.reduce((sum, [, part]) => sum + partBytes(part, blocks * this.config.kvHeads * this.blockSize), 0)
  }

  /** Whether nothing that the device tells speaks against so many blocks. */
  private fits({ layers, blocks }: Lane, count: number): boolean {
    if (this.isNative && !hasPages(this.config, this.options, count)) return false
    const most = Math.max(...this.parts.map((part) => this.bytesOf(count, [part])))
    const { refusal, room } = estimateMemory({ cache: [{ name: 'cache', bytes: most }] }, this.options.device)
    // One tensor is there twice while it grows.
    const needed = most + layers.length * this.bytesOf(count - blocks.count)
    return refusal === undefined && needed <= (room?.free ?? Infinity)
  }

  /** Makes the pools of a lane as large, one after another. Those that came to be so before memory ran out stay so. */
  private async enlarge({ index, layers, blocks }: Lane, count: number): Promise<boolean> {
    const pools = this.pools[index]!
    const { device } = this.options
    // Large ones are made where they are to lie; the program stays among the device's for a while.
    using empty = jit((which: number) => zeros(this.shapeOf(count, which), this.parts[which]![1].dtype), {
      static: [0],
      name: 'newCache',
      device,
    })
    const fresh = (which: number): Tensor | Promise<Tensor> => {
      const bytes = this.bytesOf(count, [this.parts[which]!])
      if (bytes > mostFromHost) return empty.run([which])
      return fromBytes(new Uint8Array(bytes), { dtype: this.parts[which]![1].dtype, shape: this.shapeOf(count, which), adopt: true })
    }
    try {
      for (let i = 0; i < this.parts.length * layers.length; i++) {
        const before = pools[i]
        const present = (before?.shape[0] as number | undefined) ?? 0
        if (present >= count) continue
        pools[i] = before === undefined ? await fresh(i % this.parts.length) : await this.enlarged.run([before, count - present])
        before?.dispose()
      }
      return true
    } catch (error) {
      // A lane has all of its pools or none.
      if (blocks.count === 0) for (const pool of pools.splice(0)) pool.dispose()
      if ((error as { readonly code?: unknown }).code !== 'OUT_OF_MEMORY') throw error
      return false
    }
  }

  private shapeOf(blocks: number, part: number): number[] {
    return [blocks, this.config.kvHeads, this.blockSize, this.parts[part]![1].width]
  }
}

/** Layers without a window, and those with one, unless no text is longer than it. */
export function lanesOf(
  { layers, windows = [] }: Pick<DecoderConfig, 'layers' | 'windows'>,
  capacity: number,
): Pick<Lane, 'layers' | 'window'>[] {
  const all = Array.from({ length: layers }, (_, layer) => layer)
  const window = Math.max(0, ...windows)
  if (window === 0 || window >= capacity) return [{ layers: all, window: undefined }]
  const isWhole = (layer: number): boolean => (windows[layer] ?? 0) === 0
  const whole = all.filter(isWhole)
  const windowed = { layers: all.filter((layer) => !isWhole(layer)), window }
  return whole.length === 0 ? [windowed] : [{ layers: whole, window: undefined }, windowed]
}

/** Blocks that a text of so many tokens has at most at a time. */
export function blocksFor({ window }: Pick<Lane, 'window'>, tokens: number, blockSize: number): number {
  const all = Math.ceil(tokens / blockSize)
  return window === undefined ? all : Math.min(all, Math.ceil((window + cutBack + longestPiece) / blockSize) + 1)
}

/** Whether a device attends to pages by a kernel of its own, of pools with so many blocks. */
export function hasPages(
  { heads, kvHeads, headWidth }: Pick<DecoderConfig, 'heads' | 'kvHeads' | 'headWidth'>,
  { device, type, blockSize, capacity }: Pick<PageOptions, 'device' | 'type' | 'blockSize' | 'capacity'>,
  blocks = Math.ceil(capacity / blockSize),
): boolean {
  const of = (heads: number) => ({ shape: [1, heads, 1, headWidth], dtype: type === 'f16' ? type : 'f32' }) as const
  const whole = (...shape: Shape) => ({ shape, dtype: 'i32' }) as const
  const { k, v, ...scales } = mapCache(partsOf(type, headWidth), ({ dtype, width }) => ({
    shape: [blocks, kvHeads, blockSize, width],
    dtype,
  }))
  const beside = Object.values(scales)
  const inputs = [of(heads), of(kvHeads), of(kvHeads), k, v, whole(1, Math.ceil(capacity / blockSize)), whole(1), ...beside]
  return device.supports('attendPaged', inputs, [of(heads), k, v, ...beside], { scale: 1 })
}
