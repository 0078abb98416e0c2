import { random } from '@tesserae/core'
import { RagError } from '../errors.js'

export interface BootstrapOptions {
  /** Resamples; default 2,000. */
  readonly samples?: number
  /** Share of the resamples that the interval covers; default 0.95. */
  readonly confidence?: number
  /** The same seed gives the same interval. Default 0. */
  readonly seed?: number | string
}

/** A mean and where it would lie for other questions of the same kind. */
export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

/**
 * The mean of numbers with a percentile bootstrap interval: means of resamples drawn with replacement.
 *
 * Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
 *
 * Errors: DATA for none and for what is not finite.
 */
export function meanInterval(values: readonly number[], { samples = 2000, confidence = 0.95, seed = 0 }: BootstrapOptions = {}): Interval {
  if (values.length === 0) throw new RagError('DATA', 'There is no mean of no values: no question has a relevant document')
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) throw new RagError('DATA', `A mean needs finite values; number ${bad} is ${values[bad]}`)
  if (!Number.isInteger(samples) || samples < 1) throw new RagError('OPTION', `samples must be a positive integer, got ${samples}`)
  if (!(confidence > 0 && confidence < 1)) throw new RagError('OPTION', `confidence must lie between 0 and 1, got ${confidence}`)
  const stream = random(seed).stream('bootstrap')
  const means = new Float64Array(samples)
  for (let s = 0; s < samples; s++) {
    let sum = 0
    for (let i = 0; i < values.length; i++) sum += values[stream.int(values.length)]!
    means[s] = sum / values.length
  }
  means.sort()
  const quantile = (share: number) => {
    const at = share * (samples - 1)
    const below = means[Math.floor(at)]!
    return below + (at - Math.floor(at)) * (means[Math.ceil(at)]! - below)
  }
  const tail = (1 - confidence) / 2
  return { mean: values.reduce((sum, value) => sum + value, 0) / values.length, low: quantile(tail), high: quantile(1 - tail) }
}
