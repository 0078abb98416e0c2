import { checkBias, checkIds } from '../check.js'
import { SamplingError } from '../errors.js'
import type { SamplerStep } from '../step.js'

/**
 * Adds to the logits of some tokens. −∞ bans a token.
 *
 * @param biases by token id: a record, a map, or pairs. Numbers below +∞, else `VALUE` is thrown
 */
export function logitBias(biases: Readonly<Record<number, number>> | Iterable<readonly [number, number]>): SamplerStep {
  const entries = Symbol.iterator in biases ? [...biases] : Object.entries(biases).map(([id, bias]) => [idOfName(id), bias] as const)
  for (const [id, bias] of entries) {
    checkIds('logitBias', [id])
    checkBias(`logitBias of token ${id}`, bias)
  }
  return {
    name: 'logitBias',
    needsAll: false,
    apply(candidates) {
      for (let i = 0; i < entries.length; i++) {
        const id = entries[i]![0]
        const bias = entries[i]![1]
        const place = candidates.placeOf(id)
        if (place >= 0) {
          candidates.logits[place]! += bias
          candidates.settle(place)
        } else if (bias > 0) candidates.raiseMissing(id)
      }
      candidates.reorder()
    },
  }
}

function idOfName(name: string): number {
  if (/^\d+$/.test(name)) return Number(name)
  throw new SamplingError('VALUE', `logitBias: ${JSON.stringify(name)} is no token id; texts have to be tokenized first`)
}
