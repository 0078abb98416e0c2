import type { Tensor } from '@tesserae/tensor'

/**
 * A linear layer's weights. `weight` is [out, in], one row for each output: the layout in which PyTorch, Hugging Face and
 * llama2.c store theirs, so checkpoints are used where they lie; the product takes it transposed by a flag, which costs
 * nothing on any device.
 */
export interface LinearWeights<Leaf = Tensor> {
  /** [out, in] */
  readonly weight: Leaf
  /** [out] */
  readonly bias?: Leaf
}

/** x · weightᵀ + bias: x [..., in] → [..., out]. */
export const linear = (weights: LinearWeights, x: Tensor): Tensor =>
  x.matmul(weights.weight, { transB: true, ...(weights.bias === undefined ? {} : { bias: weights.bias }) })
