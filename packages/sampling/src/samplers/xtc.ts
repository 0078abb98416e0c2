import { random, restoreRandom, type RandomState, type RandomStream } from '@tesserae/core'
import { checkRange } from '../check.js'
import type { SamplerStep } from '../step.js'

export interface XtcOptions {
  /** How often it does anything, from 0 to 1; default 0.5. */
  readonly probability?: number
  /** Tokens at least this likely are the choices of which only the least likely stays. From 0 to 1, and above 0.5 there is never more than one; default 0.1. */
  readonly threshold?: number
}

/**
 * Now and then takes all likely tokens away but the least likely of them, so that a text leaves the beaten track. Draws random numbers of its own.
 *
 * Source: p-e-w, "Exclude Top Choices (XTC)", github.com/oobabooga/text-generation-webui/pull/6335.
 */
export function xtc(options: XtcOptions = {}): SamplerStep {
  const { probability = 0.5, threshold = 0.1 } = options
  checkRange('probability', probability, 0, 1)
  checkRange('threshold', threshold, 0, 1)
  const make = (own: RandomStream): SamplerStep => {
    let stream = own
    return {
      name: 'xtc',
      seed: (given) => void (stream = given),
      apply(candidates) {
        const acts = stream.uniform() < probability
        if (!acts || threshold > 0.5 || candidates.size < 2) return
        const total = candidates.weigh()
        if (!(total > 0)) return
        const { weights, size } = candidates
        const isLikely = (i: number): boolean => Math.fround(weights[i]! / total) >= Math.fround(threshold)
        // Of equally unlikely ones the last in the order of falling logits stays, that with the highest id.
        let stays = -1
        for (let i = 0; i < size; i++) if (isLikely(i) && (stays < 0 || weights[i]! <= weights[stays]!)) stays = i
        if (stays >= 0) candidates.keepWhere((i) => i === stays || !isLikely(i))
      },
      clone: () => make(restoreRandom(stream.state())),
      state: () => stream.state(),
      restore: (state) => void (stream = restoreRandom(state as RandomState)),
    }
  }
  return make(random(0))
}
