import { backwardBytes } from './attention-backward.js'
import { blockBytes } from './attention-block.js'
import { blockQueries, threadColumns, type AttentionBlock } from './attention-tile.js'
import type { MatrixSize } from './matrix-tuning.js'
import type { MatrixBlock } from './product-matrices.js'
import { groupColumns, groupRows, type Block, type Split, type Tile } from './products.js'

/** A product as its cut depends on it; `Infinity` where only a symbol says. */
export interface ProductSize {
  readonly rows: number
  readonly columns: number
  readonly inner: number
  readonly batch: number
  /** The inner index of the left matrix, and that of the right one, runs along memory. */
  readonly leftAlong: boolean
  readonly along: boolean
  /** Products that are worked out for each element, as those of a gated layer. */
  readonly products: number
  /** Operations that follow it element by element. */
  readonly following: number
}

/** How kernels are cut for the processor that runs them. Results are the same to the rounding of sums. */
export interface Tuning {
  /** For people. */
  readonly name: string
  readonly tile: (product: ProductSize) => Tile
  /** Products of which only the sum is wanted are added up in the same registers. */
  readonly sums: boolean
  /** Threads of a workgroup that goes through elements, and words of each result that a thread writes where they lie side by side. */
  readonly elements: { readonly threads: number; readonly words: 1 | 2 | 4 }
  /** The most threads that share a row; 1 where each row is a thread's own. */
  readonly rowThreads: number
  /** Threads of a subgroup that are numbered one after another, which kernels count on; 0 where a device does not say. */
  readonly subgroup: 0 | 32
  /** How products of halves are cut for subgroups that multiply matrices, where the device has such; undefined for those it would not make faster. */
  readonly matrices?: (product: MatrixSize) => MatrixBlock | undefined
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
  /** Threads that keep the device busy. */
  readonly busyThreads: number
  /** Threads that share a line of so many elements for its running sum, of which each is so many elements from the next. */
  readonly scanThreads: (size: number, stride: number) => number
  /** Whether workgroups sort in shared memory. */
  readonly sortsInTiles: boolean
  /** Comparisons of indices with each other that take less time than another dispatch or two. */
  readonly fewComparisons: number
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
  sums: false,
  tile({ rows, columns, following }) {
    // Each element of the tile has its own copy of what follows, so long ones get small tiles.
    if (rows >= 32 && columns >= 32 && following <= SHORT) return { rows: 8, columns: 8 }
    return { rows: rows === 1 ? 1 : rows < 4 ? 2 : 4, columns: columns < 4 ? 1 : 4 }
  },
  elements: { threads: 64, words: 1 },
  rowThreads: 1,
  subgroup: 0,
  attentionThreads: () => 1,
  attentionBlock: () => undefined,
  attentionBackward: () => undefined,
  keyRanges: () => 1,
  sharedBytes: LEAST_SHARED,
  busyThreads: 1024,
  scanThreads: () => 1,
  sortsInTiles: false,
  fewComparisons: 2 ** 20,
}

/** Workgroups that keep a large card busy. */
const ENOUGH_GROUPS = 256
/** Queries from which on blocks of them are worth their barriers. */
const BLOCK_QUERIES = 16
/** Keys that are worth a workgroup. */
const LEAST_KEYS = 64
const MOST_RANGES = 32

/** Threads of a workgroup that share tiles of few rows. */
const SPLIT_THREADS = 128
/** Rows that are few: more would leave no registers for what is read ahead. */
const FEW_ROWS = 8
/** Rows from which on blocks are always better. */
const MANY_ROWS = 64
/**
 * Columns, times eight rows, that tiles shared by a workgroup get through while 256 blocks go along the inner index once: where subgroups add up what their threads have, and where these hand it over. On an H200
 * eight rows of 2048 steps and 8192 columns of f32 take 30 µs shared, or 65, and up to 32 rows in 256 blocks 79.
 */
const SHARED_BY_SUBGROUPS = 20_000
const SHARED_BY_MEMORY = 10_000
/** Workgroups that keep a large device busy. */
const BUSY = 256
/** Workgroups of blocks that do, of which each has more to do. */
const BUSY_BLOCKS = 128
/** Rows taken for granted where a symbol says how many there are. */
const SOME_ROWS = 256

interface BlockTile extends Tile {
  readonly block: Block
}

/**
 * Blocks from the largest on. Sources: 128 by 128 in steps of 8 with 8 by 8 for each of 256 threads are the constants of CUTLASS's SIMT products (`DefaultGemmConfiguration`
 * for `OpClassSimt`); 4 by 4 for each thread those of llama.cpp's WebGPU backend (`WEBGPU_MUL_MAT_*`). Each takes at most 16 KiB of shared memory and 256 threads, the
 * least that WebGPU allows.
 */
