import { backwardBytes } from './attention-backward.js'
import { blockBytes } from './attention-block.js'
import { blockQueries, threadColumns, type AttentionBlock } from './attention-tile.js'
import type { Tile } from './products.js'

/** A product as its cut depends on it; `Infinity` where only a symbol says. */
export interface ProductSize {
  readonly rows: number
  readonly columns: number
  readonly inner: number
  /** Operations that follow it element by element. */
  readonly following: number
}

/** How kernels are cut for the processor that runs them. Results are the same to the rounding of sums. */
export interface Tuning {
  /** For people. */
  readonly name: string
  readonly tile: (product: ProductSize) => Tile
  /** Threads that share a row of so many elements, of so many rows. */
  readonly rowThreads: (rows: number, size: number) => number
  /** Threads that share some rows of attention, of heads of a width; 1 where each query has a thread of its own. */
  readonly attentionThreads: (width: number, sharedBytes: number) => number
  /** How attention of many queries is cut into blocks; undefined where rows are to be shared. */
  readonly attentionBlock: (size: AttentionSize, sharedBytes: number) => AttentionBlock | undefined
  /** How its backward pass is cut, for queries of all heads or keys of all heads, whichever are fewer; undefined where it is decomposed. */
  readonly attentionBackward: (size: { readonly rows: number; readonly width: number }, sharedBytes: number) => AttentionBlock | undefined
  /** Ranges that so many keys are split into, where so many workgroups go through them. */
  readonly keyRanges: (workgroups: number, keys: number) => number
  /** Bytes that the threads of a workgroup may share. */
  readonly sharedBytes: number
}

/** An attention as its cut depends on it. */
export interface AttentionSize {
  /** Heads of queries, of all batches. */
  readonly heads: number
  readonly queries: number
  readonly width: number
}

/** What every WebGPU device has. */
const LEAST_SHARED = 16384

/** Operations behind a product that are few. */
const SHORT = 4

/**
 * Adapters in software run the threads of a workgroup as lanes of a vector and wait long at barriers: large tiles in registers, and a row for each thread.
 */
export const softwareTuning: Tuning = {
  name: 'software',
  tile({ rows, columns, following }) {
    // Each element of the tile has its own copy of what follows, so long ones get small tiles.
    if (rows >= 32 && columns >= 32 && following <= SHORT) return { rows: 8, columns: 8 }
    return { rows: rows === 1 ? 1 : rows < 4 ? 2 : 4, columns: columns < 4 ? 1 : 4 }
  },
  rowThreads: () => 1,
  attentionThreads: () => 1,
  attentionBlock: () => undefined,
  attentionBackward: () => undefined,
  keyRanges: () => 1,
  sharedBytes: LEAST_SHARED,
}

/** Workgroups that keep a large card busy. */
const ENOUGH_GROUPS = 256
/** Queries from which on blocks of them are worth their barriers. */
const BLOCK_QUERIES = 16
/** Keys that are worth a workgroup. */
const LEAST_KEYS = 64
const MOST_RANGES = 32

/**
 * Graphics processors hide the time of memory behind many threads, and share what a workgroup reads.
 *
 * Source of the tiles of products (4 by 4 for each of 8 by 8 threads, 8 steps at a time): the register-tile constants of llama.cpp's WebGPU backend (ggml-webgpu,
 * `WEBGPU_MUL_MAT_*`), which are the same on all makers' devices.
 */
export const gpuTuning: Tuning = {
  name: 'gpu',
  tile({ rows, columns, inner }) {
    if (rows > 4 && columns > 8) return { rows: 4, columns: 4, block: { down: 8, across: 8, depth: 8 } }
    const tile = { rows: rows === 1 ? 1 : 2, columns: columns < 4 ? 1 : 4 }
    return rows <= 4 && inner >= 128 ? { ...tile, split: 64 } : tile
  },
  rowThreads: (_, size) => (size <= 64 ? 32 : size <= 1024 ? 64 : 128),
  attentionThreads: (width, sharedBytes) => (width > 64 && sharedBytes > LEAST_SHARED ? 256 : 128),
  attentionBlock({ heads, queries, width }, sharedBytes) {
    if (queries < BLOCK_QUERIES) return undefined
    const columns = Math.ceil(width / 4)
    // What a thread holds of the result stays in registers.
    const fits = (block: AttentionBlock): boolean =>
      block.rows * threadColumns(block, columns) <= 16 && block.across <= 4 * columns && blockBytes(block, columns) <= sharedBytes
    const fitting = [WIDE_BLOCKS, NARROW_BLOCKS].map((blocks) => blocks.filter(fits)).find(({ length }) => length > 0)
    // The largest of which there are enough, or the smallest.
    const groups = (block: AttentionBlock): number => heads * Math.ceil(queries / blockQueries(block))
    return fitting?.find((block) => groups(block) >= ENOUGH_GROUPS) ?? fitting?.at(-1)
  },
  attentionBackward({ rows, width }, sharedBytes) {
    const columns = Math.ceil(width / 4)
    // Two sums for each row, of keys and of values.
    const fits = (block: AttentionBlock): boolean =>
      2 * block.rows * threadColumns(block, columns) <= 16 && block.across <= 4 * columns && backwardBytes(block, columns) <= sharedBytes
    const fitting = [WIDE_BLOCKS, NARROW_BLOCKS].map((blocks) => blocks.filter(fits)).find(({ length }) => length > 0)
    return fitting?.find((block) => rows >= ENOUGH_GROUPS * blockQueries(block)) ?? fitting?.at(-1)
  },
  keyRanges(workgroups, keys) {
    // A second dispatch costs as much as some hundred keys.
    if (keys < 512) return 1
    const most = Math.min(ENOUGH_GROUPS / workgroups, keys / LEAST_KEYS, MOST_RANGES)
    return most < 2 ? 1 : 2 ** Math.floor(Math.log2(most))
  },
  sharedBytes: LEAST_SHARED,
}

/** Blocks of attention from the largest on; the narrow ones are for devices that share little, and for narrow heads. */
const WIDE_BLOCKS: readonly AttentionBlock[] = [
  { down: 16, across: 8, rows: 4 },
  { down: 8, across: 8, rows: 4 },
  { down: 8, across: 8, rows: 2 },
]
const NARROW_BLOCKS: readonly AttentionBlock[] = [4, 2].map((rows) => ({ down: 8, across: 4, rows }))
