export type { Candidates } from './candidates.js'
export {
  samplerChain,
  type Sample,
  type SampleOptions,
  type Sampler,
  type SamplerChainOptions,
  type SamplerState,
  type TokenLogprob,
} from './chain.js'
export { SamplingError, type SamplingErrorCode } from './errors.js'
export { sampler, type SamplerOptions } from './sampler.js'
export { greedy } from './samplers/greedy.js'
export { minP } from './samplers/min-p.js'
export { temperature } from './samplers/temperature.js'
export { topK } from './samplers/top-k.js'
export { topP } from './samplers/top-p.js'
export type { SamplerStep } from './step.js'
