/** Sorting, of values and of the indices of additions: runs by workgroups or by counting, then merges of neighbouring runs until a line is one. */
import type { Node } from '../graph/node.js'
import { dtypeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr } from '../kernel/ir.js'
import { asExpr, plus, times } from '../kernel/lib/indexing.js'
import type { Lines } from '../kernel/lib/lines.js'
import { clampedIndex } from '../kernel/lib/movement.js'
import { comesBefore, countWhere, mergedPlace, sortCut, sortKey, sortRuns, WAYS } from '../kernel/lib/sorting.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { resolveIndex, type Dim, type SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf, type BuiltKernel, type KernelParts } from './kernel-parts.js'
import { arraysOf, isCounted, sortArrays, sortedLines } from './line-cuts.js'
import type { Memory, Place } from './places.js'

/** What is sorted, and where it goes. */
interface Sorted {
  readonly lines: Lines
  readonly key: (parts: KernelParts, element: Expr) => Expr
  /** Where the former places are written, and the keys where somebody asks for them. */
  readonly places: Place
  readonly keys: Place | undefined
  /** Whether the results lie where the sorted elements do; else line after line. */
  readonly inOrder: boolean
}

/** The dispatches that find the order of the elements along an axis: `sort` without its values. */
export function sortDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const [x] = node.inputs
  const descending = node.attrs['descending'] === true
  const key: Sorted['key'] = ({ b, elements }, element) => sortKey(b, elements.at(x!, element), dtypeOf(x!), descending)
  const lines = sortedLines(node)!
  const arrays = arraysOf(sortArrays(node, lines, tuning), memory.between(node), memory.reach)
  return passesOf(node, { lines, key, places: memory.of({ node, index: 1 })!, keys: undefined, inOrder: true }, arrays, memory, tuning)
}

/** The dispatches of `indexOrder`: the numbers of the updates in the order of their indices, and the range of each index among them. */
export function indexOrderDispatches(node: Node, memory: Memory, tuning: Tuning): Dispatch[] {
  const size = node.attrs['size'] as Dim
  const key: Sorted['key'] = ({ b, symbols, elements }, element) =>
    b.let('key', clampedIndex(elements.at(node.inputs[0]!, element), symbols.dim(size)))
  const lines = sortedLines(node)!
  const [found, places] = [memory.of({ node, index: 0 })!, memory.of({ node, index: 1 })!]
  const isRanged = node.attrs['ranged'] === true
  if (isCounted(node, lines, tuning))
    return [countDispatch(node, { lines, key, size, places, ...(isRanged ? { ranges: found } : { keys: found }) }, memory)]
  const arrays = arraysOf(sortArrays(node, lines, tuning), memory.between(node), memory.reach)
  const { passes } = sortCut(lines.mostSize, tuning.sortsInTiles)
  const keys = isRanged ? arrays[(passes % 2) * 2]! : found
  return [
    ...passesOf(node, { lines, key, places, keys, inOrder: false }, arrays, memory, tuning),
    ...(isRanged ? [rangesDispatch(node, { lines, size, keys, ranges: found }, memory)] : []),
  ]
}

function passesOf(node: Node, sorted: Sorted, arrays: readonly Place[], memory: Memory, tuning: Tuning): Dispatch[] {
  const { lines } = sorted
  const { passes, run, tile } = sortCut(lines.mostSize, tuning.sortsInTiles)
  /** Keys and places behind a pass; the last one writes the results. */
  const behind = (pass: number): Held => {
    if (pass === passes) return { keys: sorted.keys, places: sorted.places, inOrder: sorted.inOrder }
    const at = (pass % 2) * 2
    return { keys: arrays[at]!, places: arrays[at + 1]!, inOrder: false }
  }
  const merges = Array.from({ length: passes }, (_, pass) =>
    mergeDispatch(node, lines, run * WAYS ** pass, behind(pass), behind(pass + 1), memory),
  )
  return [tile > 0 ? tileDispatch(node, sorted, behind(0), memory) : runDispatch(node, sorted, run, behind(0), memory), ...merges]
}

/** Where a pass leaves what it sorted. */
interface Held {
  readonly keys: Place | undefined
  readonly places: Place
  readonly inOrder: boolean
}

/** Writes an element where it goes on its line. */
function writer({ b, symbols, arrays }: KernelParts, lines: Lines, { keys, places, inOrder }: Held) {
  // Bound in this order, whatever else the kernel reaches.
  const [keyArray, placeArray] = [keys && arrays.at(keys), arrays.at(places)]
  return (line: Expr, to: Expr, key: Expr, place: Expr): void => {
    const own = inOrder ? lines.elementsOf(b, symbols, line)(to) : b.let('to', asExpr(plus(times(line, lines.size(symbols)), to)))
    if (keyArray !== undefined) b.store(keyArray, own, key)
    b.store(placeArray, own, place)
  }
}

