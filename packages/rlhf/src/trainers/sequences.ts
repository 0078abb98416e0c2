import { tokenLogprob, where, type Tensor } from '@tesserae/tensor'
import { forwardHidden, headOf, project, type DecoderWeights, type ForwardOptions } from '@tesserae/transformer'
import { logprobsOf } from '../losses/logprobs.js'

/** Above this many ids the logits of a whole batch are never held at once. */
export const largestVocabulary = 8192

/** Σ log p(target) of each row, targets of −1 left out: ids and targets i32 [B, T] → [B]. */
export function sequenceLogprobs(
  weights: DecoderWeights,
  { ids, targets }: { readonly ids: Tensor; readonly targets: Tensor },
  options: ForwardOptions,
): Tensor {
  const hidden = forwardHidden(weights, ids, options)
  const { vocabSize, width, logitSoftcap } = options.config
  // A head with a soft cap has no kernel that works chunk by chunk.
  if (vocabSize <= largestVocabulary || logitSoftcap !== undefined)
    return logprobsOf(project(weights, hidden, options.config), targets).sum(-1)
  const [rows, length] = ids.shape as readonly [number, number]
  const labels = targets.reshape(rows * length)
  const { weight, bias } = headOf(weights)
  const logprobs = tokenLogprob(hidden.reshape(rows * length, width), weight, labels.maximum(0), bias === undefined ? {} : { bias })
  return where(labels.ge(0), logprobs, 0).reshape(rows, length).sum(-1)
}
