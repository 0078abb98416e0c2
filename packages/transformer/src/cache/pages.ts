/** Keys and values of all texts of a model in pages: pools of blocks in the device's memory, larger as more are needed. */
import { byteSize, concat, estimateMemory, jit, realize, zeros, type Device, type Shape, type Tensor } from '@tesserae/tensor'
import type { DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import type { LayerCache } from '../layers/attention.js'
import { BlockPool, Prefixes, type Block } from './blocks.js'
import { cutBack, longestPiece } from './sliding.js'

/** What pages can be kept in. */
export type PageType = 'f32' | 'f16'

/** Tokens of a block where nothing else is said. */
export const defaultBlockSize = 16

/** Tokens for which memory is taken at first. */
const firstTokens = 1024

export interface PageOptions {
  /** Most tokens of a text. */
  readonly capacity: number
  /** Tokens of a block. */
  readonly blockSize: number
  /** Most blocks, as many as the longest text takes at least. */
  readonly cacheBlocks: number
  readonly type: PageType
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
  /** Of each lane the pools of its layers, once there are any. */
  private memories: (readonly LayerCache[])[]
  private readonly enlarged
  /** Told when all contents are gone. */
  onLost: () => void = () => undefined

  constructor(
    private readonly config: Pick<DecoderConfig, 'layers' | 'kvHeads' | 'headWidth' | 'windows'>,
    private readonly options: PageOptions,
  ) {
    const { blockSize, capacity, cacheBlocks, device, kept } = options
    this.blockSize = blockSize
    this.capacity = capacity
    this.perText = Math.ceil(capacity / blockSize)
    this.keeps = kept > 0
    const groups = lanesOf(config, capacity)
    this.prefixes = new Prefixes(groups.length)
    this.lanes = groups.map((group, index) => ({ ...group, index, blocks: new BlockPool(index, this.prefixes) }))
    this.limits = groups.map(() => cacheBlocks)
    this.memories = groups.map(() => [])
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
    for (const { layers, index } of this.lanes) layers.forEach((layer, i) => (all[layer] = this.memoryOf(index)[i]!))
    return all
  }

  /** Those of one lane. */
  memoryOf(lane: number): readonly LayerCache[] {
    const memory = this.memories[lane]!
    if (memory.length === 0) throw new TransformerError('DISPOSED', 'nothing is in these caches; give them a text first')
    return memory
  }

  /** Takes the tensors that a call returned for {@link Pages.layers}. */
  replace(written: readonly LayerCache[]): void {
    for (const { layers, index } of this.lanes) this.memories[index] = layers.map((layer) => written[layer]!)
  }

  replaceOf(lane: number, written: readonly LayerCache[]): void {
    this.memories[lane] = [...written]
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
      bytes: this.memories.flat().reduce((total, { k, v }) => total + byteSize(k.dtype) * (k.size + v.size), 0),
    }
  }

  dispose(): void {
    this.free()
    this.prefixes.clear()
    this.enlarged.dispose()
  }

  private free(): void {
    for (const { k, v } of this.memories.flat()) {
      k.dispose()
      v.dispose()
    }
    this.memories = this.lanes.map(() => [])
    for (const { blocks } of this.lanes) blocks.clear()
    this.copies.length = 0
  }

  /** Twice the blocks, or some to begin with; false where that is too much for the device or what was asked for. */
  private async grow(lane: Lane): Promise<boolean> {
    const { index, blocks } = lane
    const limit = this.limits[index]!
    const count = Math.min(limit, Math.max(2 * blocks.count, Math.ceil(firstTokens / this.blockSize)))
    if (count <= blocks.count) return false
    const { device } = this.options
    const shape = this.shapeOf(count - blocks.count)
    const bytes = byteSize(this.options.type) * shape.reduce((a, b) => a * b, 1)
    const more = lane.layers.map((layer) => ({ name: `cache.${layer}`, bytes: 2 * bytes }))
    const whole = { name: `cache.${lane.layers[0]}.k`, bytes: (bytes / shape[0]) * count }
    // One tensor is there twice while it grows.
    const fits = estimateMemory({ cache: [...more, whole] }, device).refusal === undefined
    if (!fits || !(await this.enlarge(lane, count))) {
      this.limits[index] = blocks.count
      return false
    }
    blocks.grow(count)
    return true
  }

  private async enlarge({ index, layers, blocks }: Lane, count: number): Promise<boolean> {
    const before = this.memories[index]!
    const more = count - blocks.count
    const made: Tensor[] = []
    const one = async (pool: Tensor | undefined): Promise<Tensor> => {
      if (pool === undefined) {
        const fresh = zeros(this.shapeOf(count), this.options.type)
        await realize([fresh], { device: this.options.device })
        made.push(fresh)
        return fresh
      }
      const larger = await this.enlarged.run([pool, more])
      made.push(larger)
      return larger
    }
    const after: LayerCache[] = []
    try {
      for (const i of layers.keys()) after.push({ k: await one(before[i]?.k), v: await one(before[i]?.v) })
    } catch (error) {
      for (const tensor of made) tensor.dispose()
      if ((error as { readonly code?: unknown }).code === 'OUT_OF_MEMORY') return false
      throw error
    }
    for (const { k, v } of before) {
      k.dispose()
      v.dispose()
    }
    this.memories[index] = after
    return true
  }

  private shapeOf(blocks: number): [number, number, number, number] {
    return [blocks, this.config.kvHeads, this.blockSize, this.config.headWidth]
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

/** Whether a device attends to pages by a kernel of its own. */
export function hasPages(
  { heads, kvHeads, headWidth }: Pick<DecoderConfig, 'heads' | 'kvHeads' | 'headWidth'>,
  { device, type, blockSize, capacity }: Pick<PageOptions, 'device' | 'type' | 'blockSize' | 'capacity'>,
): boolean {
  const of = (...shape: Shape) => ({ shape, dtype: type })
  const whole = (...shape: Shape) => ({ shape, dtype: 'i32' }) as const
  const perText = Math.ceil(capacity / blockSize)
  const [q, row, pool] = [of(1, heads, 1, headWidth), of(1, kvHeads, 1, headWidth), of(perText, kvHeads, blockSize, headWidth)]
  return device.supports('attendPaged', [q, row, row, pool, pool, whole(1, perText), whole(1)], [q, pool, pool], { scale: 1 })
}
