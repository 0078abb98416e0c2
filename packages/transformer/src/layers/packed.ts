import type { QuantizedWeight, Tensor } from '@tesserae/tensor'
import { TransformerError } from '../errors.js'

/**
 * A matrix [rows, columns] whose weights share scales in blocks, kept so. Bits and blocks are those of {@link QuantizedWeight} and follow from the shapes:
 * packed u8 [rows, columns/block, block · bits/8], scales f32 [rows, columns/block] and, for types that have them, minimums, which are subtracted. Of the matrices of several experts in one, the number of experts
 * stands before the rows.
 */
export interface PackedMatrix<Leaf = Tensor> {
  readonly packed: Leaf
  readonly scales: Leaf
  readonly mins?: Leaf
}

/** A matrix as it may stand in a record of weights: whole, or in blocks. */
export type Matrix<Leaf = Tensor> = Leaf | PackedMatrix<Leaf>

export const isPacked = (matrix: unknown): matrix is PackedMatrix => typeof matrix === 'object' && matrix !== null && 'packed' in matrix

/** What a packed matrix is to tensor's operations. Errors: WEIGHTS where the shapes fit no layout. */
export function quantizedWeight(matrix: PackedMatrix, columns: number): QuantizedWeight {
  const layout = layoutOf(matrix.packed.shape as readonly number[], columns)
  if (layout === undefined)
    throw new TransformerError(
      'WEIGHTS',
      `a matrix with ${columns} columns is packed as ${String(matrix.packed)}; expected blocks of 16 or 32 values of 4 or 8 bits: u8 [rows, columns/block, block · bits/8]`,
    )
  return { ...matrix, ...layout }
}

/** Bits and block of packed values [..., blocks, bytes]; undefined where there are none such. */
export function layoutOf(shape: readonly number[], columns: number): { readonly bits: 4 | 8; readonly block: 16 | 32 } | undefined {
  const [blocks, bytes] = shape.slice(-2)
  const block = columns / (blocks ?? 0)
  const bits = (8 * (bytes ?? 0)) / block
  return (block === 16 || block === 32) && (bits === 4 || bits === 8) ? { bits, block } : undefined
}
