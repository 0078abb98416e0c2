export { AbortedError, throwIfAborted } from './abort.js'
export { TesseraeError, type TesseraeErrorOptions } from './errors.js'
export { hashString } from './hash.js'
export {
  finishReasonOf,
  tokenCountsOf,
  type EmbeddingModelCall,
  type EmbeddingModelLike,
  type LanguageModelCall,
  type LanguageModelLike,
  type ModelContent,
  type ModelFinishReason,
  type ModelJson,
  type ModelMessage,
  type ModelProviderOptions,
  type ModelReasoningPart,
  type ModelStreamPart,
  type ModelTextPart,
  type ModelTool,
  type ModelToolCallPart,
  type ModelToolResultPart,
  type ModelUsage,
  type RerankingModelCall,
  type RerankingModelLike,
} from './models.js'
export { philox4x32 } from './philox.js'
export { type OnProgress, type ProgressEvent } from './progress.js'
export { foldKey, keyOfSeed, type RandomKey } from './random-key.js'
export { random, restoreRandom, type RandomState, type RandomStream } from './random.js'
