import type { DecoderConfig } from '../architectures/config.js'
import { countParameters, flopsPerToken } from '../architectures/count.js'
import { TransformerError } from '../errors.js'
import {
  allocation,
  chinchillaEpoch,
  optimalAllocation,
  optimalParameters,
  optimalTokens,
  positive,
  type Allocation,
  type ChinchillaLaw,
} from './chinchilla.js'

/** What is fixed: one of the three, and the other two follow; or two of them. */
export interface Budget {
  /** Floating-point operations of the whole training. */
  readonly flops?: number
  readonly parameters?: number
  readonly tokens?: number
}

export interface TrainingPlan extends Allocation {
  readonly tokensPerParameter: number
  /** The lowest loss that the same operations reach, and the parameters that reach it: how much a fixed choice gives away. */
  readonly optimum: Allocation
}

/**
 * Fills in a budget. With operations alone: the split with the lowest predicted loss. With parameters, or tokens, alone: the amount of the other at
 * which that choice is optimal. With two of them: the third, by C = 6ND.
 *
 * The law speaks of models of 44M to 16B parameters on web text with a vocabulary of 32,000; far from there it is a guess. Errors:
 * OPTION for none or all three, or values not above 0.
 *
 * @example
 * planTraining({ flops: 5.76e23 }) // Gopher's budget: about 73 billion parameters, 1.3 trillion tokens by Epoch's coefficients
 */
export function planTraining(budget: Budget, options: { readonly law?: ChinchillaLaw } = {}): TrainingPlan {
  const { law = chinchillaEpoch } = options
  const { flops, parameters, tokens } = budget
  const given = Object.entries({ flops, parameters, tokens }).filter((entry): entry is [string, number] => entry[1] !== undefined)
  if (given.length === 0 || given.length === 3)
    throw new TransformerError(
      'OPTION',
      `planTraining: give one or two of flops, parameters and tokens, got ${given.length === 0 ? 'none' : 'all three'}; the others follow from C = 6ND`,
    )
  positive('planTraining', Object.fromEntries(given))
  const plan =
    parameters !== undefined
      ? allocation(law, parameters, tokens ?? (flops === undefined ? optimalTokens(law, parameters) : flops / 6 / parameters))
      : tokens !== undefined
        ? allocation(law, flops === undefined ? optimalParameters(law, tokens) : flops / 6 / tokens, tokens)
        : optimalAllocation(law, flops!)
  return { ...plan, tokensPerParameter: plan.tokens / plan.parameters, optimum: optimalAllocation(law, plan.flops) }
}

export interface TrainingCost {
  /** Everything that is trained, and the part that scaling laws count (without embeddings and positions). */
  readonly parameters: number
  readonly bodyParameters: number
  /** 6 · parameters · tokens, with all parameters: the rule that Chinchilla's law is fitted with. */
  readonly estimatedFlops: number
  /** Every matrix product, forward and backward, attention at the full context included. */
  readonly flops: number
}

/** What training a configuration on so many tokens costs, by the rule 6ND and product by product. Errors: CONFIG of the counting, OPTION. */
export function trainingCost(config: DecoderConfig, tokens: number): TrainingCost {
  positive('trainingCost', { tokens })
  const { total, body } = countParameters(config)
  return {
    parameters: total,
    bodyParameters: body,
    estimatedFlops: 6 * total * tokens,
    flops: flopsPerToken(config, { training: true }) * tokens,
  }
}
