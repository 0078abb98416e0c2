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
    const drawn = new Float64Array(1)
    return {
      name: 'xtc',
      seed: (given) => void (stream = given),
      apply(candidates) {
        stream.fillUniform(drawn)
        if (drawn[0]! >= probability || threshold > 0.5 || candidates.size < 2) return
        if (!candidates.weigh()) return
        const { weights, size, total } = candidates
        const least = Math.fround(threshold)
        // Of equally unlikely ones the last in the order of falling logits stays, that with the highest id.
        let stays = -1
        for (let i = 0; i < size; i++)
          if (Math.fround(weights[i]! / total) >= least && (stays < 0 || weights[i]! <= weights[stays]!)) stays = i
        if (stays < 0) return
        let kept = 0
        for (let i = 0; i < size; i++) if (i === stays || Math.fround(weights[i]! / total) < least) candidates.move(i, kept++)
        candidates.size = kept
      },
      clone: () => make(restoreRandom(stream.state())),
      state: () => stream.state(),
      restore: (state) => void (stream = restoreRandom(state as RandomState)),
    }
  }
  return make(random(0))
}
