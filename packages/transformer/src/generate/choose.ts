import type { SamplerLike } from './types.js'

/** The most likely token each time; the lowest id among equals. */
export const greedySampler: SamplerLike = {
  choose(logits) {
    let best = 0
    for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
    return best
  },
}

/** log softmax(logits / temperature)[id], accumulated in double precision. */
export function logprobOf(logits: Float32Array, id: number, temperature = 1): number {
  let peak = -Infinity
  for (const logit of logits) if (logit > peak) peak = logit
  let sum = 0
  for (const logit of logits) sum += Math.exp((logit - peak) / temperature)
  return (logits[id]! - peak) / temperature - Math.log(sum)
}
