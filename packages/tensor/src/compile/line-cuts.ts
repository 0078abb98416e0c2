/** How operations that go through lines are cut into dispatches, and the memory between these. */
import type { Node } from '../graph/node.js'
import { Lines } from '../kernel/lib/lines.js'
import { perWord } from '../kernel/lib/pack.js'
import { EACH } from '../kernel/lib/scan.js'
import { sortCut } from '../kernel/lib/sorting.js'
import type { Tuning } from '../kernel/lib/tuning.js'
import { dimMax, type Dim } from '../shape.js'
import { align } from './memory.js'
import type { Place } from './places.js'

/** Words of arrays of one length, each where memory can be bound. */
const wordsOfArrays = (count: number, length: number): number => (count * align(length * 4)) / 4

/** Arrays of one length in the memory between the dispatches of a node. */
export const arraysOf = (scratch: Place | undefined, count: number, length: number, before = 0): Place[] =>
  Array.from({ length: count }, (_, i) => {
    if (scratch?.kind !== 'temporary') throw new RangeError('arrays between dispatches lie in the memory of temporaries')
    const bytes = align(length * 4)
    return { kind: 'temporary', offset: scratch.offset + before * 4 + i * bytes, bytes }
  })

/** The lines that an operation sorts; undefined where it sorts none. */
export function sortedLines(node: Node): Lines | undefined {
  if (node.op !== 'sort' && node.op !== 'indexOrder') return undefined
  const input = node.inputs[0]!
  return new Lines(input.node.outputs[input.index]!.shape, node.attrs['axis'] as number | undefined)
}

/**
 * Arrays that the dispatches of a sort hand to each other: a key and a place for each element, twice where passes take turns. The keys of
 * ranges are needed behind the last pass too.
 */
export function sortArrays(node: Node, lines: Lines, tuning: Tuning): readonly [count: number, length: number] {
  const { passes } = sortCut(lines.mostSize, tuning.sortsInTiles)
  const isOrder = node.op === 'indexOrder'
  const pairs = isOrder && isCounted(node, lines, tuning) ? 0 : isOrder && node.attrs['ranged'] === true ? passes + 1 : passes
  return [Math.min(pairs, 2) * 2, lines.mostLines * lines.mostSize]
}

/** Whether indices are put in order by comparing each with all, and every index that there could be too, where each has a range. */
export function isCounted(node: Node, lines: Lines, tuning: Tuning): boolean {
  const { mostSize: count } = lines
  const most = node.attrs['ranged'] === true ? Math.max(count, dimMax(node.attrs['size'] as Dim)) : count
  return lines.mostLines * count * most <= tuning.fewComparisons
}

/** Lines of so few elements are added up by each element, where what follows can be worked out too. */
const FEW_ELEMENTS = 16
/** Spans of a line, each of which adds up the sums of those before. */
const MOST_SPANS = 1024

/** The lines of a running sum that has dispatches of its own; undefined for other operations. */
export function scannedLines(node: Node): Lines | undefined {
  if (node.op !== 'cumsum') return undefined
  const lines = new Lines(node.outputs[0]!.shape, node.attrs['axis'] as number)
  return lines.mostSize <= FEW_ELEMENTS ? undefined : lines
}

export interface ScanCut {
  /** Threads that go through a span together. */
  readonly threads: number
  /** Elements of a span. */
  readonly span: number
  /** Words of the sums of all spans; 0 where a line is one span. */
  readonly sums: number
  /** Words of results of less than a word each, until all of a word are there. */
  readonly wide: number
}

export function scanCut(node: Node, lines: Lines, tuning: Tuning): ScanCut {
  const { mostSize: size, mostLines } = lines
  const threads = tuning.scanThreads(size, lines.mostStride)
  const isMany = mostLines * threads >= tuning.busyThreads
  const block = threads * EACH
  // A thread that goes through √n elements has as many sums before it at most.
  const span = isMany ? size : threads === 1 ? Math.ceil(Math.sqrt(size)) : block * Math.ceil(size / block / MOST_SPANS)
  const spans = Math.ceil(size / span)
  return { threads, span, sums: spans === 1 ? 0 : mostLines * spans, wide: perWord(node.outputs[0]!.dtype) === 1 ? 0 : mostLines * size }
}

/** Where the sums of spans and the results of less than a word lie. */
export function scanArrays({ sums, wide }: ScanCut, scratch: Place | undefined): { readonly sums?: Place; readonly wide?: Place } {
  return {
    ...(sums === 0 ? {} : { sums: arraysOf(scratch, 1, sums)[0]! }),
    ...(wide === 0 ? {} : { wide: arraysOf(scratch, 1, wide, wordsOfArrays(1, sums))[0]! }),
  }
}

/** Words between the dispatches of sorts and running sums; 0 for other operations. */
export function lineWords(node: Node, tuning: Tuning): number {
  const sorted = sortedLines(node)
  if (sorted !== undefined) return wordsOfArrays(...sortArrays(node, sorted, tuning))
  const scanned = scannedLines(node)
  if (scanned === undefined) return 0
  const { sums, wide } = scanCut(node, scanned, tuning)
  return wordsOfArrays(1, sums) + wordsOfArrays(1, wide)
}
