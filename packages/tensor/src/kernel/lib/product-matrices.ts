/**
 * Products of halves by tensor cores: a workgroup copies blocks of both matrices into shared memory ahead of their use, its subgroups multiply them there in matrices of 16 by 16
 * and 16 by 8. Operands are what is stored and sums are f32, so that results are those of other products up to the order of the sums.
 */
import { TensorError } from '../../errors.js'
import type { Value } from '../../graph/node.js'
import { f32, u32, type Cell, type KernelBuilder } from '../builder.js'
import { vector, type Expr, type MatrixElement, type Shared, type Storage } from '../ir.js'
import type { Elements } from './elements.js'
import { asExpr, plus, times, type Amount } from './indexing.js'
import { encodeBits } from './pack.js'

/** How products are cut for subgroups of 32 threads that multiply matrices. */
export interface MatrixBlock {
  /** Of a workgroup's block. */
  readonly rows: number
  readonly columns: number
  /** Steps of the inner index that are copied at a time. */
  readonly depth: number
  /** Subgroups along rows and columns. */
  readonly down: number
  readonly across: number
  /** Blocks of each matrix in shared memory: one that is used, the others on their way. */
  readonly stages: number
  /** Copies go on by themselves; else threads hold them in registers, and there are two stages. */
  readonly async: boolean
}

export const matrixThreads = ({ down, across }: MatrixBlock): number => down * across * 32
/** Rows and columns of the block that one subgroup works out. */
export const subgroupRows = ({ rows, down }: MatrixBlock): number => rows / down
export const subgroupColumns = ({ columns, across }: MatrixBlock): number => columns / across

/** Halves in 16 bytes, the unit in which blocks are copied and matrices are read. */
const CHUNK = 8

/** One of the two matrices. */
export interface MatrixOperand {
  readonly value: Value
  readonly element: MatrixElement
  /** Where it begins, in elements. */
  readonly base: Amount
  /** The block's first row of the left, or column of the right matrix. */
  readonly first: Expr
  /** Rows of the left, or columns of the right matrix. */
  readonly outer: Amount
  /** The inner index runs along memory. */
  readonly innerLast: boolean
  /** The memory of the value, in words or in vectors of four; undefined where it has none. */
  readonly memory: (lanes: 1 | 4) => Storage | undefined
}

export interface MatrixProduct {
  readonly b: KernelBuilder
  readonly elements: Elements
  readonly block: MatrixBlock
  readonly left: MatrixOperand
  readonly right: MatrixOperand
  /** Steps of the inner index. */
  readonly length: Amount
  /** Lanes that memory may be read in. */
  readonly lanes: 1 | 4
  readonly memory: MatrixMemory
}

/** Shared memory of a workgroup's blocks, which its products use in turn. */
export interface MatrixMemory {
  readonly left: Shared
  readonly right: Shared
}

/** A block as it lies in shared memory: rows of whole chunks, and one more so that the same chunk of neighbouring rows lies in other banks. */
interface Layout {
  readonly count: number
  readonly lines: number
  readonly chunks: number
  readonly stride: number
  readonly size: number
}

function layoutOf({ depth }: MatrixBlock, count: number, innerLast: boolean): Layout {
  const [lines, width] = innerLast ? [count, depth] : [depth, count]
  const stride = width / CHUNK + 1
  return { count, lines, chunks: width / CHUNK, stride, size: lines * stride }
}

/** Shared memory for products whose inner index runs along memory or not, and for `eachFour`, of up to two of them. */
export function matrixMemory(
  b: KernelBuilder,
  block: MatrixBlock,
  orders: readonly { readonly left: boolean; readonly right: boolean }[],
): MatrixMemory {
  const most = (count: number, which: 'left' | 'right'): number =>
    Math.max(
      stripRows(block) * stripStride(block),
      block.stages * Math.max(...orders.map((order) => layoutOf(block, count, order[which]).size)),
    )
  return {
    left: b.sharedArray('left', 'u32', most(block.rows, 'left'), 4),
    right: b.sharedArray('right', 'u32', most(block.columns, 'right'), 4),
  }
}

/** Sums of 16 rows of every subgroup lie in shared memory at a time, in fours of neighbours, for what follows to go through them in the order of memory. */
const stripRows = ({ down }: MatrixBlock): number => 16 * down
const stripStride = ({ columns }: MatrixBlock): number => columns / 4 + 1

/**
 * Goes through the sums of a block, all threads of the workgroup together: `use` is given four neighbours of a row for each of the products, with their place in the block. It is
 * written out once, in loops.
 */
