/** Weights in blocks of values that share a scale, decoded where a product reads them: the matrix they stand for is never in memory. The layout is that of `ops/quant.ts`. */
import type { Node, Value } from '../../graph/node.js'
import type { KernelBuilder } from '../builder.js'
import { i32, u32 } from '../builder.js'
import type { Expr } from '../ir.js'
import { asExpr, plus, times } from './indexing.js'
import type { Operand, OperandLayout, ProductContext } from './products.js'

/** What is known of a quantised matrix [N, K]. */
export interface Packed {
  readonly bits: 4 | 8
  /** Values that share a scale. */
  readonly block: number
  readonly hasMins: boolean
}

/** Values in a word of memory. */
export const perPackedWord = ({ bits }: Packed): number => 32 / bits
/** The stored value that stands for zero. */
const zeroOf = ({ bits }: Packed): number => (bits === 4 ? 8 : 128)

/** Value `i` of a word: stored minus what stands for zero. */
const valueIn = (word: Expr, i: number, packed: Packed): Expr =>
  word
    .shr(packed.bits * i)
    .and(2 ** packed.bits - 1)
    .bits('i32')
    .sub(i32(zeroOf(packed)))
    .to('f32')

/** A float of 2²³ and more has whole numbers as its last bits. */
const WHOLE_BITS = 0x4b000000
const WHOLE = 2 ** 23

/** A whole number below 2²³ less what stands for zero, in fewer instructions where integers are converted slowly. Source: the conversion of integers by the bits of a float, as in NVIDIA's FasterTransformer. */
export const floatByBits = (number: Expr, zero: number): Expr =>
  number
    .or(WHOLE_BITS)
    .bits('f32')
    .sub(WHOLE + zero)

/** {@link valueIn} by the bits of a float. */
const joinedValueIn = (word: Expr, i: number, packed: Packed): Expr =>
  floatByBits(word.shr(packed.bits * i).and(2 ** packed.bits - 1), zeroOf(packed))

/** Four neighbours of a quantised matrix, from a multiple of four on. */
export function packedQuad(
  { b, elements, words }: Pick<ProductContext, 'b' | 'elements' | 'words'>,
  node: Node,
  packed: Packed,
): (index: Expr) => readonly Expr[] {
  const [, matrix, scales, mins] = node.inputs as readonly [Value, Value, Value, Value | undefined]
  const array = words(matrix)!
  return (index) => {
    const whole = b.load(array, index.div(perPackedWord(packed)))
    const word = packed.bits === 8 ? whole : b.let('part', whole.shr(index.and(4).mul(4)))
    const block = b.let('block', index.div(packed.block))
    const scale = elements.at(scales, block)
    const least = mins === undefined ? undefined : elements.at(mins, block)
    return [0, 1, 2, 3].map((i) => {
      const value = joinedValueIn(word, i, packed)
      return b.let('weight', least === undefined ? value.mul(scale) : value.fma(scale, least.neg()))
    })
  }
}

/** Values of a word for each column of a tile, and what makes them weights: `weight = value · scale − least`. */
export interface PackedWords {
  readonly values: readonly (readonly Expr[])[]
  readonly scale: readonly Expr[]
  readonly least: readonly Expr[] | undefined
}

/** The same as they are in memory: scales are for what was added up of a word. */
export function packedWords(
  context: ProductContext,
  node: Node,
  packed: Packed,
  layout: OperandLayout,
  columns: readonly Expr[],
): (k: Expr) => PackedWords {
  const { b, elements } = context
  const [, matrix, scales, mins] = node.inputs as readonly [Value, Value, Value, Value | undefined]
  const depth = perPackedWord(packed)
  const array = context.words(matrix)!
  const starts = columns.map((column) => b.let('start', asExpr(times(column, layout.length))))
  return (k) => {
    const read = starts.map((start) => {
      const at = b.let('at', start.add(k))
      const block = b.let('block', at.div(packed.block))
      return {
        word: b.load(array, at.div(depth)),
        scale: elements.at(scales, block),
        least: mins === undefined ? undefined : elements.at(mins, block),
      }
    })
    return {
      values: read.map(({ word }) => Array.from({ length: depth }, (_, i) => joinedValueIn(word, i, packed))),
      scale: read.map(({ scale }) => scale),
      least: mins === undefined ? undefined : read.map(({ least }) => least!),
    }
  }
}

/** The columns of a tile, so many steps at a time as a word holds values. */
export function packedOperand(
  context: ProductContext,
  node: Node,
  packed: Packed,
  layout: OperandLayout,
  columns: readonly Expr[],
): Operand {
  const { b, elements } = context
  const [, matrix, scales, mins] = node.inputs as readonly [Value, Value, Value, Value | undefined]
  const depth = perPackedWord(packed)
  const words = context.words(matrix)!
  return {
    depth,
    read: (k) => {
      const perColumn = columns.map((column) => {
        const at = b.let('at', asExpr(plus(times(column, layout.length), k)))
        const word = b.load(words, at.div(depth))
        const block = b.let('block', at.div(packed.block))
        const scale = elements.at(scales, block)
        const least = mins === undefined ? undefined : elements.at(mins, block)
        return Array.from({ length: depth }, (_, i) => {
          const scaled = valueIn(word, i, packed).mul(scale)
          return b.let('weight', least === undefined ? scaled : scaled.sub(least))
        })
      })
      return Array.from({ length: depth }, (_, i) => perColumn.map((own) => own[i]!))
    },
  }
}

/**
 * One value of a quantised matrix, by its number in [N, K].
 *
 * @param input elements of the product's inputs: x, packed bytes, scales, mins
 */
export function packedElement(b: KernelBuilder, packed: Packed, input: (which: number, index: Expr) => Expr, index: Expr): Expr {
  const perByte = 8 / packed.bits
  const byte = input(1, b.let('byte', perByte === 1 ? index : index.div(perByte)))
  const stored = perByte === 1 ? byte : byte.shr(index.and(1).mul(4)).and(u32(15))
  const block = b.let('block', index.div(packed.block))
  const scaled = stored
    .bits('i32')
    .sub(i32(zeroOf(packed)))
    .to('f32')
    .mul(input(2, block))
  return b.let('weight', packed.hasMins ? scaled.sub(input(3, block)) : scaled)
}
