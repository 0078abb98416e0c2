/** Weights in blocks of 32 values that share a scale, decoded where a product reads them: the matrix they stand for is never in memory. The layout is that of `ops/quant.ts`. */
import type { Node, Value } from '../../graph/node.js'
import type { KernelBuilder } from '../builder.js'
import { i32, u32 } from '../builder.js'
import type { Expr } from '../ir.js'
import { asExpr, plus, times } from './indexing.js'
import type { Operand, OperandLayout, ProductContext } from './products.js'

/** What is known of a quantised matrix [N, K]. */
export interface Packed {
  readonly bits: 4 | 8
  readonly hasMins: boolean
}

const BLOCK = 32
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
  const words = context.words(matrix)
  return {
    depth,
    read: (k) => {
      const perColumn = columns.map((column) => {
        const at = b.let('at', asExpr(plus(times(column, layout.length), k)))
        const word = b.load(words, at.div(depth))
        const block = b.let('block', at.div(BLOCK))
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
  const block = b.let('block', index.div(BLOCK))
  const scaled = stored
    .bits('i32')
    .sub(i32(zeroOf(packed)))
    .to('f32')
    .mul(input(2, block))
  return b.let('weight', packed.hasMins ? scaled.sub(input(3, block)) : scaled)
}
