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
}

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
  elements: { threads: 64, words: 1 },
  rowThreads: 1,
  subgroup: 0,
  attentionThreads: () => 1,
  keyRanges: () => 1,
}

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
  elements: { threads: 256, words: 4 },
  rowThreads: 256,
  subgroup: 0,
  attentionThreads: (width) => (width > 64 ? 128 : 64),
  keyRanges: (queries, keys) => (queries > 256 || keys < 1024 ? 1 : Math.min(16, Math.floor(keys / 256))),
}

/** CUDA has larger workgroups than WebGPU promises, and says how its warps are numbered. */
export const cudaTuning: Tuning = { ...gpuTuning, name: 'cuda', rowThreads: 1024, subgroup: 32 }