export function eachFour(
  { b, elements, block, memory }: Pick<MatrixProduct, 'b' | 'elements' | 'block' | 'memory'>,
  products: readonly (readonly (readonly Expr[])[])[],
  use: (sums: readonly (readonly Expr[])[], row: Expr, column: Expr) => void,
): void {
  const arrays = [memory.left, memory.right]
  const [lane, subgroup] = [b.let('lane', b.localIndex().and(31)), b.let('subgroup', b.localIndex().div(32))]
  const odd = b.let('odd', lane.and(1).eq(1))
  const line = subgroup.div(block.across).mul(16).add(lane.div(4)).add(lane.and(1).mul(8))
  const four = subgroup
    .rem(block.across)
    .mul(subgroupColumns(block) / 4)
    .add(lane.div(2).and(1))
  const at = b.let('at', line.mul(stripStride(block)).add(four))
  const foursAcross = block.columns / 4
  b.for('strip', u32(0), subgroupRows(block) / 16, 1, (strip) => {
    // What is in registers is named, not numbered: each strip has its own statements.
    products[0]!.forEach((_, i) =>
      b.if(strip.eq(i), () =>
        products.forEach((sums, which) => sums[i]!.forEach((sum, j) => b.store(arrays[which]!, at.add(2 * j), fourOf(b, sum, odd)))),
      ),
    )
    b.barrier()
    b.for('four', b.localIndex(), stripRows(block) * foursAcross, matrixThreads(block), (number) =>
      elements.inside(() => {
        const [own, across] = [b.let('line', number.div(foursAcross)), b.let('across', number.rem(foursAcross))]
        const from = b.let('from', own.mul(stripStride(block)).add(across))
        const sums = products.map((__, which) => {
          const bits = b.load(arrays[which]!, from).bits('f32')
          return [0, 1, 2, 3].map((part) => bits.lane(part))
        })
        const row = own.div(16).mul(subgroupRows(block)).add(strip.mul(16)).add(own.rem(16))
        use(sums, row, across.mul(4))
      }),
    )
    b.barrier()
  })
}

/** Pairs of neighbours in two rows, swapped with those of the next thread: the even one of both has four of the first row then, the odd one of the second. */
function fourOf(b: KernelBuilder, sum: Expr, odd: Expr): Expr {
  const [c0, c1, c2, c3] = [0, 1, 2, 3].map((lane) => sum.lane(lane)) as [Expr, Expr, Expr, Expr]
  const [first, second] = [odd.select(c0, c2), odd.select(c1, c3)].map((given) => b.subgroup('shuffleXor', b.let('given', given), 1)) as [
    Expr,
    Expr,
  ]
  return vector(odd.select(first, c0), odd.select(second, c1), odd.select(c2, first), odd.select(c3, second)).bits('u32')
}

/** The sums of this thread: `[i][j]` of matrices of 16 rows and 8 columns, as `multiplyMatrices` spreads them. All threads of the workgroup must come by. */
export function productMatrices(product: MatrixProduct): Expr[][] {
  const { b, block, length, memory } = product
  const [left, right] = [
    sideOf(product, product.left, memory.left, block.rows),
    sideOf(product, product.right, memory.right, block.columns),
  ]
  const zero = vector(f32(0), f32(0), f32(0), f32(0))
  const sums = Array.from({ length: subgroupRows(block) / 16 }, () =>
    Array.from({ length: subgroupColumns(block) / 8 }, () => b.var('sums', zero)),
  )
  const steps = asExpr(typeof length === 'number' ? Math.ceil(length / block.depth) : length.add(block.depth - 1).div(block.depth))
  const compute = (stage: Expr): void => multiplyBlock(product, sums, left, right, stage)
  // Copies by themselves are of whole chunks.
  if (block.async && left.source !== undefined && right.source !== undefined) copiedAhead(product, [left, right], steps, compute)
  else heldAhead(product, [left, right], steps, compute)
  return sums.map((row) => row.map(({ value }) => value))
}

