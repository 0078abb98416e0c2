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
  /** Threads that share a query of attention, of heads of a width. */
  readonly attentionThreads: (width: number) => number
  /** Ranges that the keys of so many queries are split into. */
  readonly keyRanges: (queries: number, keys: number) => number
  /** Threads that keep the device busy. */
  readonly busyThreads: number
  /** Threads that share a line of so many elements for its running sum, of which each is so many elements from the next. */
  readonly scanThreads: (size: number, stride: number) => number
  /** Whether workgroups sort in shared memory. */
  readonly sortsInTiles: boolean
  /** Comparisons of indices with each other that take less time than another dispatch or two. */
  readonly fewComparisons: number
}

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
  keyRanges: () => 1,
  busyThreads: 1024,
  scanThreads: () => 1,
  sortsInTiles: false,
  fewComparisons: 2 ** 20,
}

/** Threads of a workgroup that share tiles of few rows. */
const SPLIT_THREADS = 128
/** Rows that are few. */
const FEW_ROWS = 8
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

/** Graphics processors hide the time of memory behind many threads, and share what a workgroup reads. */
export const gpuTuning: Tuning = {
  name: 'gpu',
  sums: true,
  tile(size) {
    const { rows, columns, inner } = size
    const width = columns < 4 ? 1 : 4
    if (rows <= FEW_ROWS && inner >= 128) return { rows, columns: width, fused: true, split: splitFor(size) }
    if (rows > 4 && columns > 8) return blockFor(size)
    return { rows: rows === 1 ? 1 : 2, columns: width, fused: true }
  },
  elements: { threads: 256, words: 4 },
  rowThreads: 256,
  subgroup: 0,
  attentionThreads: (width) => (width > 64 ? 128 : 64),
  keyRanges: (queries, keys) => (queries > 256 || keys < 1024 ? 1 : Math.min(16, Math.floor(keys / 256))),
  busyThreads: 2 ** 16,
  // Threads with neighbouring lines read neighbouring elements, unless the lines themselves lie next to each other.
  scanThreads: (size, stride) => (stride >= 32 ? 1 : size <= 128 ? 32 : size <= 512 ? 128 : 256),
  sortsInTiles: true,
  fewComparisons: 2 ** 27,
}

/** CUDA has larger workgroups than WebGPU promises, and says how its warps are numbered. */
export const cudaTuning: Tuning = { ...gpuTuning, name: 'cuda', rowThreads: 1024, subgroup: 32 }
