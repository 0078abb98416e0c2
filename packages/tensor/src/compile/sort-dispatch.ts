/** Sorting, of values and of the indices of a scatter: tiles by workgroups, then merges of neighbouring runs until a line is one. */
import type { Node } from '../graph/node.js'
import { dtypeOf } from '../graph/node.js'
import { u32 } from '../kernel/builder.js'
import type { Expr, Storage } from '../kernel/ir.js'
import { asExpr, plus, times } from '../kernel/lib/indexing.js'
import type { Lines } from '../kernel/lib/lines.js'
import { clampedIndex } from '../kernel/lib/movement.js'
import { mergedPlace, sortCut, sortKey, sortRuns, WAYS } from '../kernel/lib/sorting.js'
import type { Dim, SymValues } from '../shape.js'
import type { Dispatch } from './dispatches.js'
import { ELEMENT_GROUP, kernelOf, type BuiltKernel, type KernelParts } from './kernel-parts.js'
import { arraysOf, sortArrays, sortedLines } from './line-cuts.js'
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
export function sortDispatches(node: Node, memory: Memory): Dispatch[] {
  const [x] = node.inputs
  const descending = node.attrs['descending'] === true
  const key: Sorted['key'] = ({ b, elements }, element) => sortKey(b, elements.at(x!, element), dtypeOf(x!), descending)
  const places = memory.of({ node, index: 1 })!
  return dispatchesOf(node, { lines: sortedLines(node)!, key, places, keys: undefined, inOrder: true }, memory)
}

/** The dispatches of `indexOrder`: indices as they are used, sorted, and the number of the update of each. */
export function indexOrderDispatches(node: Node, memory: Memory): Dispatch[] {
  const key: Sorted['key'] = ({ b, symbols, elements }, element) =>
    b.let('key', clampedIndex(elements.at(node.inputs[0]!, element), symbols.dim(node.attrs['size'] as Dim)))
  const [keys, places] = [memory.of({ node, index: 0 }), memory.of({ node, index: 1 })]
  return dispatchesOf(node, { lines: sortedLines(node)!, key, places: places!, keys, inOrder: false }, memory)
}

function dispatchesOf(node: Node, sorted: Sorted, memory: Memory): Dispatch[] {
  const { lines } = sorted
  const { passes, run } = sortCut(lines.mostSize)
  const arrays = arraysOf(memory.between(node), ...sortArrays(lines))
  /** Keys and places behind a pass; the last one writes the results. */
  const behind = (pass: number): Held => {
    if (pass === passes) return { keys: sorted.keys, places: sorted.places, inOrder: sorted.inOrder }
    const at = (pass % 2) * 2
    return { keys: arrays[at]!, places: arrays[at + 1]!, inOrder: false }
  }
  const merges = Array.from({ length: passes }, (_, pass) =>
    mergeDispatch(node, lines, run * WAYS ** pass, behind(pass), behind(pass + 1), memory),
  )
  return [tileDispatch(node, sorted, behind(0), memory), ...merges]
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
  const cut = sortCut(lines.mostSize)
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

/** A thread for each element finds where it goes when neighbouring runs of a width become one. */
function mergeDispatch(node: Node, lines: Lines, width: number, from: Held, to: Held, memory: Memory): Dispatch {
  const title = `${node.op}Merge`
  const built = kernelOf(title, memory, ELEMENT_GROUP, (parts) => {
    const { b, symbols, arrays, elements, thread, when } = parts
    const [keys, places] = [arrays.at(from.keys!), arrays.at(from.places)] as readonly [Storage, Storage]
    const write = writer(parts, lines, to)
    const size = lines.size(symbols)
    when(thread, times(asExpr(lines.lines(symbols)), size), () => {
      const line = b.let('line', thread.div(asExpr(size).max(1)))
      const start = b.let('line_at', asExpr(times(line, size)))
      const place = b.let('place', thread.sub(start))
      const key = b.load(keys, thread)
      const keyAt = (at: Expr): Expr => b.load(keys, b.let('key_at', start.add(at)))
      write(
        line,
        mergedPlace(b, { key, place, size, width }, keyAt, (body) => elements.inside(body)),
        key,
        b.load(places, thread),
      )
    })
  })
  return { ...asDispatch(built), threads: (values) => lines.linesAt(values) * lines.sizeAt(values), title }
}

const asDispatch = ({ kernel, places, symbols }: BuiltKernel): Omit<Dispatch, 'threads' | 'title'> => ({ kernel, places, symbols })
