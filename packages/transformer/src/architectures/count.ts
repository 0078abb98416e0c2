import type { DecoderConfig } from './config.js'
import { namedWeights, weightSpecs } from './weights.js'

export interface ParameterCount {
  readonly total: number
  /** The token table, and the head where it is a table of its own. */
  readonly embedding: number
  /** Learned positions. */
  readonly positions: number
  /** Everything else: what scaling laws count. */
  readonly body: number
}

/** Number of weights of a configuration, without making them. */
export function countParameters(config: DecoderConfig): ParameterCount {
  const counted = { embedding: 0, positions: 0, body: 0 }
  for (const [name, { shape }] of namedWeights(weightSpecs(config))) {
    const kind =
      name.startsWith('embedding.') || name.startsWith('head.') ? 'embedding' : name.startsWith('positions.') ? 'positions' : 'body'
    counted[kind] += shape.reduce((a, b) => a * b, 1)
  }
  return { total: counted.embedding + counted.positions + counted.body, ...counted }
}

/**
 * Floating-point operations for one token at a given number of visible tokens (default: the full context): two for each weight of a
 * matrix product and, in attention, two products of that length. A training step costs three times a forward
 * pass (Kaplan et al., arXiv:2001.08361, with attention counted as in PaLM, arXiv:2204.02311, appendix B).
 */
export function flopsPerToken(config: DecoderConfig, options: { readonly tokens?: number; readonly training?: boolean } = {}): number {
  const { tokens = config.context, training = false } = options
  const { layers, heads, kvHeads, headWidth, width, hidden, vocabSize } = config
  const projections = 2 * width * headWidth * (heads + kvHeads)
  const feedForward = (config.activation === 'swiglu' ? 3 : 2) * width * hidden
  const attended = 2 * heads * headWidth * tokens
  const forward = 2 * (layers * (projections + feedForward + attended) + vocabSize * width)
  return training ? 3 * forward : forward
}
