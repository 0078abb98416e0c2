import { dequantize, oneHot, qmatmulChosen, type Tensor } from '@tesserae/tensor'
import type { MixtureConfig } from '../architectures/config.js'
import { activate, feedForward, type Activation, type FeedForwardWeights } from './feed-forward.js'
import { linear, timesTransposed, type LinearWeights } from './linear.js'
import { isPacked, quantizedWeight, type Matrix, type PackedMatrix } from './packed.js'

/** Experts and what sends tokens to them. */
export interface MixtureWeights<Leaf = Tensor, Weight = Leaf> {
  /** [experts, width] */
  readonly router: LinearWeights<Leaf>
  /** The weights of all experts in one: up and gate [experts, hidden, width], down [experts, width, hidden]. */
  readonly experts: { readonly up: ExpertWeights<Weight>; readonly gate: ExpertWeights<Weight>; readonly down: ExpertWeights<Weight> }
  /** An expert that all tokens use, and its gate [1, width]. */
  readonly shared?: FeedForwardWeights<Leaf, Weight>
  readonly sharedGate?: LinearWeights<Leaf>
}

interface ExpertWeights<Weight> {
  readonly weight: Weight
}

type Experts<Weight> = MixtureWeights<Tensor, Weight>['experts']

/** Whether a feed-forward layer is made of experts. */
export const isMixture = (
  weights: FeedForwardWeights<Tensor, Matrix> | MixtureWeights<Tensor, Matrix>,
): weights is MixtureWeights<Tensor, Matrix> => 'router' in weights

/**
 * Each token through the experts that its router finds likeliest, their outputs weighed by those probabilities: x [B, T, width] → the same shape.
 *
 * Few tokens copy the weights of their experts together and read no others; many go through all experts, where those that are not theirs count nothing. Weights in blocks stay in them, and a token goes through its own
 * experts: see `qmatmulChosen` of `@tesserae/tensor`.
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
  const { experts } = weights
  const how: How = { experts: config.experts, activation }
  const parts = [experts.up.weight, experts.gate.weight, experts.down.weight]
  // A copy reads, writes and reads again.
  const few = typeof rows === 'number' && 3 * rows * config.active <= config.experts
  const routed = parts.every(isPacked)
    ? throughBlocks(experts as Experts<PackedMatrix>, flat, { ...likely, share }, how)
    : (few ? throughOwn : throughAll)(unpacked(experts, width, config.hidden), flat, { ...likely, share }, how)
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

/** Rows of one of the matrices may be no whole blocks, and then it is in none. */
function unpacked({ up, gate, down }: Experts<Matrix>, width: number, hidden: number): Experts<Tensor> {
  const whole = ({ weight }: ExpertWeights<Matrix>, columns: number): ExpertWeights<Tensor> => {
    if (!isPacked(weight)) return { weight }
    const [experts, rows] = weight.scales.shape as readonly [number, number]
    const flat = (part: Tensor): Tensor => part.reshape(experts * rows, ...part.shape.slice(2))
    const { packed, scales, mins } = weight
    const all = { packed: flat(packed), scales: flat(scales), ...(mins === undefined ? {} : { mins: flat(mins) }) }
    return { weight: dequantize(quantizedWeight(all, columns)).reshape(experts, rows, columns) }
  }
  return { up: whole(up, width), gate: whole(gate, width), down: whole(down, hidden) }
}

function throughBlocks(weights: Experts<PackedMatrix>, x: Tensor, { indices, share }: Routing, { activation }: How): Tensor {
  const through = ({ weight }: ExpertWeights<PackedMatrix>, input: Tensor): Tensor =>
    qmatmulChosen(input, quantizedWeight(weight, input.shape.at(-1) as number), indices)
  const each = x.unsqueeze(1)
  const inner = activate(through(weights.up, each), through(weights.gate, each), activation)
  return through(weights.down, inner).mul(share.unsqueeze(-1)).sum(1)
}

function throughOwn(weights: Experts<Tensor>, x: Tensor, { indices, share }: Routing, { activation }: How): Tensor {
  const [rows, width] = x.shape as readonly [number, number]
  const active = indices.shape[1] as number
  const chosen = indices.reshape(rows * active)
  const each = x
    .unsqueeze(1)
    .expand(rows, active, width)
    .reshape(rows * active, 1, width)
  const through = (expert: ExpertWeights<Tensor>, input: Tensor): Tensor => timesTransposed(input, expert.weight.gather(chosen, 0))
  const inner = activate(through(weights.up, each), through(weights.gate, each), activation)
  return through(weights.down, inner).reshape(rows, active, width).mul(share.unsqueeze(-1)).sum(1)
}

function throughAll(weights: Experts<Tensor>, x: Tensor, { indices, share }: Routing, { experts, activation }: How): Tensor {
  // [rows, experts], 0 for those that are not a token's.
  const shares = oneHot(indices, experts).mul(share.unsqueeze(-1)).sum(1)
  const each = x.unsqueeze(0)
  const through = (expert: ExpertWeights<Tensor>, input: Tensor): Tensor => timesTransposed(input, expert.weight)
  const inner = activate(through(weights.up, each), through(weights.gate, each), activation)
  return through(weights.down, inner).mul(shares.transpose().unsqueeze(-1)).sum(0)
}
