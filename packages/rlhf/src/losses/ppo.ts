import { type Tensor } from '@tesserae/tensor'
import { aggregate, type AggregateOptions } from './aggregate.js'
import { checkSameShape, type Loss } from './loss.js'

export interface PolicyLossOptions extends AggregateOptions {
  /** ε: the ratio counts only within 1 ± ε where going beyond it would help; default 0.2. */
  readonly clip?: number
  /** Upper bound 1 + clipHigh in place of 1 + clip (DAPO's clip-higher, arXiv:2503.14476). */
  readonly clipHigh?: number
  /**
   * What `approxKl` is averaged over: unmasked tokens (default), or every cell with padding counting 0, as TRL's PPO trainer prints it, which is smaller
   * the more padding there is.
   */
  readonly approxKlOver?: 'tokens' | 'cells'
}

/**
 * PPO's clipped surrogate (Schulman et al., arXiv:1707.06347): the mean of max(−Aρ, −A·clip(ρ, 1 ± ε)) with ρ = exp(log p − log p_old). All [B, T];
 * `mask` is 1 on tokens that the policy sampled. `approxKl` is the mean of (log p − log p_old)²/2, `clipFraction` the share of tokens where the
 * clipped side is the larger, `ratio` the mean ρ.
 */
export function ppoPolicyLoss(
  {
    logprobs,
    oldLogprobs,
    advantages,
    mask,
  }: { readonly logprobs: Tensor; readonly oldLogprobs: Tensor; readonly advantages: Tensor; readonly mask: Tensor },
  options: PolicyLossOptions = {},
): Loss<'clipFraction' | 'approxKl' | 'ratio'> {
  checkSameShape('ppoPolicyLoss', { logprobs, oldLogprobs, advantages, mask })
  const { clip = 0.2, clipHigh = clip, approxKlOver = 'tokens', ...how } = options
  // What is masked may hold anything, infinities included; nothing times infinity is not nothing.
  const moved = logprobs.sub(oldLogprobs).maskedFill(mask.cast('bool').not(), 0)
  const ratio = moved.exp()
  const plain = ratio.mul(advantages).neg()
  const clipped = ratio
    .clip(1 - clip, 1 + clipHigh)
    .mul(advantages)
    .neg()
  const squares = moved.square().mul(0.5)
  return {
    loss: aggregate(plain.maximum(clipped), mask, how),
    metrics: {
      clipFraction: aggregate(clipped.gt(plain).cast(ratio.dtype), mask, how),
      approxKl: approxKlOver === 'cells' ? squares.mean() : aggregate(squares, mask, how),
      ratio: aggregate(ratio, mask, how),
    },
  }
}

export interface ValueLossOptions extends AggregateOptions {
  /** The new value may move this far from the old one before the loss stops rewarding it; default 0.2, Infinity for no clipping. */
  readonly clip?: number
}

/**
 * The critic's loss: ½ mean max((V − R)², (clip(V, V_old ± ε) − R)²). All [B, T]. `mask` is 1 where a value is to be learnt: the sampled tokens, and in
 * TRL's convention the one after the last of them as well.
 */
export function ppoValueLoss(
  {
    values,
    oldValues,
    returns,
    mask,
  }: { readonly values: Tensor; readonly oldValues: Tensor; readonly returns: Tensor; readonly mask: Tensor },
  options: ValueLossOptions = {},
): Loss<'clipFraction' | 'explainedVariance'> {
  checkSameShape('ppoValueLoss', { values, oldValues, returns, mask })
  const { clip = 0.2, ...how } = options
  const plain = values.sub(returns).square()
  const near = Number.isFinite(clip) ? oldValues.add(values.sub(oldValues).clip(-clip, clip)) : values
  const clipped = near.sub(returns).square()
  // Over this batch, whatever the step's count is: a ratio of two means does not add up over micro-batches.
  const own = (x: Tensor): Tensor => aggregate(x, mask)
  const spread = own(returns.sub(own(returns)).square())
  return {
    loss: aggregate(plain.maximum(clipped), mask, how).mul(0.5),
    metrics: {
      clipFraction: aggregate(clipped.gt(plain).cast(values.dtype), mask, how),
      explainedVariance: own(plain).div(spread.add(1e-8)).neg().add(1),
    },
  }
}
