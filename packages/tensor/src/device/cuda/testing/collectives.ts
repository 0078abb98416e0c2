/**
 * What the threads of a warp do together. Each brings its operands to its lane and waits; when all that the mask names are there, one function gives every lane its results.
 *
 * Source of the lanes' parts: NVIDIA, "Parallel Thread Execution ISA", shfl.sync, vote.sync, redux.sync, ldmatrix and matrix fragments of mma.
 */
import { floatOf, fromBfloat, fromHalf } from './arithmetic.js'
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

/** What every half stands for, worked out when one is first met. */
function tableOf(from: (bits: number) => number): (word: number, which: number) => number {
  let values: Float32Array | undefined
  return (word, which) => (values ??= Float32Array.from({ length: 65536 }, (_, bits) => from(bits)))[(word >>> (16 * which)) & 65535]!
}

/** Elements of matrices: how many a word has, and what each is. */
const elementKinds = {
  f16: { perWord: 2, decode: tableOf(fromHalf) },
  bf16: { perWord: 2, decode: tableOf(fromBfloat) },
  // The low 13 bits of the float are not looked at.
  tf32: { perWord: 1, decode: (word: number) => floatOf(word & ~0x1fff) },
  s8: { perWord: 4, decode: (word: number, which: number) => (word << (24 - 8 * which)) >> 24 },
  u8: { perWord: 4, decode: (word: number, which: number) => (word >>> (8 * which)) & 255 },
} as const
export type MatrixElement = keyof typeof elementKinds
/** Words of A, of which B has half, that a lane holds. */
export const wordsOfA = (type: MatrixElement, depth: number): number => depth / (2 * elementKinds[type].perWord)

/**
 * D = A·B + C, with A of 16 rows, B of 8 columns, and C and D of 16x8 floats, or integers where A and B are of bytes. `depth` is the common dimension of A and B. Products are added in
 * double precision and rounded once; hardware keeps fewer digits, in an order of its own. Integers wrap.
 *
 * With e elements a word, lane 4g + t has in A's words rows g, g + 8, g, g + 8, from column te on, of the third on 4e further; in B's words column g, rows likewise; of C and D
 * columns 2t and 2t + 1 of rows g and g + 8.
 */
export const multiplyMatrices =
  (depth: number, type: MatrixElement) =>
  ({ x, xf, r, rf }: Warp): void => {
    const { perWord, decode } = elementKinds[type]
    const words = wordsOfA(type, depth)
    const a = new Float64Array(16 * depth)
    const b = new Float64Array(depth * 8)
    for (let lane = 0; lane < LANES; lane++) {
      const [g, t] = [lane >> 2, lane & 3]
      for (let which = 0; which < perWord; which++) {
        for (let k = 0; k < words; k++)
          a[(g + (k & 1) * 8) * depth + t * perWord + which + (k >> 1) * 4 * perWord] = decode(x[lane * OPERANDS + k]!, which)
        for (let k = 0; k < words / 2; k++) b[(t * perWord + which + k * 4 * perWord) * 8 + g] = decode(x[lane * OPERANDS + 4 + k]!, which)
      }
    }
    for (let lane = 0; lane < LANES; lane++) {
      const [g, t] = [lane >> 2, lane & 3]
      for (let k = 0; k < 4; k++) {
        const [row, column] = [g + (k >> 1) * 8, t * 2 + (k & 1)]
        let sum = 0
        for (let i = 0; i < depth; i++) sum += a[row * depth + i]! * b[i * 8 + column]!
        if (perWord === 4) r[lane * RESULTS + k] = sum + x[lane * OPERANDS + 8 + k]!
        else rf[lane * RESULTS + k] = sum + xf[lane * OPERANDS + 8 + k]!
      }
    }
  }