/** A workgroup sorts a tile: several short lines, a line, or a part of one. */
function tileDispatch(node: Node, { lines, key }: Sorted, to: Held, memory: Memory): Dispatch {
  const cut = sortCut(lines.mostSize, true)
  const { tile, run, threads } = cut
  const isCut = cut.passes > 0
  const perTile = tile / run
  const groups = (values: SymValues): number =>
    isCut ? lines.linesAt(values) * Math.ceil(lines.sizeAt(values) / tile) : Math.ceil(lines.linesAt(values) / perTile)
  const title = node.op
  const built = kernelOf(title, memory, threads, (parts) => {
    const { b, symbols, elements, group } = parts
    const write = writer(parts, lines, to)
    const [count, size] = [asExpr(lines.lines(symbols)), asExpr(lines.size(symbols))]
    const memories = { keys: b.sharedArray('keys', 'u32', tile), places: b.sharedArray('places', 'u32', tile) }
    const tiles = isCut
      ? b.let(
          'tiles',
          size
            .add(tile - 1)
            .div(tile)
            .max(1),
        )
      : u32(1)
    /** Each element of the tile: its line, and its place on it. */
    const each = (body: (element: Expr, line: Expr, place: Expr) => void): void =>
      b.for('element', b.localIndex(), u32(tile), threads, (element) =>
        elements.inside(() => {
          const line = b.let('line', isCut ? group.div(tiles) : group.mul(perTile).add(element.div(run)))
          const place = b.let('place', isCut ? group.rem(tiles).mul(tile).add(element) : element.and(run - 1))
          body(element, line, place)
        }),
      )
    const whenThere = (line: Expr, place: Expr, body: () => void): void =>
      b.if(line.lt(count).and(place.lt(size)), () => elements.inside(body))
    each((element, line, place) => {
      // What is no element comes behind all that are, as its place does.
      const own = b.var('own', u32(0xffffffff))
      whenThere(line, place, () => own.set(key(parts, lines.elementsOf(b, symbols, line)(place))))
      b.store(memories.keys, element, own.value)
      b.store(memories.places, element, place)
    })
    sortRuns(b, memories, cut)
    each((element, line, place) =>
      whenThere(line, place, () => write(line, place, b.load(memories.keys, element), b.load(memories.places, element))),
    )
  })
  return { ...asDispatch(built), threads: (values) => groups(values) * threads, title }
}

/** A thread for each element of the lines. */
function eachElement(
  title: string,
  lines: Lines,
  memory: Memory,
  build: (parts: KernelParts) => (line: Expr, place: Expr) => void,
): Dispatch {
  const built = kernelOf(title, memory, ELEMENT_GROUP, (parts) => {
    const { b, symbols, thread, when } = parts
    // Arrays are bound before anything is read.
    const body = build(parts)
    const size = asExpr(lines.size(symbols))
    when(thread, times(asExpr(lines.lines(symbols)), size), () => {
      const line = b.let('line', thread.div(size.max(1)))
      body(line, b.let('place', thread.rem(size.max(1))))
    })
  })
  return { ...asDispatch(built), threads: (values) => lines.linesAt(values) * lines.sizeAt(values), title }
}

/** A thread for each element counts those that come before it in its run. */
function runDispatch(node: Node, { lines, key }: Sorted, run: number, to: Held, memory: Memory): Dispatch {
  return eachElement(node.op, lines, memory, (parts) => {
    const { b, symbols, elements } = parts
    const write = writer(parts, lines, to)
    return (line, place) => {
      const at = lines.elementsOf(b, symbols, line)
      const own = key(parts, at(place))
      const start = b.let('start', place.sub(place.rem(run)))
      const rank = b.var('rank', start)
      b.for('other', start, b.let('end', start.add(run).min(asExpr(lines.size(symbols)))), 1, (other) =>
        elements.inside(() => b.if(comesBefore(key(parts, at(other)), other, own, place), () => rank.set(rank.value.add(1)))),
      )
      write(line, b.let('to', rank.value), own, place)
    }
  })
}

/** A thread for each element finds where it goes when neighbouring runs of a width become one. */
function mergeDispatch(node: Node, lines: Lines, width: number, from: Held, to: Held, memory: Memory): Dispatch {
  return eachElement(`${node.op}Merge`, lines, memory, (parts) => {
    const { b, symbols, arrays, elements } = parts
    const [keys, places] = [arrays.at(from.keys!), arrays.at(from.places)]
    const write = writer(parts, lines, to)
    const size = lines.size(symbols)
    return (line, place) => {
      const start = b.let('line_at', asExpr(times(line, size)))
      const own = b.let('own', start.add(place))
      const key = b.load(keys, own)
      const keyAt = (at: Expr): Expr => b.load(keys, b.let('key_at', start.add(at)))
      write(
        line,
        mergedPlace(b, { key, place, size, width }, keyAt, (body) => elements.inside(body)),
        key,
        b.load(places, own),
      )
    }
  })
}

