/** Sampling as plain data, so that it can be sent to a worker or a server, and the steps that it describes. */
import { logitBias, minP, penalties, temperature, topK, topP, type SamplerOptions, type SamplerStep } from '@tesserae/sampling'
import { TransformerError } from '../errors.js'
import type { SamplerLike } from '../generate/types.js'

/** Settings of a sampler: those of `sampler` in `@tesserae/sampling`, and what is done to the logits before. */
export interface LmSampling extends SamplerOptions {
  /** Logits of tokens that came before, in the prompt or the answer, are divided by it where positive, else multiplied. Default 1. */
  readonly repetitionPenalty?: number
  /** Subtracted from a token's logit once for each time it came in the answer. Default 0. */
  readonly frequencyPenalty?: number
  /** Subtracted from a token's logit where it came in the answer. Default 0. */
  readonly presencePenalty?: number
  /** Added to logits, by token id. */
  readonly logitBias?: Readonly<Record<number, number>>
}

/** True for an object that chooses, false for settings. */
export const isSampler = (sampler: LmSampling | SamplerLike): sampler is SamplerLike =>
  'choose' in sampler && typeof sampler.choose === 'function'

/** The settings, where only these can be used. Errors: UNSUPPORTED for an object that chooses. */
export function samplingOf(sampler: LmSampling | SamplerLike | undefined, where: string): LmSampling {
  if (sampler !== undefined && (typeof sampler !== 'object' || sampler === null))
    throw new TransformerError('OPTION', `sampler is settings such as { temperature: 0.8 }, got ${String(sampler)}`)
  if (sampler === undefined || !isSampler(sampler)) return sampler ?? {}
  throw new TransformerError(
    'UNSUPPORTED',
    `${where} takes settings of a sampler such as { temperature: 0.8 }, not an object that chooses: that one cannot be sent`,
  )
}

/**
 * Steps of settings: bias, repetition, frequency and presence, then as `sampler` has them: top-k, top-p, min-p, temperature.
 *
 * @param promptTokens of the tokens that will be accepted, how many are the prompt's
 * @throws SamplingError `VALUE` for settings out of range
 */
export function samplingSteps(settings: LmSampling, promptTokens: number): SamplerStep[] {
  const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = settings
  const given = <T>(value: T | undefined, step: (value: T) => SamplerStep): SamplerStep[] => (value === undefined ? [] : [step(value)])
  return [
    ...given(settings.logitBias, logitBias),
    ...(repetitionPenalty === 1 ? [] : [penalties({ repeat: repetitionPenalty, lastN: -1 })]),
    ...(frequencyPenalty === 0 && presencePenalty === 0
      ? []
      : [penalties({ frequency: frequencyPenalty, presence: presencePenalty, lastN: -1, prompt: promptTokens })]),
    ...given(settings.topK, topK),
    ...given(settings.topP, topP),
    ...given(settings.minP, minP),
    ...given(settings.temperature, temperature),
  ]
}
