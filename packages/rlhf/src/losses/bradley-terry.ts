import { logSumExp, type Tensor } from '@tesserae/tensor'
import { checkSameShape, meanOfExamples, type ExampleLoss, type ExampleOptions } from './loss.js'

export interface BradleyTerryOptions extends ExampleOptions {
  /** [B]: by how much the chosen answer is to win at least; a stronger preference has a larger one. */
  readonly margin?: Tensor
  /** Factor c of c·(r_w + r_l)², which keeps rewards near 0 (Eisenstein et al., arXiv:2312.09244, use 0.01). Default 0. */
  readonly centering?: number
}

/**
 * Pairwise reward modelling: −log σ(r_w − r_l − margin) + c·(r_w + r_l)² (Bradley and Terry 1952; Ouyang et al., arXiv:2203.02155).
 * chosen and rejected [B]. `accuracy` is the share of pairs ordered right, `margin` the mean of r_w − r_l.
 */
export function bradleyTerryLoss(
  { chosen, rejected }: { readonly chosen: Tensor; readonly rejected: Tensor },
  options: BradleyTerryOptions = {},
): ExampleLoss<'accuracy' | 'margin'> {
  const { margin, centering = 0 } = options
  checkSameShape('bradleyTerryLoss', { chosen, rejected, margin })
  const difference = chosen.sub(rejected)
  const preferred = (margin === undefined ? difference : difference.sub(margin)).logSigmoid().neg()
  const perExample = centering === 0 ? preferred : preferred.add(chosen.add(rejected).square().mul(centering))
  return {
    loss: meanOfExamples(perExample, options),
    perExample,
    metrics: {
      accuracy: meanOfExamples(difference.gt(0).cast(chosen.dtype), options),
      margin: meanOfExamples(difference, options),
    },
  }
}

/**
 * The best of K answers: −log softmax(r)[best] (the first choice of Plackett and Luce). rewards [B, K], best i32 [B]. With K = 2 this is
 * {@link bradleyTerryLoss} without margin.
 */
export function bestOfLoss(rewards: Tensor, best: Tensor, options: ExampleOptions = {}): ExampleLoss<'accuracy'> {
  const perExample = logSumExp(rewards).sub(rewards.gatherAlong(best.unsqueeze(-1), 1).squeeze(-1))
  const hits = rewards.argMax(-1).eq(best.cast('i32')).cast(rewards.dtype)
  return { loss: meanOfExamples(perExample, options), perExample, metrics: { accuracy: meanOfExamples(hits, options) } }
}