/** Blocks are on their way while those before are multiplied; one barrier a step says both that a block is there and that the one it takes the place of is used up. */
function copiedAhead({ b, block }: MatrixProduct, sides: readonly Side[], steps: Expr, compute: (stage: Expr) => void): void {
  const { stages } = block
  const begin = (step: Expr, stage: Expr): void => {
    b.if(step.lt(steps), () => {
      const k = b.let('k', step.mul(block.depth))
      sides.forEach((side) => side.copy(k, stage))
    })
    // Where there is nothing more to copy a group is empty, so that the number of those under way is always the same.
    b.groupCopies()
  }
  for (let ahead = 0; ahead < stages - 1; ahead++) begin(u32(ahead), u32(ahead))
  b.for('step', u32(0), steps, 1, (step) => {
    b.waitCopies(stages - 2)
    b.barrier()
    begin(b.let('ahead', step.add(stages - 1)), b.let('to', step.add(stages - 1).rem(stages)))
    compute(b.let('stage', step.rem(stages)))
  })
}

/** Threads read the next blocks into registers, multiply, and then put them into the stage that was used before. */
function heldAhead({ b, block, elements }: MatrixProduct, sides: readonly Side[], steps: Expr, compute: (stage: Expr) => void): void {
  const fetch = (step: Expr): (() => void)[] => {
    const k = b.let('k', step.mul(block.depth))
    return sides.map((side) => side.fetch(k, b.let('there', step.lt(steps)), b.let('stage', step.and(1))))
  }
  const put = (held: readonly (() => void)[]): void => {
    held.forEach((side) => side())
    b.barrier()
  }
  put(fetch(u32(0)))
  b.for('step', u32(0), steps, 1, (step) =>
    elements.inside(() => {
      const held = fetch(b.let('next', step.add(1)))
      compute(b.let('stage', step.and(1)))
      put(held)
    }),
  )
}

/** How one matrix comes into shared memory, and out of it. */
interface Side {
  /** Memory of whole chunks that are all inside the matrix or all outside. */
  readonly source: Storage | undefined
  /** Begins to copy a block from step `k` of the inner index on. */
  readonly copy: (k: Expr, stage: Expr) => void
  /** Reads a block where it is `there`, and gives what puts it into shared memory. */
  readonly fetch: (k: Expr, there: Expr, stage: Expr) => () => void
  readonly layout: Layout
  readonly array: Shared
  readonly innerLast: boolean
}

const multipleOf = (size: Amount, of: number): boolean => typeof size === 'number' && size % of === 0

function sideOf(product: MatrixProduct, operand: MatrixOperand, array: Shared, count: number): Side {
  const { b, block, length, lanes } = product
  const { base, first, outer, innerLast } = operand
  const threads = matrixThreads(block)
  const layout = layoutOf(block, count, innerLast)
  const perThread = (layout.lines * layout.chunks) / threads
  const linesApart = threads / layout.chunks
  if (!Number.isInteger(perThread) || !Number.isInteger(linesApart))
    throw new TensorError('KERNEL', `${threads} threads do not share ${layout.lines} lines of ${layout.chunks} chunks`)
  const source = multipleOf(innerLast ? length : outer, CHUNK) ? operand.memory(lanes) : undefined
  const thread = b.localIndex()
  const [line, chunk] = [b.let('line', thread.div(layout.chunks)), b.let('chunk', thread.rem(layout.chunks).mul(CHUNK))]
  const at = b.let('at', line.mul(layout.stride).add(chunk.div(CHUNK)))
  /** Chunk `which` of the thread: where it goes in a stage, its first element but for the step, and its place in both directions. */
  const parts = Array.from({ length: perThread }, (_, which) => {
    const own = which === 0 ? line : b.let('line', line.add(which * linesApart))
    const outerAt = innerLast ? b.let('outer', first.add(own)) : b.let('outer', first.add(chunk))
    const start = innerLast ? plus(times(outerAt, length), chunk) : plus(times(own, outer), outerAt)
    return {
      at: which * linesApart * layout.stride,
      start: b.let('start', asExpr(plus(base, start))),
      outerAt,
      outerInside: multipleOf(outer, count) ? undefined : b.let('inside', outerAt.lt(asExpr(outer))),
      innerAt: innerLast ? chunk : own,
    }
  })
  type Part = (typeof parts)[number]
  const inside = ({ outerInside, innerAt }: Part, k: Expr): Expr | undefined => {
    const inner = multipleOf(length, block.depth) ? undefined : k.add(innerAt).lt(asExpr(length))
    return outerInside === undefined ? inner : inner === undefined ? outerInside : outerInside.and(inner)
  }
  const from = ({ start }: Part, k: Expr): Expr => start.add(innerLast ? k : asExpr(times(k, outer)))
  const target = (part: Part, stage: Expr): Expr => b.let('to', stage.mul(layout.size).add(at).add(part.at))
  const unit = lanes === 4 ? CHUNK : 2
  return {
    source,
    layout,
    array,
    innerLast,
    copy: (k, stage) => {
      for (const part of parts)
        b.copyAsync(array, target(part, stage), source!, b.let('from', from(part, k).div(unit)), inside(part, k) ?? u32(0).eq(0))
    },
    fetch: (k, there, stage) => {
      const puts = parts.map((part) => {
        const words = [0, 1, 2, 3].map(() => b.var('word', u32(0)))
        const inner = inside(part, k)
        if (source !== undefined)
          b.if(inner === undefined ? there : there.and(inner), () => {
            const index = b.let('from', from(part, k).div(unit))
            const vectors = lanes === 4 ? b.load(source, index) : undefined
            words.forEach((word, i) => word.set(vectors?.lane(i) ?? b.load(source, index.add(i))))
          })
        else
          fetchHalves(product, operand, {
            words,
            start: b.let('from', from(part, k)),
            there,
            outerAt: part.outerAt,
            innerAt: k.add(part.innerAt),
          })
        return () => b.store(array, target(part, stage), vector(...words.map(({ value }) => value)))
      })
      return () => puts.forEach((put) => put())
    },
  }
}

