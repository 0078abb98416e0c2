/**
 * Loss as a function of parameters and tokens, and what follows for a budget: the parametric law of Hoffmann et al., "Training
 * Compute-Optimal Large Language Models" (arXiv:2203.15556), approach 3.
 */
import { TransformerError } from '../errors.js'

/** L(N, D) = E + A / N^α + B / D^β, in nats per token of the corpus it was fitted on. */
export interface ChinchillaLaw {
  /** Loss that no model and no amount of data goes below. */
  readonly E: number
  readonly A: number
  readonly B: number
  readonly alpha: number
  readonly beta: number
}

/** Coefficients as the paper prints them (arXiv:2203.15556, equation 10): MassiveText, models of 44M to 16B parameters. */
export const chinchillaPaper: ChinchillaLaw = { E: 1.69, A: 406.4, B: 410.7, alpha: 0.34, beta: 0.28 }

/**
 * The same runs fitted again by Besiroglu, Erdil, Barnett and You, "Chinchilla Scaling: A replication attempt" (arXiv:2404.10102), who found that
 * the printed coefficients do not minimise the paper's own objective. The better choice for predictions.
 */
export const chinchillaEpoch: ChinchillaLaw = { E: 1.8172, A: 482.01, B: 2085.43, alpha: 0.3478, beta: 0.3658 }

/** Predicted loss in nats per token. `parameters` N and `tokens` D above 0; Infinity asks for a limit. Errors: OPTION. */
export function predictLoss(law: ChinchillaLaw, { parameters, tokens }: { readonly parameters: number; readonly tokens: number }): number {
  positive('predictLoss', { parameters, tokens })
  return law.E + law.A / parameters ** law.alpha + law.B / tokens ** law.beta
}

/** One point of a plan. */
export interface Allocation {
  /** N */
  readonly parameters: number
  /** D */
  readonly tokens: number
  /** 6 · N · D */
  readonly flops: number
  /** Predicted, in nats per token. */
  readonly loss: number
}

/**
 * The parameters and tokens that reach the lowest loss for a budget of C floating-point operations, with C = 6ND: N = G · (C/6)^(β/(α+β)) and
 * D = (C/6) / N, where G = (αA / βB)^(1/(α+β)). Errors: OPTION.
 */
export function optimalAllocation(law: ChinchillaLaw, flops: number): Allocation {
  positive('optimalAllocation', { flops })
  const parameters = spread(law) * (flops / 6) ** (law.beta / (law.alpha + law.beta))
  return allocation(law, parameters, flops / 6 / parameters)
}

/** Tokens for which a model of N parameters is the best use of its budget. Errors: OPTION. */
export function optimalTokens(law: ChinchillaLaw, parameters: number): number {
  positive('optimalTokens', { parameters })
  return (parameters / spread(law)) ** ((law.alpha + law.beta) / law.beta) / parameters
}

/** Parameters of the model for which D tokens are the best use of its budget. Errors: OPTION. */
export function optimalParameters(law: ChinchillaLaw, tokens: number): number {
  positive('optimalParameters', { tokens })
  return (tokens * spread(law)) ** ((law.alpha + law.beta) / law.alpha) / tokens
}

/** N, D, their cost and their loss. */
export const allocation = (law: ChinchillaLaw, parameters: number, tokens: number): Allocation => ({
  parameters,
  tokens,
  flops: 6 * parameters * tokens,
  loss: predictLoss(law, { parameters, tokens }),
})

/** G of the closed form. */
const spread = ({ A, B, alpha, beta }: ChinchillaLaw): number => ((alpha * A) / (beta * B)) ** (1 / (alpha + beta))

/**
 * Optimal tokens by model size as read off the envelope of training curves: the paper's approach 1 (arXiv:2203.15556, table 3), its most direct
 * measurement. Pairs of parameters and tokens.
 */
export const chinchillaTable: readonly (readonly [parameters: number, tokens: number])[] = [
  [400e6, 8.0e9],
  [1e9, 20.2e9],
  [10e9, 205.1e9],
  [67e9, 1.5e12],
  [175e9, 3.7e12],
  [280e9, 5.9e12],
  [520e9, 11.0e12],
  [1e12, 21.2e12],
  [10e12, 216.2e12],
]

/**
 * Optimal tokens for a model size by that table: straight lines between its points in logarithms, and on past its ends. About 20 tokens for each
 * parameter throughout. Errors: OPTION.
 */
export function tableTokens(parameters: number): number {
  positive('tableTokens', { parameters })
  const after = chinchillaTable.findIndex(([size], i) => i > 0 && size >= parameters)
  const upper = after < 0 ? chinchillaTable.length - 1 : after
  const [n0, d0] = chinchillaTable[upper - 1]!
  const [n1, d1] = chinchillaTable[upper]!
  return d0 * (d1 / d0) ** (Math.log(parameters / n0) / Math.log(n1 / n0))
}

/** Refuses what is not above 0. */
export function positive(where: string, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values))
    if (!(value > 0)) throw new TransformerError('OPTION', `${where}: ${name} must be a number above 0, got ${value}`)
}
