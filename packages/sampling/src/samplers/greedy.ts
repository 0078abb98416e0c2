import type { SamplerStep } from '../step.js'

/** Keeps the most likely token; of equally likely ones that with the lowest id. */
export function greedy(): SamplerStep {
  return { name: 'greedy', needsAll: false, keeps: 1, apply: (candidates) => candidates.keepFirstMax() }
}