export const blockTiles: readonly BlockTile[] = [
  { rows: 8, columns: 8, fused: true, block: { down: 16, across: 16, depth: 8 } },
  { rows: 8, columns: 8, fused: true, block: { down: 8, across: 8, depth: 16 } },
  { rows: 4, columns: 4, fused: true, block: { down: 16, across: 16, depth: 16 } },
  { rows: 4, columns: 4, fused: true, block: { down: 8, across: 8, depth: 8, slices: 4 } },
]

/** The largest block that gives enough workgroups and wastes little behind the edges of the matrix. */
function blockFor({ rows, columns, batch, leftAlong, products }: ProductSize): BlockTile {
  const [height, width] = [rows, columns].map((size) => (size === Infinity ? SOME_ROWS : size)) as [number, number]
  const groups = (tile: BlockTile): number =>
    Math.ceil(height / groupRows(tile)) * Math.ceil(width / groupColumns(tile)) * (batch === Infinity ? 1 : batch)
  const waste = (tile: BlockTile): number =>
    (Math.ceil(height / groupRows(tile)) * groupRows(tile) * Math.ceil(width / groupColumns(tile)) * groupColumns(tile)) / (height * width)
  const [large, medium, fine, small] = blockTiles as readonly [BlockTile, BlockTile, BlockTile, BlockTile]
  // Two products have twice as many sums, for which large tiles leave no registers.
  if (products === 1 && !leftAlong && groups(large) >= 256 && waste(large) < 1.3) return large
  if (products === 1 && groups(medium) >= 1024 && waste(medium) < 1.5) return medium
  return groups(fine) >= BUSY_BLOCKS && waste(fine) < 1.5 ? fine : small
}

/** Whether rows are so few, or blocks of them would be, that the threads of a workgroup better share them a few at a time. */
function isShared({ rows, columns, batch, inner }: ProductSize, most: number): boolean {
  if (inner < 128) return false
  if (rows <= FEW_ROWS) return true
  if (rows > MANY_ROWS || !Number.isFinite(columns * batch)) return false
  const small = blockTiles.at(-1)!
  const groups = batch * Math.ceil(rows / groupRows(small)) * Math.ceil(columns / groupColumns(small))
  return columns * batch * Math.ceil(rows / FEW_ROWS) <= most * Math.ceil(groups / BUSY)
}

/** How few rows are shared: enough workgroups of enough slices, whose threads read at least 32 bytes side by side. */
function splitFor({ columns, inner, batch, along }: ProductSize): Split {
  if (along) {
    // Eight steps are the most that a thread reads at a time.
    const slices = Math.min(SPLIT_THREADS, Math.max(8, 2 ** Math.floor(Math.log2(inner / 8))))
    return { slices, across: SPLIT_THREADS / slices }
  }
  const across = [8, 4].find((count) => (columns * batch) / (4 * count) >= BUSY) ?? 2
  return { slices: (2 * SPLIT_THREADS) / across, across }
}

/** @param most see {@link SHARED_BY_SUBGROUPS} */
function tileOf(size: ProductSize, most: number): Tile {
  const { rows, columns } = size
  const width = columns < 4 ? 1 : 4
  if (isShared(size, most))
    return { rows: Math.ceil(rows / Math.ceil(rows / FEW_ROWS)), columns: width, fused: true, split: splitFor(size) }
  if (rows > 4 && columns > 8) return blockFor(size)
  return { rows: rows === 1 ? 1 : 2, columns: width, fused: true }
}

/** Graphics processors hide the time of memory behind many threads, and share what a workgroup reads. */
export const gpuTuning: Tuning = {
  name: 'gpu',
  sums: true,
  tile: (size) => tileOf(size, SHARED_BY_MEMORY),
  elements: { threads: 256, words: 4 },
  rowThreads: 256,
  subgroup: 0,
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
  busyThreads: 2 ** 16,
  // Threads with neighbouring lines read neighbouring elements, unless the lines themselves lie next to each other.
  scanThreads: (size, stride) => (stride >= 32 ? 1 : size <= 128 ? 32 : size <= 512 ? 128 : 256),
  sortsInTiles: true,
  fewComparisons: 2 ** 27,
}

/** CUDA has larger workgroups than WebGPU promises, and says how its warps are numbered. */
export const cudaTuning: Tuning = {
  ...gpuTuning,
  name: 'cuda',
  tile: (size) => tileOf(size, SHARED_BY_SUBGROUPS),
  rowThreads: 1024,
  subgroup: 32,
}

/** Blocks of attention from the largest on; the narrow ones are for devices that share little, and for narrow heads. */
const WIDE_BLOCKS: readonly AttentionBlock[] = [
  { down: 16, across: 8, rows: 4 },
  { down: 8, across: 8, rows: 4 },
  { down: 8, across: 8, rows: 2 },
]
const NARROW_BLOCKS: readonly AttentionBlock[] = [4, 2].map((rows) => ({ down: 8, across: 4, rows }))
