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
import { rangesOfBytes, type Reach } from './reach.js'

/** Where arrays of so many words lie in memory between dispatches, and the bytes of all. Those that one binding does not hold together begin where a binding does. */
function layOut(lengths: readonly number[], { rangeBytes }: Reach): { readonly offsets: readonly number[]; readonly bytes: number } {
  const sizes = lengths.map((length) => align(length * 4))
  const isTogether = sizes.reduce((sum, size) => sum + size, 0) <= rangeBytes
  let bytes = 0
  const offsets = sizes.map((size) => {
    const offset = bytes
    bytes += isTogether ? size : Math.ceil(size / rangeBytes) * rangeBytes
    return offset
  })
  return { offsets, bytes }
}

/** Arrays of so many words in the memory between the dispatches of a node. */
export function arraysOf(lengths: readonly number[], scratch: Place | undefined, reach: Reach): Place[] {
  const { offsets } = layOut(lengths, reach)
  return lengths.map((length, i) => {
    if (scratch?.kind !== 'temporary') throw new RangeError('arrays between dispatches lie in the memory of temporaries')
    const bytes = align(length * 4)
    return { kind: 'temporary', offset: scratch.offset + offsets[i]!, bytes, ranges: rangesOfBytes(bytes, reach) }
  })
}

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
export function sortArrays(node: Node, lines: Lines, tuning: Tuning): readonly number[] {
  const { passes } = sortCut(lines.mostSize, tuning.sortsInTiles)
  const isOrder = node.op === 'indexOrder'
  const pairs = isOrder && isCounted(node, lines, tuning) ? 0 : isOrder && node.attrs['ranged'] === true ? passes + 1 : passes
  return Array.from({ length: Math.min(pairs, 2) * 2 }, () => lines.mostLines * lines.mostSize)
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

const scanLengths = ({ sums, wide }: ScanCut): readonly number[] => [sums, wide].filter((length) => length > 0)

/** Where the sums of spans and the results of less than a word lie. */
export function scanArrays(cut: ScanCut, scratch: Place | undefined, reach: Reach): { readonly sums?: Place; readonly wide?: Place } {
  const arrays = arraysOf(scanLengths(cut), scratch, reach)
  return {
    ...(cut.sums === 0 ? {} : { sums: arrays[0]! }),
    ...(cut.wide === 0 ? {} : { wide: arrays.at(-1)! }),
  }
}

/** Words between the dispatches of sorts and running sums; 0 for other operations. */
export function lineWords(node: Node, tuning: Tuning, reach: Reach): number {
  const sorted = sortedLines(node)
  if (sorted !== undefined) return layOut(sortArrays(node, sorted, tuning), reach).bytes / 4
  const scanned = scannedLines(node)
  return scanned === undefined ? 0 : layOut(scanLengths(scanCut(node, scanned, tuning)), reach).bytes / 4
}
