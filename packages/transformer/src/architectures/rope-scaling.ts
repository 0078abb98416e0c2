/** How rotary angles are stretched for a longer context than a model was first trained with. */

/**
 * `linear`: all angles divided by a factor; `divided`: each by its own. `llama3`, as Llama 3.1: those that turn slowly, by how often they turn in the
 * first context. `yarn` (Peng et al., arXiv:2309.00071): the same between two bounds of pairs, and cosines and sines grow. `longrope` (Ding et
 * al., arXiv:2402.13753): each by its own divisor, and by another when the context is longer than the first.
 */
export type RopeScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  | { readonly kind: 'divided'; readonly divisors: readonly number[] }
  | {
      readonly kind: 'llama3'
      readonly factor: number
      /** Angles that turn at most this often in the first context are divided by the factor. */
      readonly lowFrequency: number
      /** Those that turn at least this often stay as they are, and between the two it passes over. */
      readonly highFrequency: number
      /** Tokens of the first context. */
      readonly context: number
    }
  | {
      readonly kind: 'yarn'
      readonly factor: number
      /** Tokens of the first context. */
      readonly context: number
      /** Pairs that turn more often than this in the first context stay as they are; default 32. */
      readonly betaFast?: number
      /** Pairs that turn less often than this are divided by the factor; default 1. */
      readonly betaSlow?: number
      /** What cosines and sines are multiplied by; default 0.1 · ln(factor) + 1. */
      readonly attentionFactor?: number
      /** Whether the bounds between the two are whole pairs; default true. */
      readonly truncate?: boolean
    }
  | {
      readonly kind: 'longrope'
      /** Divisors up to the first context, and beyond it. */
      readonly short: readonly number[]
      readonly long: readonly number[]
      /** Tokens of the first context. */
      readonly context: number
      /** What cosines and sines are multiplied by. */
      readonly attentionFactor: number
    }

/** What errors say is expected. */
export const ropeScalingKinds =
  "{ kind: 'linear', factor }, { kind: 'divided', divisors }, { kind: 'llama3', factor, lowFrequency, highFrequency, context }, { kind: 'yarn', factor, context } or { kind: 'longrope', short, long, context, attentionFactor }, factors of at least 1"

/** Whether a value, of whatever origin, scales `pairs` pairs of entries; divisors of another number are told apart by `divisorsOf`. */
export function isRopeScaling(value: unknown): value is RopeScaling {
  if (typeof value !== 'object' || value === null) return false
  const { kind, factor, divisors, lowFrequency, highFrequency, context, betaFast, betaSlow, attentionFactor, truncate, short, long } =
    value as Record<string, unknown>
  const isAbove = (one: unknown, least: number): one is number => typeof one === 'number' && Number.isFinite(one) && one > least
  const isList = (one: unknown): boolean => Array.isArray(one) && one.every((divisor) => isAbove(divisor, 0))
  const isLength = (one: unknown): boolean => isAbove(one, 0) && one >= 1
  const orNothing = (one: unknown, least: number): boolean => one === undefined || isAbove(one, least)
  if (kind === 'divided') return isList(divisors)
  if (kind === 'longrope') return isList(short) && isList(long) && isLength(context) && isAbove(attentionFactor, 0)
  if (!isLength(factor)) return false
  if (kind === 'linear') return true
  if (!isLength(context)) return false
  if (kind === 'llama3') return isAbove(lowFrequency, 0) && isAbove(highFrequency, lowFrequency)
  if (kind !== 'yarn') return false
  const flags = truncate === undefined || typeof truncate === 'boolean'
  return flags && [betaFast, betaSlow, attentionFactor].every((one) => orNothing(one, 0))
}

/** The lists of divisors of a scaling, each of which has one for each pair. */
export const divisorsOf = (scaling: RopeScaling): readonly (readonly number[])[] =>
  scaling.kind === 'divided' ? [scaling.divisors] : scaling.kind === 'longrope' ? [scaling.short, scaling.long] : []

export interface RopeAngles {
  /** Step of each pair's angle from one position to the next. */
  readonly steps: Float64Array
  /** What cosines and sines are multiplied by. */
  readonly amplitude: number
}

/**
 * Angles of rotary positions: pair i of `width` / 2 turns by base^(−2i/width) from one position to the next, stretched as `scaling` says for sequences of up to
 * `context` tokens. Sources: the papers above; of 'llama3' the released code of Llama 3.1, https://github.com/meta-llama/llama-models.
 */
export function ropeAngles(options: {
  readonly width: number
  readonly base: number
  readonly context: number
  readonly scaling?: RopeScaling | undefined
}): RopeAngles {
  const { width, base, context, scaling } = options
  const plain = Float64Array.from({ length: width / 2 }, (_, i) => base ** ((-2 * i) / width))
  if (scaling === undefined) return { steps: plain, amplitude: 1 }
  switch (scaling.kind) {
    case 'linear':
      return { steps: plain.map((step) => step / scaling.factor), amplitude: 1 }
    case 'divided':
      return { steps: plain.map((step, i) => step / scaling.divisors[i]!), amplitude: 1 }
    case 'longrope': {
      const divisors = context > scaling.context ? scaling.long : scaling.short
      return { steps: plain.map((step, i) => step / divisors[i]!), amplitude: scaling.attentionFactor }
    }
    case 'llama3': {
      const { factor, lowFrequency, highFrequency } = scaling
      const kept = (step: number): number => ((scaling.context * step) / (2 * Math.PI) - lowFrequency) / (highFrequency - lowFrequency)
      return { steps: plain.map((step) => mixed(step, factor, kept(step))), amplitude: 1 }
    }
    case 'yarn': {
      const { factor, betaFast = 32, betaSlow = 1, truncate = true, attentionFactor = 0.1 * Math.log(factor) + 1 } = scaling
      // The pair, as a real number, that turns so many times in the first context.
      const pairOf = (turns: number): number => (width * Math.log(scaling.context / (turns * 2 * Math.PI))) / (2 * Math.log(base))
      const [first, last] = [pairOf(betaFast), pairOf(betaSlow)]
      const low = Math.max(0, truncate ? Math.floor(first) : first)
      const high = Math.min(width - 1, truncate ? Math.ceil(last) : last)
      const span = high === low ? 0.001 : high - low
      return { steps: plain.map((step, i) => mixed(step, factor, 1 - (i - low) / span)), amplitude: attentionFactor }
    }
    default:
      return scaling satisfies never
  }
}

/** A step of which a share, cut to 0 … 1, is kept and the rest divided. */
function mixed(step: number, factor: number, share: number): number {
  const kept = Math.min(1, Math.max(0, share))
  return kept * step + (1 - kept) * (step / factor)
}
