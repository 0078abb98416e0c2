/** Sums, maxima and their places along axes that lie together: a row by a team of threads, columns by threads side by side that each go down some rows of them. */
import type { Node, TensorType } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import type { Expr } from '../kernel/ir.js'
import { asExpr, sameOrder, type Amount } from '../kernel/lib/indexing.js'
import { encodeBits, joinParts, perWord, rounded } from '../kernel/lib/pack.js'
import { folding, type Folding } from '../kernel/lib/folding.js'
import { cutRows, TeamReader } from '../kernel/lib/row-reader.js'
import { markMultiple } from '../kernel/lib/runs.js'
import { goThrough, Team, type State } from '../kernel/lib/team.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCount, elementCountAt, isSym, type Shape, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { kernelOf, placeInWord, titleOf, type KernelParts } from './kernel-parts.js'
import type { Memory } from './places.js'
import type { Part } from './units.js'

/** Elements of a result from which threads share them. */
const LEAST_SHARED = 9
/** What a workgroup of columns goes through at a time. */
const COLUMN_THREADS = 256
/** Workgroups that keep a device busy. */
const ENOUGH_GROUPS = 512
/** Rows whose loads a thread has under way together. */
const ROWS_UNDER_WAY = 8

/** What is reduced, as [outer, reduced, inner]. */
export interface Axes {
  readonly outer: Shape
  readonly reduced: Shape
  readonly inner: Shape
}

/** The axes of a reduction where those that go lie together, those of one element apart; undefined where they do not. */
export function axesOf(node: Node): Axes | undefined {
  const { shape } = typeOf(node.inputs[0]!)
  const gone = node.op === 'argMax' ? [node.attrs['axis'] as number] : (node.attrs['axes'] as readonly number[])
  const axes = shape.flatMap((dim, axis) => (dim === 1 ? [] : [{ dim, gone: gone.includes(axis) }]))
  const first = axes.findIndex((axis) => axis.gone)
  const behind = axes.findLastIndex((axis) => axis.gone) + 1
  if (first < 0 || axes.slice(first, behind).some((axis) => !axis.gone)) return undefined
  const dims = (from: number, to?: number): Shape => axes.slice(from, to).map(({ dim }) => dim)
  return { outer: dims(0, first), reduced: dims(first, behind), inner: dims(behind) }
}

export const knownFactor = (shape: Shape): number =>
  shape.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1)
const isKnown = (shape: Shape): boolean => !shape.some(isSym)
const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i])

const reducing = new Set(['reduceSum', 'reduceMax', 'argMax'])

interface Reduced {
  readonly parts: readonly Part[]
  readonly cores: readonly Node[]
  readonly axes: Axes
  /** Elements in a word of what is written. */
  readonly elementsPerWord: number
  readonly memory: Memory
}

/** Values that are made of reductions of one form; undefined where they are not. */
export function reductionsDispatch(parts: readonly Part[], memory: Memory, tuning: Tuning): Dispatch | undefined {
  const cores = parts.flatMap((part) => part.cores)
  const [first] = cores
  if (tuning.rowThreads === 1 || first === undefined) return undefined
  if (cores.some((core) => !reducing.has(core.op) || typeOf(core.inputs[0]!).dtype === 'bool')) return undefined
  const axes = axesOf(first)
  if (axes === undefined || elementCount(axes.reduced) < LEAST_SHARED || elementCount([...axes.outer, ...axes.inner]) === 0)
    return undefined
  for (const part of parts)
    for (const core of part.cores) {
      const own = axesOf(core)
      const same = own !== undefined && (['outer', 'reduced', 'inner'] as const).every((which) => sameShape(own[which], axes[which]))
      if (!same || !sameOrder(core.outputs[0]!.shape, part.node.outputs[0]!.shape)) return undefined
    }
  const reduced: Reduced = { parts, cores, axes, elementsPerWord: perWord(parts[0]!.node.outputs[0]!.dtype), memory }
  return axes.inner.length === 0 ? rowsDispatch(reduced, tuning) : columnsDispatch(reduced)
}

