/** Derivatives of the losses beside difference quotients, in double precision. */
import { referenceDevice, tensor, valueAndGrad, type Tensor } from '@tesserae/tensor'
import { whiten } from '../advantage/whiten.js'
import { bestOfLoss, bradleyTerryLoss } from '../losses/bradley-terry.js'
import { dpoLoss, type DpoVariant } from '../losses/dpo.js'
import { klEstimate, type KlEstimator } from '../losses/kl.js'
import { entropyOf, logprobsOf } from '../losses/logprobs.js'
import { ppoPolicyLoss, ppoValueLoss } from '../losses/ppo.js'
import { sftLoss } from '../losses/sft.js'

const f64 = (values: unknown): Tensor => tensor(values as number[], { dtype: 'f64' })
const ints = (values: unknown): Tensor => tensor(values as number[], { dtype: 'i32' })
const wave = (count: number, phase: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(1.7 * i + phase))

/** Inputs by name with their shape, and the loss of them. */
export interface GradientCase {
  readonly name: string
  readonly inputs: Readonly<Record<string, readonly [shape: readonly number[], phase: number]>>
  readonly loss: (inputs: Readonly<Record<string, Tensor>>) => Tensor
}

const mask = (): Tensor => f64([1, 1, 0, 1, 1, 1]).reshape(2, 3)
const pair = { policyChosen: [[4], 1], policyRejected: [[4], 2], referenceChosen: [[4], 3], referenceRejected: [[4], 4] } as const
const cases: Readonly<Record<string, Omit<GradientCase, 'name'>>> = {
  sft: {
    inputs: { logits: [[2, 3, 5], 0.3] },
    loss: ({ logits }) => sftLoss(logits!, ints([0, -1, 4, 2, 2, -1]).reshape(2, 3)).loss,
  },
  'bradley-terry': {
    inputs: { chosen: [[3], 1], rejected: [[3], 2], margin: [[3], 3] },
    loss: ({ chosen, rejected, margin }) =>
      bradleyTerryLoss({ chosen: chosen!, rejected: rejected! }, { margin: margin!, centering: 0.3 }).loss,
  },
  'best of': { inputs: { rewards: [[2, 4], 1] }, loss: ({ rewards }) => bestOfLoss(rewards!, ints([1, 3])).loss },
  ...Object.fromEntries(
    (['sigmoid', 'hinge', 'ipo', 'robust'] satisfies DpoVariant[]).map((variant): [string, Omit<GradientCase, 'name'>] => [
      `dpo ${variant}`,
      {
        inputs: pair,
        loss: (logprobs) =>
          dpoLoss(logprobs as never, {
            variant,
            beta: 0.7,
            labelSmoothing: variant === 'robust' || variant === 'sigmoid' ? 0.2 : 0,
            lengths: { chosen: f64([2, 3, 4, 5]), rejected: f64([3, 3, 1, 2]) },
          }).loss,
      },
    ]),
  ),
  ...Object.fromEntries(
    (['k1', 'k2', 'k3'] satisfies KlEstimator[]).map((estimator): [string, Omit<GradientCase, 'name'>] => [
      `kl ${estimator}`,
      { inputs: { p: [[5], 1], q: [[5], 2] }, loss: ({ p, q }) => klEstimate(p!, q!, { estimator }).sum() },
    ]),
  ),
  'ppo policy': {
    inputs: { logprobs: [[2, 3], 1], oldLogprobs: [[2, 3], 1.2], advantages: [[2, 3], 3] },
    loss: (inputs) => ppoPolicyLoss({ ...(inputs as Record<'logprobs' | 'oldLogprobs' | 'advantages', Tensor>), mask: mask() }).loss,
  },
  'ppo value': {
    inputs: { values: [[2, 3], 1], oldValues: [[2, 3], 1.2], returns: [[2, 3], 3] },
    loss: (inputs) => ppoValueLoss({ ...(inputs as Record<'values' | 'oldValues' | 'returns', Tensor>), mask: mask() }).loss,
  },
  whitening: {
    inputs: { values: [[2, 3], 1] },
    loss: ({ values }) =>
      whiten(values!, mask())
        .mul(f64(wave(6, 5)).reshape(2, 3))
        .sum(),
  },
  'log-probabilities and entropy': {
    inputs: { logits: [[3, 4], 1] },
    loss: ({ logits }) =>
      logprobsOf(logits!, ints([1, -1, 3]), { temperature: 0.7 })
        .sum()
        .add(entropyOf(logits!).sum()),
  },
}

export const gradientCases: readonly GradientCase[] = Object.entries(cases).map(([name, one]) => ({ name, ...one }))

/** Largest |derivative − quotient| over 1 + |quotient|, and which input it is of. */
export async function gradientError({ inputs, loss }: GradientCase): Promise<{ readonly error: number; readonly at: string }> {
  const device = referenceDevice()
  const read = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }))
  const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
  const values = Object.fromEntries(Object.entries(inputs).map(([name, [shape, phase]]) => [name, wave(count(shape), phase)]))
  const tensors = (given: Record<string, number[]>): Record<string, Tensor> =>
    Object.fromEntries(Object.entries(inputs).map(([name, [shape]]) => [name, f64(given[name]).reshape(...shape)]))
  const { grads } = valueAndGrad((params: Record<string, Tensor>) => loss(params))(tensors(values))
  let worst = { error: 0, at: 'none' }
  for (const name of Object.keys(inputs)) {
    const found = await read(grads[name]!)
    for (let i = 0; i < found.length; i++) {
      const h = 1e-6
      const at = async (shift: number): Promise<number> =>
        (await read(loss(tensors({ ...values, [name]: values[name]!.map((value, k) => (k === i ? value + shift : value)) }))))[0]!
      const quotient = ((await at(h)) - (await at(-h))) / (2 * h)
      const error = Math.abs(found[i]! - quotient) / (1 + Math.abs(quotient))
      if (!(error <= worst.error)) worst = { error: Number.isNaN(error) ? Infinity : error, at: `${name}[${i}]` }
    }
  }
  return worst
}
