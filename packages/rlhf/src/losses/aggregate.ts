/** From values of tokens to one number. Which average is taken is a choice that libraries make silently; here it is named. */
import type { Tensor } from '@tesserae/tensor'
import { checkSameShape } from './loss.js'

/** Σ m·x / Σ m over everything, or along `axis`. values and mask [B, T]; the mask is bool or 0 and 1. NaN where nothing is unmasked. */
export function maskedMean(values: Tensor, mask: Tensor, options: { readonly axis?: number } = {}): Tensor {
  checkSameShape('maskedMean', { values, mask })
  const weights = mask.cast(values.dtype)
  const { axis } = options
  return axis === undefined ? values.mul(weights).sum().div(weights.sum()) : values.mul(weights).sum(axis).div(weights.sum(axis))
}

/** Mean squared distance of the unmasked values from their mean: a scalar. `correction` 1 (default, Bessel's) divides by Σ m − 1, 0 by Σ m. */
export function maskedVariance(values: Tensor, mask: Tensor, options: { readonly correction?: number } = {}): Tensor {
  const weights = mask.cast(values.dtype)
  const centred = values.sub(maskedMean(values, mask))
  return centred
    .square()
    .mul(weights)
    .sum()
    .div(weights.sum().sub(options.correction ?? 1))
}

export interface AggregateOptions {
  /**
   * `tokens`: Σ m·x / count, every token of the step weighs the same (bnpo, DAPO; also Dr. GRPO when count is B · longest, arXiv:2503.20783).
   * `sequences`: the mean over sequences of their token means (GRPO as published, arXiv:2402.03300), so that tokens of long sequences weigh less.
   * Default `tokens`.
   */
  readonly reduction?: 'tokens' | 'sequences'
  /** Tokens, or sequences, of the whole optimiser step; default those of this batch. */
  readonly count?: Tensor | number
}

/** One number for values [B, T] under a mask [B, T]. Padding never changes it; a sequence without unmasked tokens adds 0. */
export function aggregate(values: Tensor, mask: Tensor, options: AggregateOptions = {}): Tensor {
  checkSameShape('aggregate', { values, mask })
  const { reduction = 'tokens', count } = options
  const weights = mask.cast(values.dtype)
  const perRow = values.mul(weights).sum(-1)
  const tokens = weights.sum(-1)
  const [total, own] =
    reduction === 'tokens' ? [perRow.sum(), tokens.sum()] : [perRow.div(tokens.maximum(1)).sum(), tokens.gt(0).cast(values.dtype).sum()]
  if (count === undefined) return total.div(own)
  return typeof count === 'number' ? total.mul(1 / count) : total.div(count.cast(values.dtype))
}
