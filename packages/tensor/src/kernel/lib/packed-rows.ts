/** Rows of caches in 8 and 4 bits as kernels read and write them; the layout is that of `ops/packed-rows.ts`. */
import type { RowLayout } from '../../ops/packed-rows.js'
import { LEAST_SCALE } from '../../ops/packed-rows.js'
import { f32, u32, type KernelBuilder } from '../builder.js'
import { vector, type Expr, type Storage } from '../ir.js'
import { floatByBits } from './quantised.js'

/** Columns of four numbers of a block. */
const blockColumns = ({ block }: RowLayout): number => block / 4
/** Words of the numbers of a row. */
const rowWords = ({ bits, width }: RowLayout): number => (width * bits) / 32
/** Words of the numbers of a block of 4 bits: as many columns have their numbers in the low halves of its bytes. */
const halfColumns = ({ block }: RowLayout): number => block / 8

/** Four bytes as numbers, less what stands for zero. */
const numbersOf = (word: Expr, zero: number): Expr => vector(...[0, 1, 2, 3].map((i) => floatByBits(word.shr(8 * i).and(0xff), zero)))

/** Four numbers of 8 bits, without their scale. */
const wide = (b: KernelBuilder, word: Expr): Expr => numbersOf(b.let('biased', word.xor(0x80808080)), 128)
/** Four of 4 bits: the low or the high halves of a word's bytes. */
const narrow = (b: KernelBuilder, word: Expr, shift: Expr): Expr => numbersOf(b.let('halves', word.shr(shift).and(0x0f0f0f0f)), 8)

/** Where rows of fewer bits lie: their numbers, in words or vectors of them, and the scales. */
export interface PackedRows {
  readonly layout: RowLayout
  readonly words: () => Storage
  readonly vectors: (() => Storage) | undefined
  readonly scales: () => Storage
}

const scaleAt = (b: KernelBuilder, { layout, scales }: PackedRows, row: Expr, column: Expr): Expr => {
  const blocks = layout.width / layout.block
  const block = column.div(blockColumns(layout))
  return b.let('scale', b.load(scales(), row.mul(blocks).add(block)).bits('f32'))
}

/** Four numbers of a row. */
export function packedColumn(b: KernelBuilder, packed: PackedRows, row: Expr, column: Expr): Expr {
  const { layout } = packed
  const first = row.mul(rowWords(layout))
  const scale = scaleAt(b, packed, row, column)
  const scaled = (numbers: Expr): Expr => b.let('numbers', numbers.mul(scale.splat(4)))
  if (layout.bits === 8) return scaled(wide(b, b.load(packed.words(), first.add(column))))
  const half = halfColumns(layout)
  const inBlock = b.let('inBlock', column.rem(blockColumns(layout)))
  const word = first.add(column.div(blockColumns(layout)).mul(half)).add(inBlock.rem(half))
  return scaled(narrow(b, b.load(packed.words(), word), inBlock.div(half).mul(4)))
}

/** Four columns from a multiple of four on by one read, undefined where they do not lie so. */
export function packedColumns(b: KernelBuilder, packed: PackedRows, row: Expr, first: Expr): readonly Expr[] | undefined {
  const { layout, vectors } = packed
  if (vectors === undefined || layout.width % 16 !== 0 || layout.block < (layout.bits === 8 ? 16 : 32)) return undefined
  const scale = scaleAt(b, packed, row, first)
  const vectorAt = row.mul(rowWords(layout) / 4).add(first.div(layout.bits === 8 ? 4 : 8))
  const words = b.load(vectors(), vectorAt)
  // Of a block of 32 numbers the first four columns are in the low halves of its bytes.
  const shift = b.let('shift', first.and(4))
  return [0, 1, 2, 3].map((lane) => {
    const word = b.let('word', words.lane(lane))
    return b.let('numbers', (layout.bits === 8 ? wide(b, word) : narrow(b, word, shift)).mul(scale.splat(4)))
  })
}

