import { adamwStep, stack, type Tensor } from '@tesserae/tensor'
import { mapWeights, namedWeights, type DecoderWeights } from '../architectures/weights.js'

export interface OptimizerOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  /** Decoupled decay of matrices and tables; norms and biases are not decayed. */
  readonly weightDecay?: number
}

/** Weights with their two moments, nested alike. */
export interface OptimizerState {
  readonly weights: DecoderWeights
  readonly m: DecoderWeights
  readonly v: DecoderWeights
}

/** nanoGPT's settings. */
export const optimizerDefaults = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 } as const

/** Euclidean norm of all gradients together: a scalar. */
export function globalNorm(grads: DecoderWeights): Tensor {
  const squares = [...namedWeights(grads).values()].map((grad) => grad.square().sum())
  return stack(squares).sum().sqrt()
}

/** Factor that brings gradients of this norm down to `limit` at most: min(1, limit / (norm + 1e-6)), as torch's clip_grad_norm_. */
export const clipFactor = (norm: Tensor, limit: number): Tensor => norm.add(1e-6).recip().mul(limit).minimum(1)

/** One AdamW step of all weights. `factor` scales the gradients first; `lr` and `step` (from 1) are f32 scalars. */
export function adamw(
  state: OptimizerState,
  grads: DecoderWeights,
  factor: Tensor | undefined,
  lr: Tensor,
  step: Tensor,
  options: OptimizerOptions = {},
): OptimizerState {
  const settings = { ...optimizerDefaults, ...options }
  const moments = { m: namedWeights(state.m), v: namedWeights(state.v) }
  const gradients = namedWeights(grads)
  const next = new Map<string, ReturnType<typeof adamwStep>>()
  for (const [name, parameter] of namedWeights(state.weights)) {
    const grad = gradients.get(name)!
    const weightDecay = parameter.rank >= 2 ? settings.weightDecay : 0
    next.set(
      name,
      adamwStep({ parameter, m: moments.m.get(name)!, v: moments.v.get(name)! }, factor === undefined ? grad : grad.mul(factor), lr, step, {
        ...settings,
        weightDecay,
      }),
    )
  }
  const pick = (part: 'parameter' | 'm' | 'v'): DecoderWeights => mapWeights(state.weights, (_: Tensor, name) => next.get(name)![part])
  return { weights: pick('parameter'), m: pick('m'), v: pick('v') }
}