/** What is found of indices by counting, and where it goes. */
interface Counted extends Pick<Sorted, 'lines' | 'key' | 'places'> {
  /** Indices that there could be. */
  readonly size: Dim
  /** The range of each of them, or the indices in order. */
  readonly ranges?: Place
  readonly keys?: Place
}

/** A thread for each update of a line, and for each index that there could be where these have ranges, compares all of the line with its own. */
function countDispatch(node: Node, { lines, key, size, places, ranges, keys }: Counted, memory: Memory): Dispatch {
  const most = (values: SymValues): number => Math.max(lines.sizeAt(values), ranges === undefined ? 0 : resolveIndex(size, values))
  const title = node.op
  const built = kernelOf(title, memory, ELEMENT_GROUP, (parts) => {
    const { b, symbols, arrays, elements, thread, when } = parts
    const [placeArray, rangeArray, keyArray] = [arrays.at(places), ranges && arrays.at(ranges), keys && arrays.at(keys)]
    const count = asExpr(lines.size(symbols))
    const words = rangeArray === undefined ? u32(0) : asExpr(symbols.dim(size))
    const width = b.let('width', count.max(words).max(1))
    when(thread, times(asExpr(lines.lines(symbols)), width), () => {
      const [line, mine] = [b.let('line', thread.div(width)), b.let('mine', thread.rem(width))]
      const at = lines.elementsOf(b, symbols, line)
      const isUpdate = b.let('is_update', mine.lt(count))
      const own = b.var('own', u32(0xffffffff))
      b.if(isUpdate, () => elements.inside(() => own.set(key(parts, at(mine)))))
      const [rank, from, to] = [b.var('rank', u32(0)), b.var('from', u32(0)), b.var('to', u32(0))]
      const one = (counts: Expr): Expr => counts.select(u32(1), u32(0))
      b.for('other', u32(0), count, 1, (other) =>
        elements.inside(() => {
          const theirs = key(parts, at(other))
          rank.set(rank.value.add(one(comesBefore(theirs, other, own.value, mine))))
          if (rangeArray === undefined) return
          from.set(from.value.add(one(theirs.lt(mine))))
          to.set(to.value.add(one(theirs.le(mine))))
        }),
      )
      b.if(isUpdate, () => {
        const place = b.let('place_at', line.mul(count).add(rank.value))
        b.store(placeArray, place, mine)
        if (keyArray !== undefined) b.store(keyArray, place, own.value)
      })
      if (rangeArray === undefined) return
      b.if(mine.lt(words), () => {
        const range = b.let('range', line.mul(words).add(mine).mul(2))
        b.store(rangeArray, range, from.value)
        b.store(rangeArray, range.add(1), to.value)
      })
    })
  })
  return { ...asDispatch(built), threads: (values) => lines.linesAt(values) * most(values), title }
}

/** Sorted indices, and where their ranges go. */
interface Ranged {
  readonly lines: Lines
  readonly size: Dim
  readonly keys: Place
  readonly ranges: Place
}

/** A thread for each index that there could be searches the sorted ones for its own. */
function rangesDispatch(node: Node, { lines, size, keys, ranges }: Ranged, memory: Memory): Dispatch {
  const title = `${node.op}Ranges`
  const built = kernelOf(title, memory, ELEMENT_GROUP, (parts) => {
    const { b, symbols, arrays, elements, thread, when } = parts
    const [rangeArray, keyArray] = [arrays.at(ranges), arrays.at(keys)]
    const [count, words] = [lines.size(symbols), asExpr(symbols.dim(size))]
    when(thread, times(asExpr(lines.lines(symbols)), words), () => {
      const line = b.let('line', thread.div(words.max(1)))
      const mine = b.let('mine', thread.rem(words.max(1)))
      const start = b.let('line_at', asExpr(times(line, count)))
      const search = (holds: (key: Expr) => Expr): Expr => {
        const keyAt = (place: Expr): Expr => b.load(keyArray, b.let('key_at', start.add(place)))
        return countWhere(
          b,
          count,
          lines.mostSize,
          (place) => holds(keyAt(place)),
          (body) => elements.inside(body),
        )
      }
      const range = b.let('range', thread.mul(2))
      b.store(
        rangeArray,
        range,
        search((key) => key.lt(mine)),
      )
      b.store(
        rangeArray,
        range.add(1),
        search((key) => key.le(mine)),
      )
    })
  })
  return { ...asDispatch(built), threads: (values) => lines.linesAt(values) * resolveIndex(size, values), title }
}

const asDispatch = ({ kernel, places, symbols }: BuiltKernel): Omit<Dispatch, 'threads' | 'title'> => ({ kernel, places, symbols })
