/** The compiled programs of PPO: from sampled rows to advantages, and one update. Shapes are the same at every step, so each is compiled once. */
import { arange, jit, stack, valueAndGrad, where, type Device, type DeviceName, type Tensor } from '@tesserae/tensor'
import { adamw, clipFactor, forward, globalNorm, type DecoderWeights, type OptimizerState } from '@tesserae/transformer'
import { gae, tokenRewards } from '../advantage/gae.js'
import { whiten, type WhitenOptions } from '../advantage/whiten.js'
import { aggregate } from '../losses/aggregate.js'
import { klEstimate } from '../losses/kl.js'
import { entropyOf, logprobsOf } from '../losses/logprobs.js'
import { ppoPolicyLoss, ppoValueLoss } from '../losses/ppo.js'
import { looking, type PpoModels } from './ppo-models.js'
import type { PpoTrained } from './ppo-options.js'
import type { PpoSettings } from './ppo-settings.js'

/** Weights that PPO reads and does not change. */
export interface Frozen {
  /** What the adapter is added to. */
  readonly base: DecoderWeights | undefined
  /** Absent where it is `base`: the policy with its adapter off. */
  readonly reference: DecoderWeights | undefined
}

/** A step's completions on their way into a program; what {@link Rollout} says of them holds. */
export interface RolloutTensors {
  /** i32 [B, T] */
  readonly ids: Tensor
  /** f32 [B, T − 1]: 0 throughout a row that is left out. */
  readonly mask: Tensor
  /** i32 [B] */
  readonly ends: Tensor
  /** f32 [B] */
  readonly scores: Tensor
}

/** What updates learn from, each [B, T − 1]. */
export interface Experience {
  readonly logprobs: Tensor
  readonly values: Tensor
  readonly advantages: Tensor
  readonly returns: Tensor
  /** Where values are learnt: the sampled tokens, and the place after them when the score stands there. */
  readonly valueMask: Tensor
}

export const updateMetrics = [
  'policyLoss',
  'valueLoss',
  'entropy',
  'approxKl',
  'clipFraction',
  'valueClipFraction',
  'explainedVariance',
  'ratio',
  'gradNorm',
] as const

export interface PpoPrograms {
  /** `kl` [B] is the divergence of each sequence, log p − log p_ref summed over its tokens. */
  experience(
    trained: PpoTrained,
    frozen: Frozen,
    rollout: RolloutTensors,
    klCoefficient: number,
  ): Promise<{ experience: Experience; kl: Tensor }>
  /** One update by some rows; the state is donated. `metrics` [9] are in the order of {@link updateMetrics}. */
  update(
    state: OptimizerState<PpoTrained>,
    frozen: Frozen,
    batch: { readonly rollout: RolloutTensors; readonly experience: Experience; readonly rows: Tensor },
    rates: { readonly policy: number; readonly value: number; readonly number: number },
  ): Promise<{ state: OptimizerState<PpoTrained>; metrics: Tensor }>
  dispose(): void
}

