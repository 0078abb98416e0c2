import { samplerChain, type Sampler, type SamplerChainOptions } from './chain.js'
import { minP } from './samplers/min-p.js'
import { temperature } from './samplers/temperature.js'
import { topK } from './samplers/top-k.js'
import { topP } from './samplers/top-p.js'
import type { SamplerStep } from './step.js'

export interface SamplerOptions extends SamplerChainOptions {
  /** See {@link temperature}. Default 1; 0 always takes the most likely token. */
  readonly temperature?: number
  /** See {@link topK}. Default 0, which keeps all. */
  readonly topK?: number
  /** See {@link topP}. Default 1, which keeps all. */
  readonly topP?: number
  /** See {@link minP}. Default 0, which keeps all. */
  readonly minP?: number
}

/**
 * The usual sampler: top-k, top-p, min-p, then temperature, in llama.cpp's order. Truncation therefore looks at the model's own
 * distribution; for temperature first, as in Hugging Face's library, use {@link samplerChain}.
 *
 * @example
 * const chooser = sampler({ temperature: 0.8, topK: 40, topP: 0.95, seed: 1 })
 * chooser.choose(Float32Array.of(1, 5, 2))
 */
export function sampler(options: SamplerOptions = {}): Sampler {
  const steps: SamplerStep[] = []
  if (options.topK !== undefined) steps.push(topK(options.topK))
  if (options.topP !== undefined) steps.push(topP(options.topP))
  if (options.minP !== undefined) steps.push(minP(options.minP))
  if (options.temperature !== undefined) steps.push(temperature(options.temperature))
  return samplerChain(steps, options)
}
