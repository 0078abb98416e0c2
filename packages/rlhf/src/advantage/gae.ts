import { arange, where, type Tensor } from '@tesserae/tensor'
import { checkSameShape } from '../losses/loss.js'

export interface GaeOptions {
  /** Discount γ of later rewards; default 1, as for text. */
  readonly gamma?: number
  /** λ: 0 trusts the values, 1 the rewards; default 0.95. */
  readonly lambda?: number
}

/**
 * Generalised advantage estimation (Schulman et al., arXiv:1506.02438): δ_t = r_t + γV_{t+1} − V_t, A_t = δ_t + γλA_{t+1}, returns A + V. rewards and
 * values [B, T] with zeros after the end of a sequence; beyond T the value is 0.
 */
export function gae(
  { rewards, values }: { readonly rewards: Tensor; readonly values: Tensor },
  options: GaeOptions = {},
): { readonly advantages: Tensor; readonly returns: Tensor } {
  checkSameShape('gae', { rewards, values })
  const { gamma = 1, lambda = 0.95 } = options
  const length = rewards.shape[1] as number
  let advantages = rewards.add(ahead(values, 1).mul(gamma)).sub(values)
  // A sum over all that follows in log₂ T passes: after one with shift s every place holds the sum over the 2s from it on.
  for (let shift = 1; shift < length; shift *= 2) {
    const decay = (gamma * lambda) ** shift
    if (decay === 0) break
    advantages = advantages.add(ahead(advantages, shift).mul(decay))
  }
  return { advantages, returns: advantages.add(values) }
}

/** x [B, T] moved `by` places to the left, zeros coming in. */
const ahead = (x: Tensor, by: number): Tensor =>
  x.slice(1, by).pad([
    [0, 0],
    [0, by],
  ])

export interface TokenRewardOptions {
  /** Coefficient β of the divergence; default 0.05. A tensor where it changes from step to step. */
  readonly klCoefficient?: number | Tensor
  /**
   * Where a sequence's score is added: at its last token (default, as in OpenRLHF) or one place after it where there is one (as in TRL, which then learns
   * a value for that place too).
   */
  readonly scoreAt?: 'last' | 'after'
}

/**
 * Rewards of tokens [B, T]: −β·kl, plus the score of the whole sequence at its end. kl [B, T] holds estimates of the divergence from the reference,
 * mask [B, T] is 1 on the sampled tokens, scores and lengths (i32, tokens from the start of the axis to the end of the sequence) are [B].
 */
export function tokenRewards(
  { kl, mask, scores, lengths }: { readonly kl: Tensor; readonly mask: Tensor; readonly scores: Tensor; readonly lengths: Tensor },
  options: TokenRewardOptions = {},
): Tensor {
  checkSameShape('tokenRewards', { kl, mask })
  checkSameShape('tokenRewards', { scores, lengths })
  const { klCoefficient = 0.05, scoreAt = 'last' } = options
  const length = kl.shape[1] as number
  const last = lengths.cast('i32').sub(1)
  const place = scoreAt === 'last' ? last : last.add(1).minimum(length - 1)
  const penalty = where(mask.cast('bool'), kl.mul(klCoefficient).neg(), 0)
  return penalty.add(where(arange(length).unsqueeze(0).eq(place.unsqueeze(-1)), scores.unsqueeze(-1), 0))
}