const titled = ({ parts }: Reduced): string =>
  parts.length === 1 ? titleOf(parts[0]!.node, parts[0]!.cores) : parts.map(({ node }) => node.op).join('_')

function rowsDispatch(reduced: Reduced, tuning: Tuning): Dispatch {
  const { axes, cores, elementsPerWord } = reduced
  const { outer, reduced: shape } = axes
  const cut = cutRows(
    {
      rows: isKnown(outer) ? elementCount(outer) : Infinity,
      size: elementCount(shape),
      multiple: knownFactor(shape),
      perWord: Math.max(...cores.map((core) => perWord(typeOf(core.inputs[0]!).dtype))),
      together: elementsPerWord,
      isKnown: isKnown(shape),
    },
    tuning,
  )
  const { threads, teams } = cut
  const title = titled(reduced)
  const built = kernelOf(title, reduced.memory, threads * teams, (parts) => {
    const { b, symbols, elements, group, when } = parts
    const team = new Team(b, cut)
    const [count, size] = [symbols.count(outer), symbols.count(shape)]
    const body = (row: Expr, write: (values: readonly Expr[]) => void): void => {
      const start = markMultiple(b.let('start', row.mul(asExpr(size))), knownFactor(shape))
      const reader = new TeamReader(b, elements, size, cut, team)
      const folds = cores.map((core) => folding(b, core))
      const at = (which: number, i: Expr): Expr => elements.at(cores[which]!.inputs[0]!, elements.index(start, i))
      const found = foldAll(folds, at, (first, take, join) => reader.fold(first, take, join))
      write(found)
    }
    if (teams === 1)
      return when(group, count, () =>
        body(group, (values) =>
          b.if(team.lane.eq(0), () => elements.inside(() => finish(reduced, parts, group, [group], (which) => values[which]!))),
        ),
      )
    // All threads have to come to where they are put together, so teams without a row go through the last again.
    const own = b.let('own', group.mul(teams).add(team.which))
    const row = b.let('row', own.min(asExpr(count).sub(1)))
    body(row, (values) => {
      if (elementsPerWord === 1)
        return b.if(own.lt(asExpr(count)).and(team.lane.eq(0)), () =>
          elements.inside(() => finish(reduced, parts, own, [own], (which) => values[which]!)),
        )
      // Rows that share a word are put into it by one thread.
      const shared = values.map((value) => b.sharedArray('rows', value.type.scalar as 'f32', teams))
      b.if(team.lane.eq(0), () => values.forEach((value, which) => b.store(shared[which]!, team.which, value)))
      b.barrier()
      const word = b.let('word', group.mul(teams / elementsPerWord).add(b.localIndex()))
      const total = asExpr(count)
      const isWord = b
        .localIndex()
        .lt(teams / elementsPerWord)
        .and(word.lt(total.add(elementsPerWord - 1).div(elementsPerWord)))
      b.if(isWord, () =>
        elements.inside(() => {
          const indices = Array.from({ length: elementsPerWord }, (_, part) => placeInWord(b, word, part, elementsPerWord, total))
          finish(reduced, parts, word, indices, (which, part) => b.load(shared[which]!, b.localIndex().mul(elementsPerWord).add(part)))
        }),
      )
    })
  })
  const rows = (values: SymValues): number => elementCountAt(outer, values)
  return { ...built, threads: (values) => Math.ceil(rows(values) / teams) * teams * threads, title }
}

/** Finds what several reductions find, at once. */
function foldAll(
  folds: readonly Folding[],
  at: (which: number, i: Expr) => Expr,
  fold: (first: State, take: (state: State, indices: readonly Expr[]) => State, join: (a: State, b: State) => State) => State,
): readonly Expr[] {
  const places: number[] = []
  let end = 0
  for (const { first } of folds) {
    places.push(end)
    end += first.length
  }
  const own = (state: State, which: number): State => state.slice(places[which]!, places[which]! + folds[which]!.first.length)
  const found = fold(
    folds.flatMap(({ first }) => first),
    (state, indices) =>
      folds.flatMap(({ take }, which) => indices.reduce<State>((before, i) => take(before, at(which, i), i), own(state, which))),
    (a, b) => folds.flatMap(({ join }, which) => join(own(a, which), own(b, which))),
  )
  return folds.map(({ result }, which) => result(own(found, which)))
}

