import { join } from 'node:path'
import { rowsIn } from '../lib/rows-in.js'

/** One file per bar in rows/, each default-exporting a RowSource. */
export default rowsIn(join(import.meta.dirname, 'rows'))
