import { TransformerError } from '../errors.js'

/** Learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number

export interface CosineOptions {
  /** Highest rate, reached after the warm-up. */
  readonly peak: number
  /** Rate at the end and after it; default a tenth of the peak. */
  readonly floor?: number
  /** Steps over which the rate rises from 0; default 0. */
  readonly warmup?: number
  /** Step at which the floor is reached. */
  readonly decay: number
}

/** A linear rise, then half a cosine down to the floor (Loshchilov and Hutter, arXiv:1608.03983, with nanoGPT's conventions). */
export function cosineSchedule(options: CosineOptions): Schedule {
  const { peak, floor = peak / 10, warmup = 0, decay } = options
  if (!(peak > 0) || !(floor >= 0) || !Number.isInteger(warmup) || warmup < 0 || !(decay >= warmup))
    throw new TransformerError(
      'OPTION',
      `cosineSchedule: expected peak > 0, floor ≥ 0 and 0 ≤ warmup ≤ decay, got ${JSON.stringify({ peak, floor, warmup, decay })}`,
    )
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / (warmup + 1)
    if (step >= decay) return floor
    const progress = (step - warmup) / (decay - warmup)
    return floor + 0.5 * (1 + Math.cos(Math.PI * progress)) * (peak - floor)
  }
}

/** The schedule that an option stands for; `name` is the function that was given it. Errors: OPTION. */
export function scheduleOf(
  learningRate: number | Schedule | undefined,
  { name, fallback }: { readonly name: string; readonly fallback: () => Schedule },
): Schedule {
  if (typeof learningRate === 'function') return learningRate
  if (learningRate === undefined) return fallback()
  if (!(learningRate >= 0)) throw new TransformerError('OPTION', `${name}: learningRate must be at least 0, got ${learningRate}`)
  return () => learningRate
}
