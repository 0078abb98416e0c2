/** `@tesserae/transformer/ai-sdk`: models of AI SDK's provider specification V3, which `ai` 6 and 7 take. */
export { languageModel, type LanguageModelDefaults, type LanguageModelOptions, type LmLanguageModel } from './models/language.js'
export { plainPrompt } from './models/messages.js'
export { embeddingModel, type EmbeddingModelOptions, type EncoderEmbeddingModel } from './models/embedding.js'
export { rerankingModel, type RerankingModelOptions } from './models/reranking.js'
export type {
  LanguageModelAnswer,
  LanguageModelEvent,
  ModelFinish,
  ModelMetadata,
  ModelTokenUsage,
  ModelToolCall,
  ModelWarning,
} from './models/spec.js'
