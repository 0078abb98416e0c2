import { crossEntropy, type Tensor } from '@tesserae/tensor'
import type { Loss } from './loss.js'

export interface SftOptions {
  /**
   * Targets of the whole optimiser step, over all of its micro-batches; default those of this batch. With the step's count, accumulated gradients equal
   * those of one large batch; the mean of the micro-batches' means, which many trainers take, does not when their lengths differ.
   */
  readonly count?: Tensor | number
}

/**
 * Supervised fine-tuning: Σ −log p(target) / count, in nats. logits [B, T, V] stand beside the token that each position is to predict, targets [B, T],
 * −1 where nothing is to be learnt (prompts, padding).
 */
export function sftLoss(logits: Tensor, targets: Tensor, options: SftOptions = {}): Loss<'accuracy'> {
  const nll = crossEntropy(logits, targets, { ignoreIndex: -1 })
  const learnt = targets.ge(0).cast(nll.dtype)
  const { count } = options
  const scale = (total: Tensor): Tensor =>
    count === undefined
      ? total.div(learnt.sum().maximum(1))
      : typeof count === 'number'
        ? total.mul(1 / count)
        : total.div(count.cast(nll.dtype))
  const hits = logits.argMax(-1).eq(targets.cast('i32')).cast(nll.dtype).mul(learnt)
  return { loss: scale(nll.sum()), metrics: { accuracy: scale(hits.sum()) } }
}
