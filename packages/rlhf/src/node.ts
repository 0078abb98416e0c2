/** `@tesserae/rlhf/node`: the ranking screen and its file. */
export { openRankings, readRankings, writeJsonl, type RankingLog } from './rank/node/log.js'
export { serveRanking, type RankingScreenState, type RankingServer, type ServeRankingOptions } from './rank/node/server.js'
