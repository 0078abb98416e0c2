/**
 * What the threads of a warp do together. Each brings its operands to its lane and waits; when all that the mask names are there, one function gives every lane its results.
 *
 * Source of the lanes' parts: NVIDIA, "Parallel Thread Execution ISA", shfl.sync, vote.sync, redux.sync, ldmatrix and matrix fragments of mma.
 */
import { fromBfloat, fromHalf } from './arithmetic.js'
import type { SharedMemory } from './shared-memory.js'

export const LANES = 32
/** Operands of one lane, and its results. */
export const OPERANDS = 12
export const RESULTS = 4

export class Warp {
  /** The number of what each lane waits for, from 1 on; 0 where it does not wait. */
  readonly at = new Int32Array(LANES)
  readonly masks = new Int32Array(LANES)
  readonly x = new Int32Array(LANES * OPERANDS)
  readonly xf = new Float32Array(this.x.buffer)
  readonly r = new Int32Array(LANES * RESULTS)
  readonly rf = new Float32Array(this.r.buffer)

  constructor(
    /** The number of its first thread in the block. */
    readonly first: number,
    readonly count: number,
  ) {}
}

export interface CollectiveContext {
  readonly shared: SharedMemory
  readonly words: Int32Array
  readonly halves: Uint16Array
  readonly fail: (lane: number, message: string) => never
}

export interface Collective {
  readonly line: number
  readonly text: string
  /** Those that are here are all that are asked: no mask names others. */
  readonly gathers: boolean
  readonly run: (warp: Warp, mask: number, context: CollectiveContext) => void
}

const has = (mask: number, lane: number): boolean => ((mask >>> lane) & 1) === 1

/** Results: the value, and whether the lane it came from is in range. Operands: value, lane argument, clamp and segments. */
export const shuffle =
  (mode: 'bfly' | 'down' | 'up' | 'idx') =>
  (warp: Warp, mask: number, { fail }: CollectiveContext): void => {
    const { x, r } = warp
    for (let lane = 0; lane < LANES; lane++) {
      if (!has(mask, lane)) continue
      const b = x[lane * OPERANDS + 1]! & 31
      const c = x[lane * OPERANDS + 2]!
      const segment = (c >> 8) & 31
      const least = lane & segment
      const most = least | (c & 31 & ~segment)
      let from = mode === 'bfly' ? lane ^ b : mode === 'down' ? lane + b : mode === 'up' ? lane - b : least | (b & ~segment)
      const inRange = mode === 'up' ? from >= most : from <= most
      if (!inRange) from = lane
      if (!has(mask, from)) fail(lane, `reads lane ${from}, which takes no part: the mask is 0x${(mask >>> 0).toString(16)}`)
      r[lane * RESULTS] = x[from * OPERANDS]!
      r[lane * RESULTS + 1] = inRange ? 1 : 0
    }
  }

/** Which lanes are here together. */
export const gather = ({ r }: Warp, mask: number): void => {
  for (let lane = 0; lane < LANES; lane++) r[lane * RESULTS] = mask
}

export const vote =
  (mode: 'all' | 'any' | 'uni' | 'ballot') =>
  ({ x, r }: Warp, mask: number): void => {
    let yes = 0
    for (let lane = 0; lane < LANES; lane++) if (has(mask, lane) && x[lane * OPERANDS] !== 0) yes |= 1 << lane
    const result = mode === 'ballot' ? yes : mode === 'any' ? Number(yes !== 0) : Number(yes === mask || (mode === 'uni' && yes === 0))
    for (let lane = 0; lane < LANES; lane++) r[lane * RESULTS] = result
  }

export const reduce =
  (apply: (a: number, b: number) => number) =>
  ({ x, r }: Warp, mask: number): void => {
    let result: number | undefined
    for (let lane = 0; lane < LANES; lane++)
      if (has(mask, lane)) result = result === undefined ? x[lane * OPERANDS]! : apply(result, x[lane * OPERANDS]!)
    for (let lane = 0; lane < LANES; lane++) r[lane * RESULTS] = result ?? 0
  }

/** Matrices of 8 rows of 16 bytes. Lane 8m + k brings the address of row k of matrix m; each lane gets two neighbours of a row, or of a column where it is transposed. */
export const loadMatrices =
  (count: 1 | 2 | 4, transposed: boolean, line: number) =>
  (warp: Warp, _: number, { shared, halves, fail }: CollectiveContext): void => {
    for (let matrix = 0; matrix < count; matrix++) {
      const rows = Array.from({ length: 8 }, (__, row) => {
        const lane = matrix * 8 + row
        const address = warp.x[lane * OPERANDS]!
        if (address % 16 !== 0) fail(lane, `row address ${address} is no multiple of 16`)
        return address
      })
      for (let lane = 0; lane < LANES; lane++) {
        const [outer, inner] = [lane >> 2, (lane & 3) * 2]
        const element = (k: number): number => {
          const at = transposed ? rows[inner + k]! + outer * 2 : rows[outer]! + (inner + k) * 2
          shared.read(at, 2, warp.first + lane, line)
          return halves[at >> 1]!
        }
        warp.r[lane * RESULTS + matrix] = element(0) | (element(1) << 16)
      }
    }
  }

/**
 * D = A·B + C of 16x8 floats, with A of 16 rows and B of 8 columns in halves, two to a word. `depth` is their common dimension: 8 or 16. Products are added in double
 * precision and rounded once; hardware keeps fewer digits, in an order of its own.
 *
 * Lane 4g + t has rows g and g + 8 of A and of C, columns 2t and 2t + 1, of A also those 8 further; of B rows 2t and 2t + 1 (and 8 further) of column g.
 */
export const multiplyMatrices =
  (depth: 8 | 16, type: 'f16' | 'bf16') =>
  ({ x, xf, rf }: Warp): void => {
    const decode = type === 'f16' ? fromHalf : fromBfloat
    const half = (lane: number, word: number, which: number): number => decode((x[lane * OPERANDS + word]! >>> (16 * which)) & 65535)
    const words = depth / 4
    const a = new Float64Array(16 * depth)
    const b = new Float64Array(depth * 8)
    for (let lane = 0; lane < LANES; lane++) {
      const [g, t] = [lane >> 2, lane & 3]
      for (let k = 0; k < words; k++)
        for (const which of [0, 1]) a[(g + (k & 1) * 8) * depth + t * 2 + which + (k >> 1) * 8] = half(lane, k, which)
      for (let k = 0; k < words / 2; k++) for (const which of [0, 1]) b[(t * 2 + which + k * 8) * 8 + g] = half(lane, 4 + k, which)
    }
    for (let lane = 0; lane < LANES; lane++) {
      const [g, t] = [lane >> 2, lane & 3]
      for (let k = 0; k < 4; k++) {
        const [row, column] = [g + (k >> 1) * 8, t * 2 + (k & 1)]
        let sum = 0
        for (let i = 0; i < depth; i++) sum += a[row * depth + i]! * b[i * 8 + column]!
        rf[lane * RESULTS + k] = sum + xf[lane * OPERANDS + 8 + k]!
      }
    }
  }
