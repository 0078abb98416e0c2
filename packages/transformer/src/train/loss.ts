import { crossEntropy, tokenLogprob, where, type Tensor } from '@tesserae/tensor'
import { forwardHidden, headOf, project, type ForwardOptions } from '../architectures/decoder.js'
import type { DecoderWeights } from '../architectures/weights.js'

/** A batch on its way into a program. */
export interface BatchTensors {
  /** i32 [B, T] */
  readonly ids: Tensor
  /** i32 [B, T]; −1 only when `masked`. */
  readonly targets: Tensor
}

/** Above this many ids the logits of a whole batch are never held at once. */
const largestVocabulary = 8192

/**
 * Sum over the batch of −log p(target), in nats: a scalar. `masked` says that some targets are −1, which count nothing.
 * Sums rather than means, because a mean over several batches is a sum divided by the tokens of all of them.
 */
export function summedLoss(weights: DecoderWeights, batch: BatchTensors, options: ForwardOptions & { readonly masked: boolean }): Tensor {
  const hidden = forwardHidden(weights, batch.ids, options)
  const head = headOf(weights)
  // A head with a soft cap has no kernel that works chunk by chunk.
  if (options.config.vocabSize <= largestVocabulary || options.config.logitSoftcap !== undefined)
    return crossEntropy(project(weights, hidden, options.config), batch.targets, options.masked ? { ignoreIndex: -1 } : {}).sum()
  const [rows, length] = batch.ids.shape as readonly [number, number]
  const labels = batch.targets.reshape(rows * length)
  const logprobs = tokenLogprob(
    hidden.reshape(rows * length, options.config.width),
    head.weight,
    options.masked ? labels.maximum(0) : labels,
    head.bias === undefined ? {} : { bias: head.bias },
  )
  return (options.masked ? where(labels.ge(0), logprobs, 0) : logprobs).sum().neg()
}
