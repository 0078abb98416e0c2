export { TransformerError, type TransformerErrorCode } from './errors.js'
export { checkConfig, type DecoderConfig, type DecoderSizes } from './architectures/config.js'
export { gpt2 } from './architectures/gpt2.js'
export { llama } from './architectures/llama.js'
export { initWeights } from './architectures/initialize.js'
export { countParameters, flopsPerToken, type ParameterCount } from './architectures/count.js'
export {
  checkWeights,
  disposeWeights,
  mapWeights,
  namedWeights,
  weightSpecs,
  WeightSpec,
  type DecoderWeights,
  type AnyDecoderWeights,
} from './architectures/weights.js'
export type { Matrix, PackedMatrix } from './layers/packed.js'
export {
  forward,
  forwardCached,
  forwardHidden,
  headOf,
  project,
  type CachedOptions,
  type Capturable,
  type Captured,
  type CaptureOptions,
  type ForwardOptions,
  type ModelOptions,
} from './architectures/decoder.js'
export { disposeRotary, rotaryTables, type RotaryTables } from './layers/rotary.js'
export type { CacheType } from './cache/cache-type.js'
export { FixedCache, type FixedCacheOptions } from './cache/fixed.js'
export type { PagesUse } from './cache/pages.js'
export type { PagingOptions } from './cache/paging.js'
export type { LayerCache } from './layers/attention.js'
export { readGgufModel, type GgufModel } from './checkpoints/gguf.js'
export type { HalfType, WeightType } from './checkpoints/matrix.js'
export { quantize, type QuantizedModel, type QuantizeOptions } from './checkpoints/quantize.js'
export { readLlama2c, type LoadedModel } from './checkpoints/llama2c.js'
export { createModel, type CreateModelOptions, type DecoderModel } from './generate/model.js'
export type { ModelBeam, ModelBeamOptions } from './generate/beams.js'
export type { Row as ModelText, TextState } from './generate/row.js'
export type { Score, ScoreOptions } from './generate/score.js'
export { modelMemory, packedLayout, type ModelMemory, type ModelMemoryOptions } from './generate/memory.js'
export { greedySampler } from './generate/choose.js'
export { loadModel, type LoadModelOptions } from './load/load.js'
export type { PlaceOptions } from './load/address.js'
export type { ModelSource } from './load/place.js'
export type { CheckpointFiles } from './checkpoints/files.js'
export {
  defineTool,
  runTools,
  type RunnableTool,
  type RunToolsOptions,
  type RunToolsResult,
  type ToolContext,
  type ToolStep,
} from './lm/run-tools.js'
export { createLm, type CreateLmOptions, type LocalLm } from './lm/local.js'
export type {
  FinishReason,
  GenerateOptions,
  Generation,
  ContrastiveSettings,
  GuidanceSettings,
  SamplerLike,
  SpeculativeSettings,
  TokenEvent,
  TokenizerLike,
  TokenLogprob,
} from './generate/types.js'
export type {
  Lm,
  LmFinishReason,
  LmHealth,
  LmInfo,
  LmLogprob,
  LmMessage,
  LmOptions,
  LmPart,
  LmPrompt,
  LmResult,
  LmSchema,
  LmToolCall,
  LmUsage,
  SchemaOutput,
  StandardSchemaLike,
} from './lm/types.js'
export type { ModelWarning } from './models/spec.js'
export { embeddingModel, type EmbeddingModelOptions, type EncoderEmbeddingModel } from './models/embedding.js'
export { createEncoder, type CreateEncoderOptions, type TextEncoderModel } from './embed/encoder.js'
export type { EmbedOptions, Embeddings, TextEmbedder } from './embed/embedder.js'
export { rerankingModel, type CrossEncoderModel, type RerankingModelOptions } from './models/reranking.js'
export type { BertActivation, BertConfig, BertHeadConfig } from './encoders/config.js'
export type { BertEmbedder, LoadEmbedderOptions } from './encoders/embedder.js'
export { readGgufEmbedder } from './encoders/gguf.js'
export { onnxEmbedder, type OnnxEmbedderOptions, type OnnxTextEmbedder } from './encoders/onnx-embedder.js'
export type { Pooling } from './encoders/pooling.js'
export type { LoadRerankerOptions, RankedDocument, RankOptions, Reranker } from './encoders/reranker.js'
export { readEmbedder, readReranker, type NamedFiles } from './encoders/sources.js'
export { initEncoderWeights } from './embed/initialize.js'
export { contrastiveLoss, encodeTexts, type EncoderInput } from './embed/encode.js'
export { textPairs, type PairBatch, type PairBatches, type TextBatch, type TextPairOptions } from './embed/batch.js'
export { trainEncoder, type EncoderStepEvent, type EncoderTrainingRun, type TrainEncoderOptions } from './embed/train.js'
export { evaluatePairs, type PairEvaluation } from './embed/evaluate.js'
export { hashedWords, type HashedWordsOptions } from './embed/hashed-words.js'
export { readEncoder, type EncoderFiles, type LoadedEncoder } from './embed/files.js'
export { DataParallel, type DataParallelOptions } from './train/data-parallel.js'
export { randomWindows, sequentialWindows, type Batches, type TokenBatch, type WindowOptions } from './train/data.js'
export {
  createEvaluator,
  evaluate,
  type EvaluateOptions,
  type Evaluation,
  type Evaluator,
  type EvaluatorOptions,
} from './train/evaluate.js'
export { summedLoss, type BatchTensors } from './train/loss.js'
export {
  adamw,
  clipFactor,
  freshOptimizerState,
  globalNorm,
  makeTrainable,
  zeroMoments,
  type OptimizerOptions,
  type OptimizerState,
} from './train/optimizer.js'
export { cosineSchedule, type CosineOptions, type Schedule } from './train/schedule.js'
export { StepLoop, type StepLoopOptions } from './train/step-loop.js'
export { train, type StepEvent, type TrainingRun, type TrainingState, type TrainOptions } from './train/run.js'
export {
  disposeLora,
  initLora,
  loraConfig,
  loraScale,
  loraTargets,
  mergeLora,
  unmergeLora,
  withLora,
  type Lora,
  type LoraConfig,
  type LoraPair,
  type LoraWeights,
} from './adapters/lora.js'
export {
  createBatchGenerator,
  type BatchGenerateOptions,
  type BatchGenerator,
  type BatchGeneratorOptions,
  type BatchRow,
} from './generate/batch.js'
export {
  chinchillaEpoch,
  chinchillaPaper,
  chinchillaTable,
  optimalAllocation,
  optimalParameters,
  optimalTokens,
  predictLoss,
  tableTokens,
  type Allocation,
  type ChinchillaLaw,
} from './scaling/chinchilla.js'
export { fitScalingLaw, type FitOptions, type ScalingFit, type ScalingRun } from './scaling/fit.js'
export { criticalBatchTokens, kaplanLoss, kaplanLossOfFlops, kaplanLossOfParameters, kaplanLossOfTokens, pfDay } from './scaling/kaplan.js'
export { planTraining, trainingCost, type Budget, type TrainingCost, type TrainingPlan } from './scaling/plan.js'
export {
  analogy,
  nearestWords,
  wordVectors,
  type AnalogyTerms,
  type NearestOptions,
  type WordMatch,
  type WordVectors,
} from './inspect/analogies.js'
export { fromLanguageModel, type FromLanguageModelOptions } from './remote/from-language-model.js'
export { remoteModel, type RemoteModelOptions } from './remote/remote-model.js'
export { type RemoteServer } from './remote/servers.js'
export { type RetryOptions } from './remote/request.js'
export { balance } from './worker/balance.js'
