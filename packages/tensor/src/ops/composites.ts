/** Rows of the composite operations, in the order of the reference page. */
import { activationOps } from './activation.js'
import { attentionGradOps } from './attention-grad.js'
import { attentionOps } from './attention.js'
import { cacheOps } from './cache.js'
import { pageOps } from './pages.js'
import { embeddingOps } from './embedding.js'
import { lossOps } from './loss.js'
import { matmulOps } from './matmul.js'
import { normOps } from './norm.js'
import { optimOps } from './optim.js'
import { chosenQuantOps } from './quant-chosen.js'
import { quantOps } from './quant.js'
import { ropeOps } from './rope.js'
import type { OpRow } from './row.js'
import { softmaxOps } from './softmax.js'
import { tokenLogprobOps } from './token-logprob.js'
import { topKOps } from './top-k.js'

export const compositeOps: readonly OpRow[] = [
  ...matmulOps,
  ...quantOps,
  ...chosenQuantOps,
  ...activationOps,
  ...softmaxOps,
  ...normOps,
  ...ropeOps,
  ...embeddingOps,
  ...attentionOps,
  ...attentionGradOps,
  ...cacheOps,
  ...pageOps,
  ...lossOps,
  ...tokenLogprobOps,
  ...optimOps,
  ...topKOps,
]
