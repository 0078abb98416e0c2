import type { Node } from '../graph/node.js'
import { shapeOf, typeOf } from '../graph/node.js'
import type { Expr, Lanes } from '../kernel/ir.js'
import { asExpr, plus, times } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord, rounded, storeRun } from '../kernel/lib/pack.js'
import { AloneReader, cutRows, TeamReader, type RowReader } from '../kernel/lib/row-reader.js'
import { rowCount, rowOps, type RowContext } from '../kernel/lib/rows.js'
import { markMultiple } from '../kernel/lib/runs.js'
import { Team } from '../kernel/lib/team.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCount, elementCountAt, isSym, type SymValues } from '../shape.js'
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
  const rows = (values: SymValues): number => elementCountAt(lead, values)
  const title = titleOf(node, [core])
  if (tuning.rowThreads === 1) {
    const built = kernelOf(title, memory, ELEMENT_GROUP, (parts) =>
      parts.when(parts.thread, rowCount(parts.symbols, type), () =>
        writeRow(
          { node, core, row: parts.thread, guard: (store) => store() },
          parts,
          1,
          (inside) => new AloneReader(parts.b, size, inside),
        ),
      ),
    )
    return { ...built, threads: rows, title }
  }
  const written = [typeOf({ node, index: 0 }), ...core.outputs.slice(1)].filter(({ shape }) => shape.at(-1) === size)
  const cut = cutRows(
    {
      rows: lead.some(isSym) ? Infinity : elementCount(lead),
      size,
      multiple: size,
      perWord: Math.max(1, ...written.map(({ dtype }) => perWord(dtype))),
    },
    tuning,
  )
  const { threads, teams } = cut
  const built = kernelOf(title, memory, threads * teams, (parts) => {
    const { b, elements, group } = parts
    const team = new Team(b, cut)
    const count = rowCount(parts.symbols, type)
    const reader = (): TeamReader => new TeamReader(b, elements, size, cut, team)
    if (teams === 1) {
      const first = (store: () => void): void => b.if(team.lane.eq(0), store)
      return parts.when(group, count, () => writeRow({ node, core, row: group, guard: (store) => store(), first }, parts, cut.run, reader))
    }
    // All threads have to come to where they are put together, so teams without a row go through the last again.
    const own = b.let('own', group.mul(teams).add(team.which))
    const valid = b.let('valid', own.lt(asExpr(count)))
    const row = b.let('row', own.min(asExpr(count).sub(1)))
    const guard = (store: () => void): void => b.if(valid, () => elements.inside(store))
    writeRow({ node, core, row, guard, first: (store) => b.if(valid.and(team.lane.eq(0)), store) }, parts, cut.run, reader)
  })
  return { ...built, threads: (values) => Math.ceil(rows(values) / teams) * teams * threads, title }
}

interface RowWrite {
  readonly node: Node
  readonly core: Node
  readonly row: Expr
  /** Runs what writes where there is a row. */
  readonly guard: (store: () => void) => void
  /** The same by one thread of the row. */
  readonly first?: (store: () => void) => void
}

function writeRow(
  { node, core, row, guard, first = guard }: RowWrite,
  { b, symbols, arrays, elements }: KernelParts,
  run: number,
  readerOf: (inside: (body: () => void) => void) => RowReader,
): void {
  const size = shapeOf(core.inputs[0]!).at(-1) as number
  const reader = readerOf((body) => elements.inside(body))
  const start = markMultiple(b.let('start', asExpr(times(row, size))), size)
  const at = (input: number, i: Expr): Expr => elements.at(core.inputs[input]!, elements.index(start, i))
  const context: RowContext = {
    b,
    symbols,
    attrs: core.attrs,
    inputs: core.inputs.map(typeOf),
    row,
    size,
    at,
    pick(input, i) {
      if (run === 1) return at(input, i)
      // As part of the vector that it is in, since an array is read in one way.
      const { members } = elements.run(i.and(~(run - 1) >>> 0), run)
      const place = b.let('place', i.and(run - 1))
      return members.slice(1).reduce((found, member, k) => place.eq(k + 1).select(at(input, member), found), at(input, members[0]!))
    },
    single: (input) => elements.at(core.inputs[input]!, row),
    shared: (input, i) => elements.at(core.inputs[input]!, i),
    sum: (...of) => reader.sum(of),
    powers: (of) => reader.powers(of),
  }
  const results = rowOps.get(core.op)!.rule(context)
  results.forEach((result, which) => {
    // What follows element by element follows the first output.
    const value = which === 0 ? { node, index: 0 } : { node: core, index: which }
    const own = core.outputs[which]!
    const finished = (index: Expr, element: Expr): Expr => {
      elements.know({ node: core, index: which }, index, b.let('element', rounded(b, element, own.dtype)))
      return b.let('bits', encodeBits(elements.own(value, index), typeOf(value).dtype))
    }
    if (result.kind === 'single') {
      const out = arrays.of(value)
      if (out !== undefined) first(() => elements.inside(() => b.store(out, row, finished(row, result.value))))
      return
    }
    const elementsPerWord = perWord(typeOf(value).dtype)
    const { at: element } = result
    const out = arrays.preferred(value, Math.min(4, Math.max(1, run / elementsPerWord)) as Lanes)
    if (out === undefined) return
    guard(() =>
      reader.write(elementsPerWord, ({ count, index, word }) => {
        const words = Array.from({ length: count / elementsPerWord }, (_, w) =>
          joinParts(elementsPerWord, (part) => {
            const i = index(w * elementsPerWord + part)
            return finished(elements.index(start, i), element(i))
          }),
        )
        if (word === undefined) return storeRun(b, out, elements.index(start, index(0)), words, elementsPerWord)
        b.store(out, b.let('to', asExpr(plus(elementsPerWord === 1 ? start : start.div(elementsPerWord), word))), words[0]!)
      }),
    )
  })
}
