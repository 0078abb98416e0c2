/**
 * The table of operations. To add one: write its row in a file of this folder and list that file's rows here; tests,
 * documentation and devices find it by name.
 */
import { TensorError } from '../errors.js'
import { installOps } from '../graph/build.js'
import { binaryOps } from './binary.js'
import { compositeOps } from './composites.js'
import { elementwiseOps } from './elementwise.js'
import { generateOps } from './generate.js'
import { markerOps } from './identity.js'
import { indexingOps } from './indexing.js'
import { movementOps } from './movement.js'
import { reduceOps } from './reduce.js'
import type { OpRow } from './row.js'
import { slicingOps } from './slicing.js'
import { sortOps } from './sort.js'
import { unaryOps } from './unary.js'

/** Rows of the primitives, in the order of the reference page. */
export const primitiveOps: readonly OpRow[] = [
  ...generateOps,
  ...unaryOps,
  ...binaryOps,
  ...elementwiseOps,
  ...movementOps,
  ...slicingOps,
  ...reduceOps,
  ...indexingOps,
  ...sortOps,
]

/** Rows of all operations. */
export const allOps: readonly OpRow[] = [...primitiveOps, ...compositeOps, ...markerOps]

/** Every operation by name. */
export const opTable: ReadonlyMap<string, OpRow> = tableOf(allOps)

installOps(opTable)

function tableOf(rows: readonly OpRow[]): ReadonlyMap<string, OpRow> {
  const table = new Map<string, OpRow>()
  for (const row of rows) {
    if (table.has(row.name)) throw new TensorError('VALUE', `two rows are called '${row.name}'; rename one of them`)
    table.set(row.name, row)
  }
  return table
}
