import { oneHot, type Tensor } from '@tesserae/tensor'
import type { MixtureConfig } from '../architectures/config.js'
import { activate, feedForward, type Activation, type FeedForwardWeights } from './feed-forward.js'
import { linear, type LinearWeights } from './linear.js'
import type { Matrix } from './packed.js'

/** Experts and what sends tokens to them. */
export interface MixtureWeights<Leaf = Tensor, Weight = Leaf> {
  /** [experts, width] */
  readonly router: LinearWeights<Leaf>
  /** The weights of all experts in one: up and gate [experts, hidden, width], down [experts, width, hidden]. */
  readonly experts: { readonly up: ExpertWeights<Leaf>; readonly gate: ExpertWeights<Leaf>; readonly down: ExpertWeights<Leaf> }
  /** An expert that all tokens use, and its gate [1, width]. */
  readonly shared?: FeedForwardWeights<Leaf, Weight>
  readonly sharedGate?: LinearWeights<Leaf>
}

interface ExpertWeights<Leaf> {
  readonly weight: Leaf
}

/** Whether a feed-forward layer is made of experts. */
export const isMixture = (
  weights: FeedForwardWeights<Tensor, Matrix> | MixtureWeights<Tensor, Matrix>,
): weights is MixtureWeights<Tensor, Matrix> => 'router' in weights

/**
 * Each token through the experts that its router finds likeliest, their outputs weighed by those probabilities: x [B, T, width] → the same shape.
 *
 * Few tokens copy the weights of their experts together and read no others; many go through all experts, where those that are not theirs count nothing.
 */
export function mixture(
  weights: MixtureWeights<Tensor, Matrix>,
  x: Tensor,
  { config, activation }: { readonly config: MixtureConfig; readonly activation: Activation },
): Tensor {
  const [batch, tokens, width] = x.shape as readonly [number, number, number]
  const rows = batch === 1 ? tokens : batch * tokens
  const flat = x.reshape(rows, width)
  const likely = linear(weights.router, flat).softmax(-1).topK(config.active)
  const share = config.normalized ? likely.values.div(likely.values.sum(-1, { keepDims: true })) : likely.values
  // A copy reads, writes and reads again.
  const few = typeof rows === 'number' && 3 * rows * config.active <= config.experts
  const routed = (few ? throughOwn : throughAll)(weights.experts, flat, { ...likely, share }, { experts: config.experts, activation })
  const out = routed.reshape(batch, tokens, width)
  if (weights.shared === undefined) return out
  const shared = feedForward(weights.shared, x, activation)
  return out.add(weights.sharedGate === undefined ? shared : shared.mul(linear(weights.sharedGate, x).sigmoid()))
}

interface Routing {
  /** Of each token's experts, [rows, active]: their numbers and how much they count. */
  readonly indices: Tensor
  readonly share: Tensor
}

interface How {
  readonly experts: number
  readonly activation: Activation
}

function throughOwn(weights: MixtureWeights['experts'], x: Tensor, { indices, share }: Routing, { activation }: How): Tensor {
  const [rows, width] = x.shape as readonly [number, number]
  const active = indices.shape[1] as number
  const chosen = indices.reshape(rows * active)
  const each = x
    .unsqueeze(1)
    .expand(rows, active, width)
    .reshape(rows * active, 1, width)
  const through = (expert: ExpertWeights<Tensor>, input: Tensor): Tensor => input.matmul(expert.weight.gather(chosen, 0), { transB: true })
  const inner = activate(through(weights.up, each), through(weights.gate, each), activation)
  return through(weights.down, inner).reshape(rows, active, width).mul(share.unsqueeze(-1)).sum(1)
}

function throughAll(weights: MixtureWeights['experts'], x: Tensor, { indices, share }: Routing, { experts, activation }: How): Tensor {
  // [rows, experts], 0 for those that are not a token's.
  const shares = oneHot(indices, experts).mul(share.unsqueeze(-1)).sum(1)
  const each = x.unsqueeze(0)
  const through = (expert: ExpertWeights<Tensor>, input: Tensor): Tensor => input.matmul(expert.weight, { transB: true })
  const inner = activate(through(weights.up, each), through(weights.gate, each), activation)
  return through(weights.down, inner).mul(shares.transpose().unsqueeze(-1)).sum(0)
}
