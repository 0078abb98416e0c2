import { checkInteger } from '../check.js'
import { MAX_VOCABULARY } from '../select.js'
import type { SamplerStep } from '../step.js'

/**
 * Keeps the `count` most likely tokens; of equally likely ones those with the lowest ids. 0 keeps all.
 *
 * Source: A. Fan, M. Lewis, Y. Dauphin, "Hierarchical Neural Story Generation", ACL 2018.
 *
 * @param count an integer from 0 to 2^21, else `VALUE` is thrown
 */
export function topK(count: number): SamplerStep {
  checkInteger('topK', count, 0, MAX_VOCABULARY)
  return {
    name: 'topK',
    needsAll: false,
    ...(count > 0 ? { keeps: count } : {}),
    apply(candidates) {
      if (count > 0) candidates.keepTop(count)
    },
  }
}
