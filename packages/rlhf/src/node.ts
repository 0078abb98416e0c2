/** `@tesserae/rlhf/node`: checkpoints of trainers on disk, the ranking screen and its file. */
export { openRankings, readRankings, writeJsonl, type RankingLog } from './rank/node/log.js'
export { serveRanking, type RankingScreenState, type RankingServer, type ServeRankingOptions } from './rank/node/server.js'
export { hasTrainer, loadTrainer, saveTrainer, type TrainerName, type TrainerStates } from './run/node/checkpoint.js'
export { loadRewardModel, saveRewardModel } from './run/node/reward-model.js'