/** A chunk one half after another, as far as it lies in the matrix. */
function fetchHalves(
  { b, elements, length }: MatrixProduct,
  { value, element, outer, innerLast, memory }: MatrixOperand,
  at: { readonly words: readonly Cell[]; readonly start: Expr; readonly there: Expr; readonly outerAt: Expr; readonly innerAt: Expr },
): void {
  const array = memory(1)
  const [end, along] = innerLast ? [asExpr(length), at.innerAt] : [asExpr(outer), at.outerAt]
  const across = innerLast ? at.outerAt.lt(asExpr(outer)) : at.innerAt.lt(asExpr(length))
  const there = b.let('there', at.there.and(across))
  for (let i = 0; i < CHUNK; i++) {
    // What is outside reads the first element, which is cheaper than a branch for each.
    const inside = b.let('inside', there.and(along.add(i).lt(end)))
    const index = b.let('half', inside.select(at.start.add(i), 0))
    const bits =
      array === undefined
        ? encodeBits(elements.at(value, index), element)
        : b.load(array, index.div(2)).shr(index.and(1).mul(16)).and(0xffff)
    const kept = inside.select(bits, 0)
    const word = at.words[i >> 1]!
    word.set(word.value.or(i % 2 === 0 ? kept : kept.shl(16)))
  }
}

/** Multiplies the blocks of a stage: each subgroup its rows with its columns. */
function multiplyBlock(
  { b, block, left: { element } }: MatrixProduct,
  sums: readonly (readonly Cell[])[],
  left: Side,
  right: Side,
  stage: Expr,
): void {
  const lane = b.localIndex().and(31)
  const subgroup = b.localIndex().div(32)
  // Of the four matrices that are read at once two follow each other along lines of memory and two across, in the one order or the other.
  const straight = { line: lane.and(15), chunk: lane.div(16) }
  const crossed = { line: lane.div(16).mul(8).add(lane.and(7)), chunk: lane.div(8).and(1) }
  const reader = ({ array, layout, innerLast }: Side, first: Expr, order: typeof straight, transposed: boolean) => {
    const line = innerLast ? first.add(order.line) : order.line
    const chunk = innerLast ? order.chunk : first.div(CHUNK).add(order.chunk)
    const index = b.let('index', stage.mul(layout.size).add(line.mul(layout.stride)).add(chunk))
    return (outer: number, inner: number): Expr => {
      const offset = innerLast ? outer * layout.stride + inner / CHUNK : inner * layout.stride + outer / CHUNK
      return b.matrices(array, index, { offset, transposed })
    }
  }
  const [top, side] = [subgroup.div(block.across).mul(subgroupRows(block)), subgroup.rem(block.across).mul(subgroupColumns(block))]
  const a = reader(left, top, left.innerLast ? straight : crossed, !left.innerLast)
  const columns = reader(right, side, right.innerLast ? crossed : straight, !right.innerLast)
  for (let inner = 0; inner < block.depth; inner += 16) {
    const across = sums[0]!.flatMap((_, j) => {
      if (j % 2 === 1) return []
      const two = columns(j * 8, inner)
      return [vector(two.lane(0), two.lane(1)), vector(two.lane(2), two.lane(3))]
    })
    sums.forEach((row, i) => {
      const rows = a(i * 16, inner)
      row.forEach((sum, j) => b.multiplyMatrices(sum, rows, across[j]!, element))
    })
  }
}
