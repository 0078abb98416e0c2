import { adamwStep, flattenTree, forEachLeaf, fromBytes, mapTree, realize, stack, type Tensor, type Tree } from '@tesserae/tensor'
import type { DecoderWeights } from '../architectures/weights.js'

export interface OptimizerOptions {
  readonly beta1?: number
  readonly beta2?: number
  readonly eps?: number
  /** Decoupled decay of matrices and tables; norms and biases are not decayed. */
  readonly weightDecay?: number
}

/** Weights, or whatever record of tensors is trained, with their two moments, nested alike. */
export interface OptimizerState<Weights = DecoderWeights> {
  readonly weights: Weights
  readonly m: Weights
  readonly v: Weights
}

/** nanoGPT's settings. */
export const optimizerDefaults = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 } as const

/** The state before the first step: any record of tensors with moments of 0 (f32). The caller owns the moments. */
export const freshOptimizerState = <Weights>(weights: Weights): OptimizerState<Weights> => ({
  weights,
  m: zeroMoments(weights),
  v: zeroMoments(weights),
})

/** Zeros of the shapes of a record's tensors, in f32 and at hand, so that a program may write into them. */
export const zeroMoments = <Weights>(weights: Weights): Weights =>
  mapTree(weights, (leaf) => {
    const { size, shape } = leaf as Tensor
    return fromBytes(new Uint8Array(4 * (size as number)), { dtype: 'f32', shape, adopt: true })
  }) as Weights

/** Makes the tensors of a record ones that a program may write into: computed, and not frozen for generation. */
export async function makeTrainable(weights: unknown): Promise<void> {
  const leaves: Tensor[] = []
  forEachLeaf(weights, (leaf) => void (leaf !== undefined && leaves.push(leaf as Tensor)))
  await realize(leaves)
  for (const leaf of leaves) if (leaf.frozen) leaf.unfreeze()
}

/** Euclidean norm of all gradients together: a scalar. */
export function globalNorm(grads: object): Tensor {
  const squares = [...leavesOf(grads).values()].map((grad) => grad.square().sum())
  return stack(squares).sum().sqrt()
}

/** Factor that brings gradients of this norm down to `limit` at most: min(1, limit / (norm + 1e-6)), as torch's clip_grad_norm_. */
export const clipFactor = (norm: Tensor, limit: number): Tensor => norm.add(1e-6).recip().mul(limit).minimum(1)

/** One AdamW step of all weights. `factor` scales the gradients first; `lr` and `step` (from 1) are f32 scalars. */
export function adamw<Weights extends object = DecoderWeights>(
  state: OptimizerState<Weights>,
  grads: Weights,
  factor: Tensor | undefined,
  lr: Tensor,
  step: Tensor,
  options: OptimizerOptions = {},
): OptimizerState<Weights> {
  const settings = { ...optimizerDefaults, ...options }
  const moments = { m: leavesOf(state.m), v: leavesOf(state.v) }
  const gradients = leavesOf(grads)
  const next = new Map<string, ReturnType<typeof adamwStep>>()
  for (const [name, parameter] of leavesOf(state.weights)) {
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
  const pick = (part: 'parameter' | 'm' | 'v'): Weights => mapTree(state.weights, (_, name) => next.get(name)![part]) as Weights
  return { weights: pick('parameter'), m: pick('m'), v: pick('v') }
}

const leavesOf = (record: object): Map<string, Tensor> => flattenTree<Tensor>(record as Tree<Tensor>)
