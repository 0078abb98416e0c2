import { qmatmul, type Tensor } from '@tesserae/tensor'
import { isPacked, quantizedWeight, type Matrix } from './packed.js'

/**
 * A linear layer's weights. `weight` is [out, in], one row for each output: the layout in which PyTorch, Hugging Face and
 * llama2.c store theirs, so checkpoints are used where they lie; the product takes it transposed by a flag, which costs
 * nothing on any device. Or it is packed in blocks, and stays so: see {@link Matrix}.
 */
export interface LinearWeights<Leaf = Tensor, Weight = Leaf> {
  /** [out, in] */
  readonly weight: Weight
  /** [out] */
  readonly bias?: Leaf
}

/** x · weightᵀ + bias: x [..., in] → [..., out]. */
export function linear({ weight, bias }: LinearWeights<Tensor, Matrix>, x: Tensor): Tensor {
  if (!isPacked(weight)) {
    if (weight.dtype === x.dtype) return x.matmul(weight, { transB: true, ...(bias === undefined ? {} : { bias }) })
    const y = timesTransposed(x, weight)
    return bias === undefined ? y : y.add(bias)
  }
  const y = qmatmul(x, quantizedWeight(weight, x.shape.at(-1) as number))
  return bias === undefined ? y : y.add(bias)
}

/** x · weightᵀ in x's dtype; a product with halves is one of halves, summed in f32. */
export const timesTransposed = (x: Tensor, weight: Tensor): Tensor =>
  weight.dtype === x.dtype ? x.matmul(weight, { transB: true }) : x.cast(weight.dtype).matmul(weight, { transB: true }).cast(x.dtype)
