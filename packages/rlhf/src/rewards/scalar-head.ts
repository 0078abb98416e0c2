/** Heads to start from. */
import { random } from '@tesserae/core'
import { tensor } from '@tesserae/tensor'
import type { ScalarHead } from './model.js'

/**
 * A head to start a reward model from: normal with variance 1 / (width + 1), as Ziegler et al. (arXiv:1909.08593) start theirs, bias 0. The same seed
 * gives the same values; the caller owns them.
 */
export function initScalarHead(width: number, options: { readonly seed: number | string }): ScalarHead {
  const draw = random(options.seed).stream('scalar head')
  const deviation = 1 / Math.sqrt(width + 1)
  const weight = Float32Array.from({ length: width }, () => deviation * draw.normal())
  return { weight: tensor(weight, { shape: [1, width], adopt: true }), bias: tensor(new Float32Array(1), { shape: [1], adopt: true }) }
}

/** A head that gives 0 everywhere, so that advantages are the returns themselves until values have been learnt. The caller owns it. */
export const zeroHead = (width: number): ScalarHead => ({
  weight: tensor(new Float32Array(width), { shape: [1, width], adopt: true }),
  bias: tensor(new Float32Array(1), { shape: [1], adopt: true }),
})
