import { checkRange } from '../check.js'
import { SamplingError } from '../errors.js'
import { indexIn } from '../select.js'
import type { SamplerStep } from '../step.js'

export interface AdaptivePOptions {
  /** The probability that chosen tokens are to have on average. From 0 to 1. */
  readonly target: number
  /** How much of the weight of a choice is left at the next: the history is about 1 / (1 − decay) tokens. From 0 to 0.99; default 0.9. */
  readonly decay?: number
}

/** Of the curve by which tokens near the target are preferred: its height, its steepness, and how wide it is. */
const [PEAK, SHARPNESS, WIDTH] = [5, 10, 0.3]

/**
 * Prefers tokens whose probability is near a target, which moves so that the tokens chosen have it on average. Belongs at the end of a chain, behind what takes unusable tokens away.
 *
 * Source: MrJackSpade, "Adaptive-P", github.com/MrJackSpade/adaptive-p-docs, with the constants of llama.cpp.
 */
export function adaptiveP({ target, decay = 0.9 }: AdaptivePOptions): SamplerStep {
  checkRange('target', target, 0, 1)
  checkRange('decay', decay, 0, 0.99)
  const make = (start: History): SamplerStep => {
    let { sum, weight } = start
    let ids = new Int32Array(0)
    let probabilities = new Float64Array(0)
    let size = 0
    return {
      name: 'adaptiveP',
      apply(candidates) {
        if (!candidates.weigh()) return
        const { total } = candidates
        ;({ size } = candidates)
        if (ids.length < size) {
          ids = new Int32Array(size)
          probabilities = new Float64Array(size)
        }
        const wanted = Math.min(1, Math.max(0, weight === 0 ? target : 2 * target - sum / weight))
        for (let i = 0; i < size; i++) {
          ids[i] = candidates.ids[i]!
          const p = (probabilities[i] = candidates.weights[i]! / total)
          if (candidates.logits[i] === -Infinity) continue
          const distance = Math.abs(p - wanted) / WIDTH
          candidates.logits[i] = PEAK - (SHARPNESS * distance * distance) / (1 + distance)
          candidates.settle(i)
        }
        candidates.reorder()
      },
      accept(id) {
        const place = indexIn(ids, size, id)
        if (place < 0) return
        sum = probabilities[place]! + decay * sum
        weight = 1 + decay * weight
        size = 0
      },
      reset() {
        ;({ sum, weight } = beginning(target, decay))
        size = 0
      },
      clone: () => make({ sum, weight }),
      state: () => ({ sum, weight }),
      restore(state) {
        const given = state as Partial<History> | null
        if (typeof given?.sum !== 'number' || typeof given.weight !== 'number')
          throw new SamplingError('STATE', `The state of adaptiveP must have sum and weight, got ${JSON.stringify(state)}`)
        ;({ sum, weight } = given as History)
        size = 0
      },
    }
  }
  return make(beginning(target, decay))
}

interface History {
  readonly sum: number
  readonly weight: number
}

/** As after a long history of the target itself, so that the first choices do not throw it off. */
const beginning = (target: number, decay: number): History => ({ sum: target / (1 - decay), weight: 1 / (1 - decay) })