/** Writes a word of each value, of the results whose indices it holds. */
function finish(
  { parts, cores, elementsPerWord }: Reduced,
  { b, arrays, elements }: KernelParts,
  word: Expr,
  indices: readonly Expr[],
  result: (core: number, part: number) => Expr,
): void {
  indices.forEach((index, part) =>
    cores.forEach((core, which) =>
      elements.know({ node: core, index: 0 }, index, b.let('element', rounded(b, result(which, part), core.outputs[0]!.dtype))),
    ),
  )
  for (const { node } of parts) {
    const element = (index: Expr): Expr => b.let('element', elements.own({ node, index: 0 }, index))
    const bits = joinParts(elementsPerWord, (part) => b.let('bits', encodeBits(element(indices[part]!), typeOf({ node, index: 0 }).dtype)))
    const out = arrays.of({ node, index: 0 })
    if (out !== undefined) b.store(out, word, bits)
  }
}

/** How columns are shared out: threads side by side with some columns each, and as many below them. */
export interface ColumnCut {
  readonly across: number
  readonly down: number
  readonly run: number
}

/** Elements side by side that a thread has room for in shared memory, of which WebGPU promises 16 KiB, when it knows so many numbers of each. */
const mostColumns = (numbers: number): number => 16 / numbers

/** Narrow strips where there are few columns: then more threads go down. A strip is no narrower than what memory is read by at a time. */
export function cutColumns(groupsOf: (width: number) => number, multiple: number, elementsPerWord: number, most: number): ColumnCut {
  const of = (across: number, run: number): ColumnCut => ({ across, down: COLUMN_THREADS / across, run })
  const runs = ([4, 2] as const).map((words) => words * elementsPerWord).filter((run) => multiple % run === 0 && run <= most)
  for (const run of runs) if (groupsOf(32 * run) >= ENOUGH_GROUPS) return of(32, run)
  return groupsOf(32 * elementsPerWord) >= ENOUGH_GROUPS ? of(32, elementsPerWord) : of(8, elementsPerWord)
}

/** How the columns of a long reduction are cut, whose rows are in parts; undefined where rows are reduced. */
export function columnsAcross(node: Node, { inner }: Axes): ColumnCut | undefined {
  if (inner.length === 0) return undefined
  const multiple = knownFactor(inner)
  return cutColumns(() => 0, multiple, Math.min(perWordOf(node, multiple), 4), mostColumns(1))
}

function columnsDispatch(reduced: Reduced): Dispatch | undefined {
  const { axes, cores, elementsPerWord } = reduced
  const { outer, reduced: shape, inner } = axes
  const multiple = knownFactor(inner)
  if (multiple % elementsPerWord !== 0) return undefined
  const groupsOf = (width: number): number => Math.ceil(elementCount(inner) / width) * elementCount(outer)
  const most = mostColumns(cores.reduce((sum, { op }) => sum + (op === 'argMax' ? 2 : 1), 0))
  const least = Math.max(elementsPerWord, ...cores.map((core) => perWordOf(core, multiple)))
  if (least > most) return undefined
  const cut = cutColumns(groupsOf, multiple, least, most)
  const width = cut.across * cut.run
  const title = titled(reduced)
  const built = kernelOf(title, reduced.memory, COLUMN_THREADS, (parts) => {
    const { b, symbols, elements, group, when } = parts
    const [blocks, columns, rows] = [symbols.count(outer), symbols.count(inner), symbols.count(shape)]
    const strips = asExpr(columns)
      .add(width - 1)
      .div(width)
    const block = b.let('block', group.div(strips))
    when(block, blocks, () => {
      const strip = b.let('strip', group.rem(strips))
      const folds = cores.map((core) => folding(b, core))
      const first = markMultiple(block.mul(asExpr(rows)), 1)
      const found = foldColumns(parts, {
        cut,
        columns,
        multiple,
        strip,
        from: 0,
        count: rows,
        first,
        folds,
        at: (which, index) => elements.at(cores[which]!.inputs[0]!, index),
      })
      const base = b.let('base', strip.mul(width))
      const mine = b.let('mine', b.localIndex().mul(elementsPerWord))
      const column = b.let('column', base.add(mine))
      b.if(mine.lt(width).and(column.lt(asExpr(columns))), () =>
        elements.inside(() => {
          const results = Array.from({ length: elementsPerWord }, (_, part) => found(part === 0 ? mine : mine.add(part)))
          const index = b.let('index', block.mul(asExpr(columns)).add(column))
          const indices = Array.from({ length: elementsPerWord }, (_, part) => (part === 0 ? index : b.let('index', index.add(part))))
          finish(
            reduced,
            parts,
            elementsPerWord === 1 ? index : index.div(elementsPerWord),
            indices,
            (which, part) => results[part]![which]!,
          )
        }),
      )
    })
  })
  const groups = (values: SymValues): number => Math.ceil(elementCountAt(inner, values) / width) * elementCountAt(outer, values)
  return { ...built, threads: (values) => groups(values) * COLUMN_THREADS, title }
}

