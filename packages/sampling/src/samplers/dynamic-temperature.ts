import { checkRange } from '../check.js'
import { SamplingError } from '../errors.js'
import type { SamplerStep } from '../step.js'
import { divideLogits } from './temperature.js'

export interface DynamicTemperatureOptions {
  /** Where one token is certain. From 0 to 1e6. */
  readonly min: number
  /** Where all tokens are equally likely. From `min` to 1e6. */
  readonly max: number
  /** Of the share of the largest entropy that the distribution has. From 0 to 100; default 1. */
  readonly exponent?: number
}

/**
 * A temperature between `min` and `max` by how uncertain the model is: min + (max − min)·(H / ln n)^exponent, for the entropy H over n tokens.
 *
 * Source: "Dynamic temperature", github.com/ggml-org/llama.cpp/pull/4972.
 */
export function dynamicTemperature({ min, max, exponent = 1 }: DynamicTemperatureOptions): SamplerStep {
  checkRange('min', min, 0, 1e6)
  checkRange('max', max, 0, 1e6)
  if (max < min) throw new SamplingError('VALUE', `max must be at least min, got ${max} below ${min}`)
  checkRange('exponent', exponent, 0, 100)
  return {
    name: 'dynamicTemperature',
    apply(candidates) {
      const { size } = candidates
      if (size <= 1) return
      if (!candidates.weigh()) return
      const { weights, total } = candidates
      let entropy = 0
      for (let i = 0; i < size; i++) {
        const p = weights[i]! / total
        if (p > 0) entropy -= p * Math.log(p)
      }
      divideLogits(candidates, min + (max - min) * (entropy / Math.log(size)) ** exponent)
    },
  }
}
