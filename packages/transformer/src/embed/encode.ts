/** The graph of an encoder: a decoder's layers seen in both directions, pooled into one vector for each text. */
import { arange, crossEntropy, type Tensor } from '@tesserae/tensor'
import { runBlocks, type ForwardOptions } from '../architectures/decoder.js'
import type { DecoderWeights } from '../architectures/weights.js'

/** Texts as ids, filled up to one length. */
export interface EncoderInput {
  /** i32 [B, T] */
  readonly ids: Tensor
  /** i32 [B]: tokens of each text, from 1 to T; ids from there on are filling and change nothing. */
  readonly lengths: Tensor
}

/**
 * One vector of length 1 for each text: [B, width]. Every token sees every other one; the hidden states of a text's tokens are averaged and
 * scaled to length 1, as in Sentence-BERT (Reimers and Gurevych, arXiv:1908.10084), so that a product of two vectors is
 * their cosine. Errors: CAPACITY beyond the context, OPTION.
 */
export function encodeTexts(weights: DecoderWeights, { ids, lengths }: EncoderInput, options: ForwardOptions): Tensor {
  const [rows, tokens] = ids.shape as readonly [number, number]
  const present = arange(tokens).reshape(1, tokens).lt(lengths.reshape(rows, 1)) // [B, T]
  const hidden = runBlocks(weights, ids, options, { causal: false, mask: present.reshape(rows, 1, 1, tokens) })
  const kept = hidden.mul(present.cast(hidden.dtype).reshape(rows, tokens, 1)) // [B, T, width]
  const mean = kept.sum(1).div(lengths.cast(hidden.dtype).reshape(rows, 1))
  return normalize(mean)
}

/** Rows scaled to length 1: [B, D]. Rows near nothing stay near nothing instead of becoming noise. */
export const normalize = (x: Tensor): Tensor => x.mul(x.square().sum(-1, { keepDims: true }).add(1e-12).rsqrt())

/**
 * InfoNCE with the other pairs of the batch as negatives (van den Oord et al., arXiv:1807.03748; both ways round as in CLIP,
 * arXiv:2103.00020): the mean over i of −log softmax_j(left_i · right_j / temperature)[i], and the same for right to left,
 * averaged. left and right are [B, D] of length 1; returns a scalar in nats, log B for vectors that tell nothing.
 */
export function contrastiveLoss(left: Tensor, right: Tensor, options: { readonly temperature?: number } = {}): Tensor {
  const { temperature = 0.05 } = options
  const scores = left.matmul(right, { transB: true, alpha: 1 / temperature }) // [B, B]
  const own = arange(left.shape[0]!)
  return crossEntropy(scores, own)
    .add(crossEntropy(scores.permute(1, 0), own))
    .mean()
    .mul(0.5)
}