/** Rows that are to be rounded, and where they go. */
export interface PackedTarget {
  readonly layout: RowLayout
  /** Four numbers of the rows, by the number of their column among those of all rows. */
  readonly numbers: Expr
  readonly words: Storage
  readonly scales: Storage
  /** The row that they are written to, of all rows of the cache. */
  readonly row: Expr
}

/**
 * Rounds and writes rows, a column of four numbers by each thread: the threads of a block, neighbours in a workgroup of `threads`, find its scale together. All threads of the workgroup must come by.
 *
 * @param column of the row
 * @param isThere whether the thread has a column, and it goes anywhere
 */
export function writePacked(
  b: KernelBuilder,
  { layout, numbers, words, scales, row }: PackedTarget,
  { column, isThere, threads }: { readonly column: Expr; readonly isThere: Expr; readonly threads: number },
): void {
  const { bits, block, width } = layout
  const team = blockColumns(layout)
  const member = b.localIndex()
  const lanes = [0, 1, 2, 3].map((lane) => b.let('number', numbers.lane(lane)))
  const fold = (all: readonly Expr[], join: (a: Expr, one: Expr) => Expr): Expr => b.let('folded', all.slice(1).reduce(join, all[0]!))
  const most = b.sharedArray('most', 'f32', threads)
  const least = b.sharedArray('least', 'f32', threads)
  b.store(
    most,
    member,
    fold(lanes, (a, one) => a.max(one)),
  )
  b.store(
    least,
    member,
    fold(lanes, (a, one) => a.min(one)),
  )
  b.barrier()
  const first = b.let('first', member.sub(member.rem(team)))
  const others = (array: typeof most): Expr[] => Array.from({ length: team }, (_, i) => b.load(array, i === 0 ? first : first.add(i)))
  const largest = fold(others(most), (a, one) => a.max(one))
  const smallest = fold(others(least), (a, one) => a.min(one))
  const scale = bits === 8 ? wideScale(b, largest, smallest) : narrowScale(b, largest, smallest)
  const inverse = b.let('inverse', f32(1).div(scale))
  const code = (lane: Expr, [low, high, zero]: readonly [number, number, number]): Expr =>
    b.let('code', lane.mul(inverse).unary('round').max(low).min(high).add(zero).to('u32'))
  const wordOf = (range: readonly [number, number, number]): Expr =>
    lanes.map((lane, i) => code(lane, range).shl(8 * i)).reduce((word, part) => word.or(part))
  const blockAt = column.div(team)
  const to = row.mul(rowWords(layout))
  const inBlock = b.let('inBlock', column.rem(team))
  b.if(isThere.and(inBlock.eq(0)), () => b.store(scales, row.mul(width / block).add(blockAt), scale.bits('u32')))
  if (bits === 8) {
    const word = b.let('word', wordOf([-127, 127, 128]).xor(0x80808080))
    b.if(isThere, () => b.store(words, to.add(column), word))
    return
  }
  const half = halfColumns(layout)
  const halves = b.sharedArray('halves', 'u32', threads)
  b.store(halves, member, wordOf([-8, 7, 8]))
  b.barrier()
  b.if(isThere.and(inBlock.lt(half)), () => {
    const word = b.load(halves, member).or(b.load(halves, member.add(half)).shl(4))
    b.store(words, to.add(blockAt.mul(half)).add(inBlock), word)
  })
}

const wideScale = (b: KernelBuilder, largest: Expr, smallest: Expr): Expr =>
  b.let(
    'scale',
    largest
      .max(smallest.neg())
      .mul(1 / 127)
      .max(LEAST_SCALE),
  )

/** What is farthest from zero is −8 steps. */
function narrowScale(b: KernelBuilder, largest: Expr, smallest: Expr): Expr {
  const farthest = b.let(
    'farthest',
    smallest
      .neg()
      .lt(largest)
      .select(largest, smallest)
      .mul(-1 / 8),
  )
  const size = farthest.unary('abs').max(LEAST_SCALE)
  return b.let('scale', farthest.lt(0).select(size.neg(), size))
}

/** So that a thread without a column reads what is there. */
export const existing = (thread: Expr, count: Expr): Expr => thread.min(count.max(u32(1)).sub(1))
