import { isGated, type DecoderConfig, type MixtureConfig } from './config.js'
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
 * matrix product that it meets (of experts those that it uses) and, in attention, two products of that length, or of a layer's window. A training step costs three times a forward
 * pass (Kaplan et al., arXiv:2001.08361, with attention counted as in PaLM, arXiv:2204.02311, appendix B).
 */
export function flopsPerToken(config: DecoderConfig, options: { readonly tokens?: number; readonly training?: boolean } = {}): number {
  const { tokens = config.context, training = false } = options
  const { layers, heads, kvHeads, headWidth, width, hidden, vocabSize, mixture, windows } = config
  const projections = 2 * width * headWidth * (heads + kvHeads)
  const feedForward = (inner: number): number => (isGated(config.activation) ? 3 : 2) * width * inner
  const dense = mixture === undefined ? layers : (mixture.denseLayers?.length ?? 0)
  const mixed = mixture === undefined ? 0 : mixtureWeights(mixture, width, feedForward)
  const seen = (windows ?? new Array<number>(layers).fill(0)).reduce(
    (sum, window) => sum + (window === 0 ? tokens : Math.min(window, tokens)),
    0,
  )
  const attended = 2 * heads * headWidth * seen
  const forward = 2 * (layers * projections + dense * feedForward(hidden) + (layers - dense) * mixed + attended + vocabSize * width)
  return training ? 3 * forward : forward
}

/** Weights of a layer of experts that one token meets. */
const mixtureWeights = (
  { experts, active, hidden, sharedHidden }: MixtureConfig,
  width: number,
  feedForward: (inner: number) => number,
): number => width * experts + active * feedForward(hidden) + (sharedHidden === undefined ? 0 : width + feedForward(sharedHidden))
