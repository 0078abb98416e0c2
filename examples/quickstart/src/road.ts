import type { Stage } from './stage.js'
import { answerStage } from './stages/answer.js'
import { generateStage } from './stages/generate.js'
import { ppoStage } from './stages/ppo.js'
import { pretrainStage } from './stages/pretrain.js'
import { rankStage } from './stages/rank.js'
import { rewardStage } from './stages/reward.js'
import { sftStage } from './stages/sft.js'
import { tokenizerStage } from './stages/tokenizer.js'

/** All stages, in the order in which they run. */
export const road: readonly Stage[] = [
  tokenizerStage,
  pretrainStage,
  sftStage,
  rankStage,
  rewardStage,
  ppoStage,
  generateStage,
  answerStage,
]