/** Elements in a word of what is read, where columns are whole words of it. */
function perWordOf(core: Node, multiple: number): number {
  const count = perWord((typeOf(core.inputs[0]!) satisfies TensorType).dtype)
  return multiple % count === 0 ? count : 1
}

export interface Columns {
  readonly cut: ColumnCut
  readonly columns: Amount
  /** What their number is known to be a multiple of. */
  readonly multiple: number
  readonly strip: Expr
  /** The first row, how many, and the number of rows before row 0. */
  readonly from: Amount
  readonly count: Amount
  readonly first: Expr
  readonly folds: readonly Folding[]
  readonly at: (which: number, index: Expr) => Expr
}

/** Reduces the columns of a strip; gives what finds the results of one of its columns, by any thread. All threads of the workgroup have to come by. */
export function foldColumns(
  { b, elements }: KernelParts,
  { cut, columns, multiple, strip, from, count, first, folds, at }: Columns,
): (column: Expr) => readonly Expr[] {
  const { across, down, run } = cut
  const width = across * run
  const local = b.localIndex()
  const [x, y] = [b.let('x', local.rem(across)), b.let('y', local.div(across))]
  const inside = (body: () => void): void => elements.inside(body)
  const wanted = b.let('wanted', strip.mul(width).add(x.mul(run)))
  // What is beyond the last column is the last, which nobody asks for.
  const column = wanted.min(asExpr(columns).sub(run))
  const members = run === 1 ? [b.let('column', column)] : elements.run(column, run).members
  const states = members.map(() => folds.map((fold) => fold.first.map((value) => b.var('state', value))))
  goThrough(b, { from, count, lane: y, threads: down, size: 1, turns: ROWS_UNDER_WAY / Math.min(run, 4), inside }, (rows) => {
    const starts = rows.map((row) => markMultiple(b.let('start', first.add(row).mul(asExpr(columns))), multiple))
    members.forEach((member, k) =>
      folds.forEach((fold, which) => {
        const cells = states[k]![which]!
        const before = cells.map(({ value }) => b.let('before', value))
        const next = starts.reduce<State>(
          (state, start, turn) => fold.take(state, at(which, elements.index(start, member)), rows[turn]!),
          before,
        )
        cells.forEach((cell, i) => cell.set(next[i]!))
      }),
    )
  })
  const shared = folds.map((fold) => fold.first.map((value) => b.sharedArray('columns', value.type.scalar as 'f32', width * down)))
  members.forEach((_, k) =>
    folds.forEach((_, which) =>
      states[k]![which]!.forEach(({ value }, i) => b.store(shared[which]![i]!, b.let('to', y.mul(width).add(x.mul(run)).add(k)), value)),
    ),
  )
  b.barrier()
  return (own) =>
    folds.map((fold, which) => {
      const load = (row: number): State => shared[which]!.map((memory) => b.load(memory, row === 0 ? own : own.add(row * width)))
      let state = load(0)
      for (let row = 1; row < down; row++) state = fold.join(state, load(row)).map((value) => b.let('joined', value))
      return fold.result(state)
    })
}
