import { TensorError } from '../errors.js'
import type { OpRow } from '../ops/row.js'
import type { Attrs, Node, TensorType, Value } from './node.js'

let table: ReadonlyMap<string, OpRow> | undefined
let nextId = 1

/** Called once by `ops/table.ts`: rows use the builders, so the builders find rows at run time. */
export function installOps(rows: ReadonlyMap<string, OpRow>): void {
  table = rows
}

export function rowOf(op: string): OpRow {
  const row = table?.get(op)
  if (row === undefined) throw new TensorError('UNSUPPORTED', `no operation is called '${op}'`)
  return row
}

export function makeNode(op: string, inputs: readonly Value[], attrs: Attrs, outputs: readonly TensorType[], source?: object): Node {
  return source === undefined ? { id: nextId++, op, inputs, attrs, outputs } : { id: nextId++, op, inputs, attrs, outputs, source }
}

/** Records an operation: checks it against its row and returns its outputs. */
export function emitAll(op: string, inputs: readonly Value[], attrs: Attrs = {}): readonly Value[] {
  const types = inputs.map((value) => value.node.outputs[value.index]!)
  const node = makeNode(op, inputs, attrs, rowOf(op).infer(types, attrs))
  return node.outputs.map((_, index) => ({ node, index }))
}

/** {@link emitAll} for an operation with one output (or whose first output is the one wanted). */
export const emit = (op: string, inputs: readonly Value[], attrs: Attrs = {}): Value => emitAll(op, inputs, attrs)[0]!
