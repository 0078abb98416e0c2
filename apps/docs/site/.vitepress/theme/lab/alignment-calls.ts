/** Losses of alignment, computed and differentiated; on the reference device, because they are a few dozen numbers. */
import { dpoLoss, klEstimate, ppoPolicyLoss, type DpoVariant } from '@tesserae/rlhf'
import { referenceDevice, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import type { CallContext } from './protocol.js'

const device = referenceDevice()
const vector = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), { shape: [values.length] })

async function read(value: Tensor): Promise<number[]> {
  using real = await value.realize({ device })
  return Array.from(await real.data(), Number)
}

export interface CurveOptions {
  readonly beta: number
  readonly variant: DpoVariant
  readonly clip: number
}

/**
 * DPO's loss of one pair over the margin of log-ratios, with its slope, and PPO's clipped loss of one token over the ratio, for an
 * advantage of +1 and of −1.
 */
export async function lossCurves({ beta, variant, clip }: CurveOptions, _: CallContext<never>) {
  const margins = Array.from({ length: 81 }, (_, i) => (i - 40) / 2)
  const zeros = vector(margins.map(() => 0))
  const dpoOf = (policyChosen: Tensor) =>
    dpoLoss({ policyChosen, policyRejected: zeros, referenceChosen: zeros, referenceRejected: zeros }, { beta, variant }).perExample
  using margin = vector(margins)
  const loss = await read(dpoOf(margin))
  const slope = await read(valueAndGrad((policyChosen: Tensor) => dpoOf(policyChosen).sum())(margin).grads)

  const ratios = Array.from({ length: 61 }, (_, i) => 0.4 + i * 0.02)
  const ppo = async (advantage: number): Promise<number[]> => {
    const losses: number[] = []
    // One token at a time: the loss is a mean over tokens, and here each is looked at by itself.
    for (const ratio of ratios) {
      const one = (value: number): Tensor => tensor([[value]])
      const { loss: single } = ppoPolicyLoss(
        { logprobs: one(Math.log(ratio)), oldLogprobs: one(0), advantages: one(advantage), mask: one(1) },
        { clip },
      )
      losses.push((await read(single))[0]!)
    }
    return losses
  }
  const result = { margins, loss, slope, ratios, good: await ppo(1), bad: await ppo(-1) }
  zeros.dispose()
  return result
}

export interface PreferenceInput {
  /** One logit for each answer: the policy. */
  readonly logits: readonly number[]
  /** Pairs of [better, worse], indices of answers. */
  readonly pairs: readonly (readonly [number, number])[]
  readonly beta: number
  readonly rate: number
  readonly steps: number
}

/** Gradient descent on DPO's loss of a policy over a handful of answers; the reference gives each the same probability. */
export async function preferenceSteps({ logits, pairs, beta, rate, steps }: PreferenceInput, { signal }: CallContext<never>) {
  if (pairs.length === 0) throw new Error('There is no preference to learn from yet')
  const uniform = -Math.log(logits.length)
  const [chosen, rejected] = [0, 1].map((side) =>
    tensor(
      Int32Array.from(pairs, (pair) => pair[side as 0 | 1]),
      { shape: [pairs.length], dtype: 'i32' },
    ),
  )
  const reference = vector(pairs.map(() => uniform))
  const objective = (policy: Tensor): Tensor => {
    const logprobs = policy.logSoftmax()
    return dpoLoss(
      {
        policyChosen: logprobs.gather(chosen!, 0),
        policyRejected: logprobs.gather(rejected!, 0),
        referenceChosen: reference,
        referenceRejected: reference,
      },
      { beta },
    ).loss
  }
  let now = [...logits]
  let loss = 0
  for (let i = 0; i < steps && !signal.aborted; i++) {
    using policy = vector(now)
    const { value, grads } = valueAndGrad(objective)(policy)
    const gradient = await read(grads)
    loss = (await read(value))[0]!
    now = now.map((logit, j) => logit - rate * gradient[j]!)
  }
  using policy = vector(now)
  const logprobs = policy.logSoftmax()
  const probabilities = await read(policy.softmax())
  using same = vector(now.map(() => uniform))
  const kl = (await read(klEstimate(logprobs, same))).reduce((sum, x, i) => sum + x * probabilities[i]!, 0)
  for (const used of [chosen!, rejected!, reference]) used.dispose()
  return { logits: now, probabilities, loss, kl }
}