export function makePpoPrograms(models: PpoModels, settings: PpoSettings, device?: Device | DeviceName): PpoPrograms {
  const onDevice = device === undefined ? {} : { device }
  const { temperature } = settings
  const look = looking(models, temperature)

  const experience = jit(
    (trained: PpoTrained, { base, reference }: Frozen, { ids, mask, ends, scores }: RolloutTensors, klCoefficient: Tensor) => {
      const { inputs, targets, logprobs, values: all } = look(trained, base, ids)
      const referenceLogprobs = logprobsOf(forward(reference ?? base!, inputs, models.reference), targets, { temperature })
      const kl = klEstimate(logprobs, referenceLogprobs, { estimator: settings.klEstimator })
      let rewards = tokenRewards({ kl, mask, scores, lengths: ends }, { klCoefficient, scoreAt: settings.scoreAt })
      const isAfter = arange(mask.shape[1]!).unsqueeze(0).eq(ends.unsqueeze(-1)).cast('f32')
      // A row that is left out has no sampled token, and no place after them.
      const valueMask = settings.scoreAt === 'last' ? mask : mask.add(isAfter.mul(mask.max(1, { keepDims: true })))
      if (settings.whitenRewards) rewards = whitened(rewards, valueMask, { shift: false })
      const values = all.mul(valueMask)
      const { advantages: raw, returns } = gae({ rewards, values }, settings)
      const advantages = settings.whitenAdvantages ? whitened(raw, mask) : raw.mul(mask)
      return {
        experience: { logprobs, values, advantages, returns, valueMask },
        kl: where(mask.cast('bool'), logprobs.sub(referenceLogprobs), 0).sum(-1),
      }
    },
    { name: 'ppoExperience', ...onDevice },
  )

  const update = jit(
    (
      state: OptimizerState<PpoTrained>,
      { base }: Frozen,
      rollout: RolloutTensors,
      whole: Experience,
      rows: Tensor,
      lr: Tensor,
      valueLr: Tensor,
      number: Tensor,
    ) => {
      const pick = (x: Tensor): Tensor => x.gather(rows, 0)
      const mask = pick(rollout.mask)
      const valueMask = pick(whole.valueMask)
      const count = mask.sum().maximum(1) // all of a minibatch's rows may have been left out
      const valueCount = valueMask.sum().maximum(1)
      const { value, grads } = valueAndGrad((trained: PpoTrained) => {
        const { logits, logprobs, values } = look(trained, base, pick(rollout.ids))
        const policy = ppoPolicyLoss(
          { logprobs, oldLogprobs: pick(whole.logprobs), advantages: pick(whole.advantages), mask },
          { clip: settings.policyClip, count },
        )
        const critic = ppoValueLoss(
          { values, oldValues: pick(whole.values), returns: pick(whole.returns), mask: valueMask },
          { clip: settings.valueClip, count: valueCount },
        )
        const entropy = aggregate(entropyOf(logits, { temperature }), mask, { count })
        const loss = policy.loss.add(critic.loss.mul(settings.valueCoefficient))
        return {
          loss: settings.entropyCoefficient === 0 ? loss : loss.sub(entropy.mul(settings.entropyCoefficient)),
          policyLoss: policy.loss,
          valueLoss: critic.loss,
          entropy,
          approxKl: policy.metrics.approxKl,
          clipFraction: policy.metrics.clipFraction,
          valueClipFraction: critic.metrics.clipFraction,
          explainedVariance: critic.metrics.explainedVariance,
          ratio: policy.metrics.ratio,
        }
      })(state.weights)
      const gradNorm = globalNorm(grads)
      const factor = Number.isFinite(settings.clip) ? clipFactor(gradNorm, settings.clip) : undefined
      const part = <Name extends keyof PpoTrained>(name: Name, rate: Tensor): OptimizerState<PpoTrained[Name]> =>
        adamw<PpoTrained[Name]>(
          { weights: state.weights[name], m: state.m[name], v: state.v[name] },
          grads[name],
          factor,
          rate,
          number,
          settings.optimizer,
        )
      const [policy, critic] = [part('policy', lr), part('value', valueLr)]
      const join = (which: 'weights' | 'm' | 'v'): PpoTrained => ({ policy: policy[which], value: critic[which] })
      const metrics = { ...value, gradNorm }
      return {
        state: { weights: join('weights'), m: join('m'), v: join('v') },
        metrics: stack(updateMetrics.map((name) => metrics[name])),
      }
    },
    { donate: [0], name: 'ppoUpdate', ...onDevice },
  )

  return {
    experience: (trained, frozen, rollout, klCoefficient) => experience(trained, frozen, rollout, klCoefficient),
    update: (state, frozen, { rollout, experience: learnt, rows }, { policy, value, number }) =>
      update(state, frozen, rollout, learnt, rows, policy, value, number),
    dispose() {
      experience.dispose()
      update.dispose()
    },
  }
}

/** Whitened and masked; as it was where a single token is left, which has no variance. */
const whitened = (values: Tensor, mask: Tensor, options: WhitenOptions = {}): Tensor =>
  where(mask.sum().gt(1), whiten(values, mask, options), values).mul(mask)
