/** The sampler of one answer: what may come, and the caller's settings. */
import { samplerChain } from '@tesserae/sampling'
import type { SamplerLike } from '../generate/types.js'
import type { Constraint } from './constraint.js'
import { isSampler, samplingSteps, type LmSampling } from './sampling.js'

export interface Chooser {
  readonly sampler: SamplerLike
  /** Whether the answer is complete though no token says so: then the token that was chosen last is none. */
  readonly isComplete: () => boolean
}

export interface ChooserOptions {
  /** Of the tokens that it will be told of, how many are the prompt's. */
  readonly promptTokens: number
  readonly constraint: Constraint | undefined
  /** Ids from here on have no text, and are not chosen. */
  readonly vocabulary: number
}

/**
 * @throws SamplingError `VALUE` for settings out of range
 */
export function makeChooser(given: LmSampling | SamplerLike, { promptTokens, constraint, vocabulary }: ChooserOptions): Chooser {
  const sampler = isSampler(given) ? given : samplerChain(samplingSteps(given, promptTokens), given)
  const known = (logits: Float32Array): Float32Array => (logits.length > vocabulary ? logits.subarray(0, vocabulary) : logits)
  if (constraint === undefined)
    return {
      isComplete: () => false,
      sampler: {
        choose: (logits) => sampler.choose(known(logits)),
        accept: (id) => sampler.accept?.(id),
        topCount: () => sampler.topCount?.(),
        // Of the highest, those that are not known cannot be told apart from those below.
        chooseTop: (top) => (top.vocabulary > vocabulary ? undefined : sampler.chooseTop?.(top)),
      },
    }
  let masked = new Float32Array(0)
  let accepted = 0
  let complete = false
  return {
    isComplete: () => complete,
    sampler: {
      choose(all) {
        const logits = known(all)
        if (masked.length !== logits.length) masked = new Float32Array(logits.length)
        masked.set(logits)
        if (constraint.apply(masked)) return sampler.choose(masked)
        complete = true
        return 0
      },
      accept(id) {
        sampler.accept?.(id)
        if (accepted++ >= promptTokens && !complete) constraint.accept(id)
      },
    },
  }
}
