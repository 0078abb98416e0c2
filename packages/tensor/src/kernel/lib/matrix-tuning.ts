/** How products of halves are cut for NVIDIA's tensor cores. */
import type { MatrixElement } from '../ir.js'
import type { MatrixBlock } from './product-matrices.js'

/** A product as its cut for matrices depends on it; `Infinity` where only a symbol says. */
export interface MatrixSize {
  readonly element: MatrixElement
  readonly batch: number
  readonly rows: number
  readonly columns: number
  readonly inner: number
  /** Products that are worked out beside each other, of which each has sums of its own. */
  readonly products: number
}

export interface MatrixCaps {
  readonly mma?: readonly MatrixElement[]
  readonly copyAsync?: boolean
  /** Workgroups that run at a time take more than one of these. */
  readonly processors: number
}

/** Below so many rows a tile of 16 would mostly be empty, and memory decides: plain products read weights as fast. */
const LEAST_ROWS = 9
/** Where columns alone keep the device busy, a tile that is half full is read faster than rows are shared. */
const LEAST_ROWS_OF_MANY = 5
const LEAST_COLUMNS = 16
const LEAST_INNER = 16

/** From the largest on, which read memory least often; each row with the stages that devices which copy by themselves have. */
const cuts = [
  { rows: 128, columns: 128, depth: 32, down: 2, across: 2, stages: 4 },
  { rows: 64, columns: 128, depth: 64, down: 2, across: 4, stages: 3 },
  { rows: 64, columns: 64, depth: 32, down: 2, across: 2, stages: 4 },
  { rows: 32, columns: 64, depth: 64, down: 1, across: 4, stages: 4 },
] as const
const [, , SMALL] = cuts
/** Where threads hold what they copy in registers, sums have fewer of these. */
const HELD_LARGE = { ...cuts[0], across: 4 }

/** The cut of a product, the largest that gives every processor a block; undefined where the plain one is used. */
export function matrixBlock({ mma, copyAsync = false, processors }: MatrixCaps, size: MatrixSize): MatrixBlock | undefined {
  const { element, batch, rows, columns, inner, products } = size
  const narrow = cuts.at(-1)!
  const least = batch * Math.ceil(columns / narrow.columns) >= 0.75 * processors ? LEAST_ROWS_OF_MANY : LEAST_ROWS
  if (mma?.includes(element) !== true || rows < least || columns < LEAST_COLUMNS || inner < LEAST_INNER || products > 2) return undefined
  const fits = (cut: (typeof cuts)[number]): boolean => batch * Math.ceil(rows / cut.rows) * Math.ceil(columns / cut.columns) >= processors
  // Two products have twice as many sums. What a symbol says may be little.
  const own = products > 1 ? cuts.slice(1) : cuts
  const cut = Number.isFinite(rows * batch) ? (own.find(fits) ?? own.at(-1)!) : SMALL
  if (copyAsync) return { ...cut, async: true }
  return { ...(cut === cuts[0] ? HELD_LARGE : cut), stages: 2, async: false }
}
