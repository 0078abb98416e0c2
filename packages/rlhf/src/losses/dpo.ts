import type { Tensor } from '@tesserae/tensor'
import { RlhfError } from '../errors.js'
import { checkAbove, checkSameShape, meanOfExamples, type ExampleLoss, type ExampleOptions } from './loss.js'

/** Forms of the loss; {@link dpoLoss} says what each computes. */
export type DpoVariant = 'sigmoid' | 'hinge' | 'ipo' | 'robust'

/** Sums of the completions' log-probabilities, [B] each. */
export interface DpoLogprobs {
  readonly policyChosen: Tensor
  readonly policyRejected: Tensor
  readonly referenceChosen: Tensor
  readonly referenceRejected: Tensor
}

export interface DpoLossOptions extends ExampleOptions {
  /** How strongly the policy is held to the reference; default 0.1. */
  readonly beta?: number
  /** Default `sigmoid`. */
  readonly variant?: DpoVariant
  /**
   * ε: the share of pairs that are labelled the wrong way round, 0 to below 0.5; default 0. With `sigmoid` it is cDPO's label smoothing
   * (Mitchell 2023), with `robust` the unbiased form of Chowdhury et al. (arXiv:2403.00409).
   */
  readonly labelSmoothing?: number
  /**
   * Tokens of the completions, [B] each, for `ipo` alone: log-ratios are then means over tokens, as in TRL; without them sums, as in OpenRLHF and the
   * paper. The two differ in scale, so β does too.
   */
  readonly lengths?: { readonly chosen: Tensor; readonly rejected: Tensor }
}

/**
 * Direct preference optimisation (Rafailov et al., arXiv:2305.18290) over d = Δ_w − Δ_l, Δ = log π(y) − log π_ref(y):
 *
 * - `sigmoid`: −(1 − ε) log σ(βd) − ε log σ(−βd)
 * - `hinge`: max(0, 1 − βd) (SLiC, arXiv:2305.10425)
 * - `ipo`: (d − 1/(2β))² (arXiv:2310.12036), length-normalised where `lengths` are given
 * - `robust`: [−(1 − ε) log σ(βd) + ε log σ(−βd)] / (1 − 2ε)
 *
 * Metrics: implicit rewards βΔ of both sides, their margin, and the share of pairs where the margin is above 0.
 */
export function dpoLoss(
  logprobs: DpoLogprobs,
  options: DpoLossOptions = {},
): ExampleLoss<'accuracy' | 'margin' | 'rewardChosen' | 'rewardRejected'> {
  const { beta = 0.1, variant = 'sigmoid', labelSmoothing = 0, lengths } = options
  checkSameShape('dpoLoss', { ...logprobs, lengthsChosen: lengths?.chosen, lengthsRejected: lengths?.rejected })
  checkAbove('dpoLoss', 'beta', beta)
  if (!(labelSmoothing >= 0 && labelSmoothing < 0.5))
    throw new RlhfError('OPTION', `dpoLoss: labelSmoothing is the share of wrong labels, from 0 to below 0.5, got ${labelSmoothing}`)
  const chosen = logprobs.policyChosen.sub(logprobs.referenceChosen)
  const rejected = logprobs.policyRejected.sub(logprobs.referenceRejected)
  const perExample = variants[variant](chosen.sub(rejected), {
    beta,
    labelSmoothing,
    normalised: () =>
      lengths === undefined
        ? chosen.sub(rejected)
        : chosen.div(lengths.chosen.cast(chosen.dtype)).sub(rejected.div(lengths.rejected.cast(chosen.dtype))),
  })
  const [rewardChosen, rewardRejected] = [chosen.mul(beta), rejected.mul(beta)]
  const mean = (values: Tensor): Tensor => meanOfExamples(values, options)
  return {
    loss: mean(perExample),
    perExample,
    metrics: {
      accuracy: mean(rewardChosen.gt(rewardRejected).cast(chosen.dtype)),
      margin: mean(rewardChosen.sub(rewardRejected)),
      rewardChosen: mean(rewardChosen),
      rewardRejected: mean(rewardRejected),
    },
  }
}

interface VariantOptions {
  readonly beta: number
  readonly labelSmoothing: number
  /** The difference of log-ratios, over lengths where they are given. */
  readonly normalised: () => Tensor
}

const variants: Record<DpoVariant, (difference: Tensor, options: VariantOptions) => Tensor> = {
  sigmoid: (d, { beta, labelSmoothing: e }) => {
    const agree = d.mul(beta).logSigmoid()
    return e === 0 ? agree.neg() : agree.mul(e - 1).sub(d.mul(-beta).logSigmoid().mul(e))
  },
  hinge: (d, { beta }) => d.mul(-beta).add(1).relu(),
  ipo: (_, { beta, normalised }) =>
    normalised()
      .sub(1 / (2 * beta))
      .square(),
  robust: (d, { beta, labelSmoothing: e }) =>
    d
      .mul(beta)
      .logSigmoid()
      .mul(e - 1)
      .add(d.mul(-beta).logSigmoid().mul(e))
      .mul(1 / (1 - 2 * e)),
}
