export type { Candidates, TopLogits } from './candidates.js'
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
export {
  samplerFromPreset,
  type HuggingFacePreset,
  type LlamaCppPreset,
  type OpenAiPreset,
  type PresetName,
  type PresetOptions,
  type Presets,
  type VllmPreset,
} from './preset.js'
export { sampler, type SamplerOptions } from './sampler.js'
export { Mt19937 } from './mt19937.js'
export { adaptiveP, type AdaptivePOptions } from './samplers/adaptive-p.js'
export { epsilonCutoff, etaCutoff } from './samplers/cutoff.js'
export { dry, type DryOptions } from './samplers/dry.js'
export { dynamicTemperature, type DynamicTemperatureOptions } from './samplers/dynamic-temperature.js'
export { greedy } from './samplers/greedy.js'
export { guidance } from './samplers/guidance.js'
export { logitBias } from './samplers/logit-bias.js'
export { minP } from './samplers/min-p.js'
export { mirostat, mirostat2, type MirostatOneOptions, type MirostatOptions } from './samplers/mirostat.js'
export { pLess } from './samplers/p-less.js'
export { penalties, type PenaltyOptions } from './samplers/penalties.js'
export {
  forceTokens,
  lengthDecay,
  minTokens,
  suppress,
  suppressAtBegin,
  type LengthDecayOptions,
  type MinTokensOptions,
} from './samplers/positions.js'
export { badWords, noRepeatNgram, sequenceBias } from './samplers/sequences.js'
export { temperature } from './samplers/temperature.js'
export { topH } from './samplers/top-h.js'
export { topK } from './samplers/top-k.js'
export { topNSigma } from './samplers/top-n-sigma.js'
export { topP } from './samplers/top-p.js'
export { typical } from './samplers/typical.js'
export { xtc, type XtcOptions } from './samplers/xtc.js'
export { beamSearch, type Beam, type BeamResult, type BeamSearchOptions } from './search/beam.js'
export { contrastiveSearch, type ContrastiveSearchOptions, type ContrastiveStep } from './search/contrastive.js'
export { draftModel, promptLookup, type Drafter, type Guess, type PromptLookupOptions } from './search/drafters.js'
export { speculative, type SpeculativeModel, type SpeculativeOptions, type SpeculativeToken } from './search/speculative.js'
export type { SamplerStep } from './step.js'
export { StopTexts, type StopOptions, type StopPush } from './stop.js'
export { detectWatermark, watermark, type DetectOptions, type WatermarkEvidence, type WatermarkOptions } from './watermark.js'
