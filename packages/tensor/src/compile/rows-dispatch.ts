import type { Node } from '../graph/node.js'
import { shapeOf, typeOf } from '../graph/node.js'
import type { Expr } from '../kernel/ir.js'
import { asExpr, plus, times } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord, rounded } from '../kernel/lib/pack.js'
import { rowCount, rowOps, RowReader, type RowContext, type RowResult } from '../kernel/lib/rows.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { isSym, elementCountAt, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf, titleOf, type KernelParts } from './kernel-parts.js'
import type { Memory } from './places.js'

/**
 * A value that is worked out of rows that are looked at several times.
 *
 * @param core the row operation; `node` itself, or what follows it element by element
 */
export function rowsDispatch(node: Node, core: Node, memory: Memory, tuning: Tuning): Dispatch {
  const type = typeOf(core.inputs[0]!)
  const lead = type.shape.slice(0, -1)
  const size = type.shape.at(-1) as number
  const rows = lead.some(isSym) ? Infinity : lead.reduce<number>((product, dim) => product * Number(dim), 1)
  const threads = tuning.rowThreads(rows, size)
  const title = titleOf(node, [core])
  const { kernel, places, symbols } = kernelOf(title, memory, threads === 1 ? ELEMENT_GROUP : threads, (parts) => {
    const row = threads === 1 ? parts.thread : parts.group
    parts.when(row, rowCount(parts.symbols, type), () => writeRow(node, core, row, threads, parts))
  })
  const count = (values: SymValues): number => elementCountAt(lead, values)
  return { kernel, places, symbols, threads: (values) => count(values) * threads, title }
}

function writeRow(node: Node, core: Node, row: Expr, threads: number, { b, symbols, arrays, elements }: KernelParts): void {
  const size = symbols.dim(shapeOf(core.inputs[0]!).at(-1)!)
  const reader = new RowReader(b, size, threads, (body) => elements.inside(body))
  const start = b.let('start', asExpr(times(row, size)))
  const context: RowContext = {
    b,
    symbols,
    attrs: core.attrs,
    inputs: core.inputs.map(typeOf),
    row,
    size,
    at: (input, i) => elements.at(core.inputs[input]!, elements.index(start, i)),
    single: (input) => elements.at(core.inputs[input]!, row),
    shared: (input, i) => elements.at(core.inputs[input]!, i),
    sum: (...of) => reader.sum(of),
    max: (of) => reader.max(of),
  }
  const results = rowOps.get(core.op)!.rule(context)
  results.forEach((result, which) => {
    // What follows element by element follows the first output.
    const value = which === 0 ? { node, index: 0 } : { node: core, index: which }
    const out = arrays.of(value)
    if (out === undefined) return
    const own = core.outputs[which]!
    const finished = (index: Expr, element: Expr): Expr => {
      elements.know({ node: core, index: which }, index, b.let('element', rounded(b, element, own.dtype)))
      return b.let('bits', encodeBits(elements.own(value, index), typeOf(value).dtype))
    }
    if (result.kind === 'single') {
      const store = (): void => elements.inside(() => b.store(out, row, finished(row, result.value)))
      if (threads === 1) store()
      else b.if(b.localIndex().eq(0), store)
      return
    }
    const perThread = perWord(typeOf(value).dtype)
    reader.each(
      (word) => {
        const bits = joinParts(perThread, (part) => {
          const i = perThread === 1 ? word : b.let('i', word.mul(perThread).add(part))
          return finished(elements.index(start, i), (result as Extract<RowResult, { kind: 'elements' }>).at(i))
        })
        b.store(out, b.let('to', asExpr(plus(perThread === 1 ? start : start.div(perThread), word))), bits)
      },
      perThread === 1 ? size : (size as number) / perThread,
    )
  })
}
