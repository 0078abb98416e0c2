/**
 * The power laws of Kaplan et al., "Scaling Laws for Neural Language Models" (arXiv:2001.08361), for decoders on WebText2 with a vocabulary of 50,257.
 * Parameters are counted without embeddings; losses are in nats per token.
 */
import { positive } from './chinchilla.js'

/** One PF-day: 10^15 operations a second for a day. */
export const pfDay = 1e15 * 86_400

/** L(N) = (8.8e13 / N)^0.076: a model of N non-embedding parameters on data without end, trained to convergence (equation 1.1). */
export function kaplanLossOfParameters(parameters: number): number {
  positive('kaplanLossOfParameters', { parameters })
  return (8.8e13 / parameters) ** 0.076
}

/** L(D) = (5.4e13 / D)^0.095: a large model on D tokens, stopped early (equation 1.2). */
export function kaplanLossOfTokens(tokens: number): number {
  positive('kaplanLossOfTokens', { tokens })
  return (5.4e13 / tokens) ** 0.095
}

/** L(C) = (3.1e8 / C)^0.050 with C in PF-days, the best split of it between model and steps (equation 1.3). Takes floating-point operations. */
export function kaplanLossOfFlops(flops: number): number {
  positive('kaplanLossOfFlops', { flops })
  return (3.1e8 / (flops / pfDay)) ** 0.05
}

/** L(N, D) = [(N_c / N)^(α_N / α_D) + D_c / D]^α_D with table 2's fit: α_N 0.076, α_D 0.103, N_c 6.4e13, D_c 1.8e13 (equation 1.5). */
export function kaplanLoss({ parameters, tokens }: { readonly parameters: number; readonly tokens: number }): number {
  positive('kaplanLoss', { parameters, tokens })
  const alphaD = 0.103
  return ((6.4e13 / parameters) ** (0.076 / alphaD) + 1.8e13 / tokens) ** alphaD
}

/** B_crit = 2e8 / L^(1/0.21): tokens of a batch beyond which larger batches save few steps, at a given loss (equation 1.4). */
export function criticalBatchTokens(loss: number): number {
  positive('criticalBatchTokens', { loss })
  return 2e8 / loss ** (1 / 0.21)
}
