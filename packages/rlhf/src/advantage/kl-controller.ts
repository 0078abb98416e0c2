import { RlhfError } from '../errors.js'

export interface AdaptiveKlOptions {
  /** Divergence to steer to, in nats per sequence; default 6. */
  readonly target?: number
  /** Samples over which the coefficient may change by its own size times the error; default 10,000. */
  readonly horizon?: number
}

/**
 * The next coefficient of the KL penalty: β·(1 + e·n/horizon) with e = clip(kl/target − 1, ±0.2) (Ziegler et al., arXiv:1909.08593). `kl` is the mean
 * divergence of the n `samples` that were seen with the coefficient `current`.
 */
export function adaptKl(
  current: number,
  { kl, samples, target = 6, horizon = 10_000 }: AdaptiveKlOptions & { readonly kl: number; readonly samples: number },
): number {
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1))
  return current * (1 + (error * samples) / horizon)
}

/** Holds the coefficient of the KL penalty, and moves it after each batch of samples. */
export interface KlController {
  /** The coefficient for the next batch: all of its state, to be saved and given back as `initial`. */
  readonly value: number
  /** Tells it the mean divergence of `samples` sequences. */
  update(kl: number, samples: number): void
}

/** A coefficient that stays as it is. Errors: OPTION below 0. */
export function fixedKl(value: number): KlController {
  if (!(value >= 0) || !Number.isFinite(value)) throw new RlhfError('OPTION', `fixedKl: the coefficient must be at least 0, got ${value}`)
  return { value, update: () => undefined }
}

/** A coefficient that steers the divergence to a target, see {@link adaptKl}. `initial` defaults to 0.15. Errors: OPTION. */
export function adaptiveKl(options: AdaptiveKlOptions & { readonly initial?: number } = {}): KlController {
  const { initial = 0.15, target = 6, horizon = 10_000 } = options
  for (const [name, given] of Object.entries({ initial, target, horizon }))
    if (!(given > 0) || !Number.isFinite(given)) throw new RlhfError('OPTION', `adaptiveKl: ${name} must be a number above 0, got ${given}`)
  let value = initial
  return {
    get value() {
      return value
    },
    update(kl, samples) {
      if (!Number.isFinite(kl))
        throw new RlhfError('OPTION', `adaptiveKl: the divergence is ${kl}; check the log-probabilities of both models`)
      value = adaptKl(value, { kl, samples, target, horizon })
    },
  }
}
