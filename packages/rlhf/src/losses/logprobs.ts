import { crossEntropy, type Tensor } from '@tesserae/tensor'

export interface LogprobOptions {
  /** Divides the logits first. Rollouts sampled at a temperature are scored at the same one; default 1. */
  readonly temperature?: number
}

/** log softmax(logits / temperature)[target]: logits [..., V], integer targets [...] → [...]; 0 where the target is −1. */
export const logprobsOf = (logits: Tensor, targets: Tensor, options: LogprobOptions = {}): Tensor =>
  crossEntropy(tempered(logits, options), targets, { ignoreIndex: -1 }).neg()

/** −Σ p·log p of each row of logits, in nats: [..., V] → [...]. */
export function entropyOf(logits: Tensor, options: LogprobOptions = {}): Tensor {
  const logp = tempered(logits, options).logSoftmax()
  return logp.exp().mul(logp).sum(-1).neg()
}

const tempered = (logits: Tensor, { temperature = 1 }: LogprobOptions): Tensor => (temperature === 1 ? logits : logits.mul(1 / temperature))
