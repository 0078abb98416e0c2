import type { Node } from '../graph/node.js'
import { typeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { foldingOf } from '../kernel/lib/folding.js'
import { asExpr, plus, times, type Amount } from '../kernel/lib/indexing.js'
import { decodeBits, encodeBits, joinParts, perWord, rounded, wordsOf, wideBits } from '../kernel/lib/pack.js'
import { reduceAlong, reduction } from '../kernel/lib/reductions.js'
import { markMultiple } from '../kernel/lib/runs.js'
import { goThrough, Team, type State } from '../kernel/lib/team.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { elementCountAt, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf, placeInWord, type KernelParts } from './kernel-parts.js'
import { partialWords, partsOf } from './long-reductions.js'
import type { Memory, Place } from './places.js'
import { axesOf, columnsAcross, foldColumns, knownFactor, type Axes, type ColumnCut } from './reductions-dispatch.js'

/** Threads of a workgroup that finds a part. */
const PART_THREADS = 256
/** Elements whose loads a thread has under way together. */
const UNDER_WAY = 16

/** One of the long reductions that share dispatches. */
interface Long {
  readonly node: Node
  readonly axes: Axes
  readonly parts: number
  /** The first word of what is handed on, among those of all. */
  readonly at: number
  /** How columns are cut; undefined where rows are reduced. */
  readonly columns: ColumnCut | undefined
}

/** Sums and maxima of many elements that give few: first of parts, then of what these gave. Of several none has a symbol in its shape. */
export function longReductionDispatches(nodes: readonly Node[], memory: Memory, tuning: Tuning): Dispatch[] {
  const [first] = nodes as readonly [Node]
  const axes = nodes.map(axesOf)
  if (tuning.rowThreads === 1 || axes.some((one) => one === undefined)) return nodes.flatMap((node) => byThreads(node, memory, tuning))
  let at = 0
  const longs = nodes.map((node, i): Long => {
    const own = { node, axes: axes[i]!, parts: partsOf(node, tuning), at, columns: columnsAcross(node, axes[i]!) }
    at += partialWords(node, tuning)
    return own
  })
  const between = memory.between(first)!
  return [partsDispatch(longs, between, memory, tuning), joinedDispatch(longs, between, memory, tuning)]
}

/** Workgroups of a long reduction, known or as what a kernel works out. */
function groupsOf({ axes: { outer, inner }, parts, columns }: Long, count: (shape: Axes['outer']) => Amount): Amount {
  const strips = columns === undefined ? 1 : stripsOf(count(inner), columns)
  return times(times(count(outer), strips), parts)
}

function stripsOf(columns: Amount, { across, run }: ColumnCut): Amount {
  const width = across * run
  return typeof columns === 'number' ? Math.ceil(columns / width) : columns.add(width - 1).div(width)
}

/** Runs one of several bodies, as the number of the workgroup says; each is given its number among its own. */
function chosen(parts: KernelParts, counts: readonly Amount[], body: (which: number, group: Expr) => void): void {
  const { group, b, when } = parts
  let start: Amount = 0
  counts.forEach((count, which) => {
    const own = start === 0 ? group : b.let('own', group.sub(asExpr(start)))
    // Numbers before the first wrap around to something large.
    when(own, count, () => body(which, own))
    start = plus(start, count)
  })
}

/** The parts: a workgroup for each, or for each strip of columns. */
function partsDispatch(longs: readonly Long[], between: Place, memory: Memory, tuning: Tuning): Dispatch {
  const { op } = longs[0]!.node
  const built = kernelOf(`${op}_parts`, memory, PART_THREADS, (parts) => {
    const team = new Team(parts.b, { threads: PART_THREADS, teams: 1, subgroup: tuning.subgroup })
    const counts = longs.map((long) => groupsOf(long, (shape) => parts.symbols.count(shape)))
    chosen(parts, counts, (which, group) => {
      const long = longs[which]!
      if (long.columns === undefined) partOfRow(long, parts, { between, group, team })
      else partOfColumns(long, long.columns, parts, { between, group })
    })
  })
  const threads = (values: SymValues): number =>
    longs.reduce((sum, long) => sum + (groupsOf(long, (shape) => elementCountAt(shape, values)) as number), 0) * PART_THREADS
  return { ...built, threads, title: `${op} in parts` }
}

interface InGroup {
  readonly between: Place
  /** The workgroup's number among those of the reduction. */
  readonly group: Expr
}

/** Where a part begins and how many elements it has: all but the last a multiple of so many. */
function partOf(
  { b }: KernelParts,
  size: Amount,
  part: Expr,
  parts: number,
  together: number,
): { readonly from: Expr; readonly count: Expr } {
  const length =
    typeof size === 'number'
      ? u32(Math.ceil(size / (parts * together)) * together)
      : b.let(
          'length',
          size
            .add(parts * together - 1)
            .div(parts * together)
            .mul(together),
        )
  const from = b.let('from', part.mul(length).min(asExpr(size)))
  return { from, count: b.let('count', length.min(asExpr(size).sub(from))) }
}

/** Halves are added up as floats, and rounded once. */
const foldingIn = ({ b }: KernelParts, node: Node) => foldingOf(b, node.op, wideBits(typeOf(node.inputs[0]!).dtype))

function partOfRow(
  { node, axes, parts, at }: Long,
  kernel: KernelParts,
  { between, group, team }: InGroup & { readonly team: Team },
): void {
  const { b, symbols, arrays, elements } = kernel
  const [size, multiple] = [symbols.count(axes.reduced), knownFactor(axes.reduced)]
  const elementsPerWord = perWord(typeOf(node.inputs[0]!).dtype)
  const run = ([4, 2, 1] as const).map((words) => words * elementsPerWord).find((count) => multiple % count === 0) ?? 1
  const [row, part] = [b.let('row', group.div(parts)), b.let('part', group.rem(parts))]
  const start = markMultiple(b.let('start', row.mul(asExpr(size))), multiple)
  const fold = foldingIn(kernel, node)
  const cells = fold.first.map((value) => b.var('state', value))
  const inside = (body: () => void): void => elements.inside(body)
  const turns = Math.max(1, UNDER_WAY / run)
  // Parts of whole turns, so that all loads but the last part's are under way together.
  const going = {
    ...partOf(kernel, size, part, parts, PART_THREADS * run * turns),
    lane: team.lane,
    threads: PART_THREADS,
    size: run,
    inside,
  }
  goThrough(b, { ...going, turns }, (firsts) => {
    const indices = firsts.flatMap((first) => (run === 1 ? [first] : elements.run(first, run).members))
    const before = cells.map(({ value }) => b.let('before', value))
    const next = indices.reduce<State>((state, i) => fold.take(state, elements.at(node.inputs[0]!, elements.index(start, i)), i), before)
    cells.forEach((cell, i) => cell.set(next[i]!))
  })
  const whole = fold.result(
    team.together(
      cells.map(({ value }) => b.let('own', value)),
      fold.join,
    ),
  )
  const store = (): void => b.store(arrays.at(between), group.add(at), encodeBits(whole, wideBits(node.outputs[0]!.dtype)))
  b.if(team.lane.eq(0), () => elements.inside(store))
}

function partOfColumns({ node, axes, parts, at }: Long, cut: ColumnCut, kernel: KernelParts, { between, group }: InGroup): void {
  const { b, symbols, arrays, elements } = kernel
  const [columns, rows] = [symbols.count(axes.inner), symbols.count(axes.reduced)]
  const [part, rest] = [b.let('part', group.rem(parts)), b.let('rest', group.div(parts))]
  const strips = asExpr(stripsOf(columns, cut))
  const [block, strip] = [b.let('block', rest.div(strips)), b.let('strip', rest.rem(strips))]
  const width = cut.across * cut.run
  const found = foldColumns(kernel, {
    cut,
    columns,
    multiple: knownFactor(axes.inner),
    strip,
    ...partOf(kernel, rows, part, parts, 1),
    first: b.let('before', block.mul(asExpr(rows))),
    folds: [foldingIn(kernel, node)],
    at: (_, index) => elements.at(node.inputs[0]!, index),
  })
  const mine = b.localIndex()
  const column = b.let('column', strip.mul(width).add(mine))
  b.if(mine.lt(width).and(column.lt(asExpr(columns))), () =>
    elements.inside(() => {
      const [whole] = found(mine) as [Expr]
      const result = b.let('result', block.mul(asExpr(columns)).add(column))
      b.store(arrays.at(between), b.let('to', result.mul(parts).add(part).add(at)), encodeBits(whole, wideBits(node.outputs[0]!.dtype)))
    }),
  )
}

/** What was found of the parts put together: a workgroup for each word. */
function joinedDispatch(longs: readonly Long[], between: Place, memory: Memory, tuning: Tuning): Dispatch {
  const most = Math.max(...longs.map(({ parts }) => parts))
  const threads = Math.min(256, Math.max(32, 2 ** Math.ceil(Math.log2(most))))
  const built = kernelOf(longs[0]!.node.op, memory, threads, (kernel) => {
    const { b, symbols, arrays, elements } = kernel
    const team = new Team(b, { threads, teams: 1, subgroup: tuning.subgroup })
    const from = arrays.at(between)
    const totals = longs.map(({ node }) => symbols.count(node.outputs[0]!.shape))
    const wordsIn = (which: number): Amount => {
      const [total, count] = [totals[which]!, perWord(longs[which]!.node.outputs[0]!.dtype)]
      return typeof total === 'number' ? Math.ceil(total / count) : total.add(count - 1).div(count)
    }
    const counts = longs.map((_, which) => wordsIn(which))
    chosen(kernel, counts, (which, group) => {
      const { node, parts, at } = longs[which]!
      const { dtype } = node.outputs[0]!
      const held = wideBits(dtype)
      const elementsPerWord = perWord(dtype)
      const word = joinParts(elementsPerWord, (i) => {
        const index = placeInWord(b, group, i, elementsPerWord, asExpr(totals[which]!))
        const fold = foldingOf(b, node.op, held)
        const cells = fold.first.map((value) => b.var('state', value))
        const base = b.let('base', index.mul(parts).add(at))
        b.for('part', team.lane, u32(parts), threads, (part) =>
          elements.inside(() => {
            const next = fold.take(
              cells.map(({ value }) => b.let('before', value)),
              b.let('one', decodeBits(b.load(from, base.add(part)), held)),
              part,
            )
            cells.forEach((cell, k) => cell.set(next[k]!))
          }),
        )
        const whole = fold.result(
          team.together(
            cells.map(({ value }) => b.let('own', value)),
            fold.join,
          ),
        )
        return b.let('bits', encodeBits(b.let('whole', rounded(b, whole, dtype)), dtype))
      })
      b.if(team.lane.eq(0), () => elements.inside(() => b.store(arrays.of({ node, index: 0 })!, group, word)))
    })
  })
  const words = (values: SymValues): number =>
    longs.reduce((sum, { node }) => sum + wordsOf(node.outputs[0]!.dtype, elementCountAt(node.outputs[0]!.shape, values)), 0)
  return { ...built, threads: (values) => words(values) * threads, title: longs[0]!.node.op }
}

/** First of every so many elements by a thread for each part, then of what that gave. */
function byThreads(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const { shape, dtype } = node.outputs[0]!
  const parts = partsOf(node, tuning)
  const results = (values: SymValues): number => elementCountAt(shape, values)
  const between = memory.between(node)!
  // Halves are added up as floats, and rounded once.
  const held = wideBits(dtype)
  const first = kernelOf(`${node.op}_parts`, memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const out = arrays.at(between)
    when(thread, asExpr(symbols.count(shape)).mul(parts), () => {
      const context = elements.contextOf(node)
      const part = b.let('part', thread.rem(parts))
      const wide = { ...context, output: { ...context.output, dtype: held } }
      const value = reduceAlong(node.op, wide, b.let('result', thread.div(parts)), { from: part, step: parts })
      b.store(out, thread, encodeBits(value, held))
    })
  })
  const elementsPerWord = perWord(dtype)
  const second = kernelOf(node.op, memory, ELEMENT_GROUP, ({ b, symbols, arrays, elements, thread, when }) => {
    const out = arrays.of({ node, index: 0 })!
    const from = arrays.at(between)
    const total = asExpr(symbols.count(shape))
    when(thread, total.add(elementsPerWord - 1).div(elementsPerWord), () => {
      const word = joinParts(elementsPerWord, (i) => {
        const index = placeInWord(b, thread, i, elementsPerWord, total)
        const { take, value } = reduction(b, node.op, held)
        b.for('part', u32(0), u32(parts), 1, (part) =>
          elements.inside(() => take(b.let('one', decodeBits(b.load(from, index.mul(parts).add(part)), held)))),
        )
        return b.let('bits', encodeBits(b.let('whole', rounded(b, value(), dtype)), dtype))
      })
      b.store(out, thread, word)
    })
  })
  return [
    {
      kernel: first.kernel,
      places: first.places,
      symbols: first.symbols,
      title: `${node.op} in parts`,
      threads: (values) => results(values) * parts,
    },
    {
      kernel: second.kernel,
      places: second.places,
      symbols: second.symbols,
      title: node.op,
      threads: (values) => wordsOf(dtype, results(values)),
    },
  ]
}
