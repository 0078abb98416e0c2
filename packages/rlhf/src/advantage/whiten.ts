import type { Tensor } from '@tesserae/tensor'
import { maskedMean, maskedVariance } from '../losses/aggregate.js'

export interface WhitenOptions {
  /** Bring the mean to 0; default true. False keeps it, as for rewards, whose sign means something. */
  readonly shift?: boolean
  /** 1 (default, Bessel's) divides the squares by n − 1 as TRL does, 0 by n. */
  readonly correction?: number
  /** Added to the variance; default 1e-8. */
  readonly eps?: number
}

/**
 * Values scaled to variance 1, and mean 0 unless told otherwise; mean and variance are those of the unmasked ones. values and mask [B, T]. What is
 * masked is scaled along: mask the result again before use. At least two values must be unmasked.
 */
export function whiten(values: Tensor, mask: Tensor, options: WhitenOptions = {}): Tensor {
  const { shift = true, correction = 1, eps = 1e-8 } = options
  const mean = maskedMean(values, mask)
  const scaled = values.sub(mean).mul(maskedVariance(values, mask, { correction }).add(eps).rsqrt())
  return shift ? scaled : scaled.add(mean)
}
