export { RlhfError, type RlhfErrorCode } from './errors.js'
export { batchIndices, collate, collatedTensors, paddedLength, type Collated, type CollatedTensors } from './data/collate.js'
export { preparePreferences, prepareSft, type PrepareOptions, type RenderedPair } from './data/prepare.js'
export {
  checkRow,
  checkRows,
  parseRows,
  readRows,
  type CompletionRow,
  type ConversationRow,
  type Message,
  type PreferenceRow,
  type PromptRow,
  type Role,
  type RowKind,
  type RowKinds,
  type SftRow,
  type Text,
} from './data/rows.js'
export {
  chatTemplate,
  renderConversation,
  renderPrompt,
  stopToken,
  type ChatTemplate,
  type ChatTemplateOptions,
  type Rendered,
  type RenderOptions,
} from './data/template.js'
export { aggregate, maskedMean, maskedVariance, type AggregateOptions } from './losses/aggregate.js'
export { bestOfLoss, bradleyTerryLoss, type BradleyTerryOptions } from './losses/bradley-terry.js'
export { dpoLoss, type DpoLogprobs, type DpoLossOptions, type DpoVariant } from './losses/dpo.js'
export { klEstimate, type KlEstimator } from './losses/kl.js'
export { entropyOf, logprobsOf, type LogprobOptions } from './losses/logprobs.js'
export type { ExampleLoss, ExampleOptions, Loss } from './losses/loss.js'
export { ppoPolicyLoss, ppoValueLoss, type PolicyLossOptions, type ValueLossOptions } from './losses/ppo.js'
export { sftLoss, type SftOptions } from './losses/sft.js'
export { gae, tokenRewards, type GaeOptions, type TokenRewardOptions } from './advantage/gae.js'
export { adaptiveKl, adaptKl, fixedKl, type AdaptiveKlOptions, type KlController } from './advantage/kl-controller.js'
export { whiten, type WhitenOptions } from './advantage/whiten.js'
export { parseMarkdown, type MarkdownBlock, type MarkdownInline } from './rank/markdown.js'
export { rankedPairs, toPreferences, type RankedPair } from './rank/preferences.js'
export {
  parseRankingItems,
  parseRankings,
  standingRankings,
  type RankingChoice,
  type RankingItem,
  type RankingLine,
  type RankingRow,
  type RetractionRow,
} from './rank/rows.js'
export { agreement, cohenKappa, lengthBias, positionBias, type Agreement, type LengthBias, type PositionBias } from './rank/statistics.js'
export { rankingStore, type RankingStore, type RankingStoreOptions, type RankingTask } from './rank/store.js'
export { rewardStatistics, normalizeReward, type RewardStatistics } from './rewards/normalize.js'
export { modelReward, scalarsOf, type ModelRewardOptions, type ScalarHead, type ScalarModel } from './rewards/model.js'
export {
  scoreSamples,
  type BatchReward,
  type Reward,
  type RewardContext,
  type RewardFunction,
  type RewardSample,
  type ScoreOptions,
} from './rewards/reward.js'
export { checkRolloutLogprobs, collectRollout, type Rollout, type RolloutOptions, type RolloutSampling } from './rollouts/rollout.js'
export { ppo } from './trainers/ppo.js'
export type { PpoMetrics } from './trainers/ppo-metrics.js'
export type { PolicyModel, PpoOptions, PpoRun, PpoState, PpoStep, PpoTrained } from './trainers/ppo-options.js'
export { initScalarHead } from './rewards/scalar-head.js'
export { dpo, type DpoRun, type DpoState, type DpoTrainOptions } from './trainers/dpo.js'
export {
  evaluateReward,
  normalizeRewardModel,
  rewardScorer,
  rewardsOf,
  trainReward,
  type RewardEvaluation,
  type RewardRun,
  type RewardScorer,
  type RewardState,
  type RewardTrainOptions,
  type RewardWeights,
} from './trainers/reward.js'
export type { RunOptions, RunState, RunStep, StepMetrics, TrainerRun } from './trainers/run.js'
export { sequenceLogprobs } from './trainers/sequences.js'
export { evaluateSft, sft, type SftRun, type SftState, type SftTrainOptions } from './trainers/sft.js'
