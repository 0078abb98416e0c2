import { TransformerError } from '../errors.js'

/**
 * Everything that decides the weights and the forward pass of an encoder of BERT's line: BERT and MiniLM (arXiv:1810.04805), RoBERTa and
 * XLM-R, DistilBERT, ModernBERT (arXiv:2412.13663). Every token sees every other one, except in layers with a window.
 */
export interface BertConfig {
  /** Number of token ids. */
  readonly vocabSize: number
  /** Entries of a token's vector. */
  readonly width: number
  readonly layers: number
  /** A divisor of width. */
  readonly heads: number
  /** Entries inside the feed-forward layer. */
  readonly hidden: number
  /** Longest text in tokens, special ones included. */
  readonly context: number
  /** Number of segments that have a vector of their own; 0 for none. */
  readonly types: number
  /** A learned vector for each position, added to the token's, or rotary positions inside attention. */
  readonly positions: 'learned' | 'rotary'
  /** Norms behind each sub-layer's sum (BERT), or before each sub-layer but the first and after the last (ModernBERT). */
  readonly norms: 'post' | 'pre'
  readonly activation: BertActivation
  /** Whether the activation gates a second projection (arXiv:2002.05202). */
  readonly gated: boolean
  /** Whether the parts add a bias. */
  readonly bias: { readonly attention: boolean; readonly feedForward: boolean; readonly norm: boolean }
  /** Added to the variance inside norms. */
  readonly normEps: number
  /** Base of rotary angles in layers that see everything, and in those with a window. */
  readonly ropeBase: number
  readonly localRopeBase: number
  /** For each layer how many tokens to either side one sees; 0 is all. Default: all in every layer. */
  readonly windows?: readonly number[]
  /** What makes scores of the tokens' vectors; default nothing. */
  readonly head?: BertHeadConfig
}

export type BertActivation = 'gelu' | 'geluTanh' | 'relu' | 'silu'

/** A classifier: output(norm?(activation(dense(pooled)))). */
export interface BertHeadConfig {
  /** Scores for each text. */
  readonly labels: number
  /** The first token's vector, or the mean of all. */
  readonly pooling: 'cls' | 'mean'
  readonly activation: BertActivation | 'tanh'
  /** Whether the first projection adds a bias. */
  readonly bias: boolean
  /** Whether a norm stands between the projections. */
  readonly norm: boolean
}

const counts = ['vocabSize', 'width', 'layers', 'heads', 'hidden', 'context'] as const
const activations = ['gelu', 'geluTanh', 'relu', 'silu'] as const

/** Beyond these a configuration is no model, and the objects that stand for its layers alone would be too many. */
const largest = 2 ** 31 - 1
const mostLayers = 4096

/** Checks the values of a configuration. Errors: CONFIG, naming the field, what was given and what was expected. */
export function checkBertConfig(config: BertConfig): BertConfig {
  const fail = (field: string, value: unknown, expected: string): never => {
    throw new TransformerError('CONFIG', `config.${field} is ${String(value)}; expected ${expected}`)
  }
  const isCount = (value: number, least: number, most: number): boolean => Number.isInteger(value) && value >= least && value <= most
  for (const field of counts) {
    const most = field === 'layers' ? mostLayers : largest
    if (!isCount(config[field], 1, most)) fail(field, config[field], `an integer from 1 to ${most}`)
  }
  if (!isCount(config.types, 0, largest)) fail('types', config.types, `an integer from 0 to ${largest}`)
  if (config.width % config.heads !== 0) fail('heads', config.heads, `a divisor of width (${config.width})`)
  if (!(activations as readonly string[]).includes(config.activation))
    fail('activation', config.activation, `one of ${activations.join(', ')}`)
  if (config.positions === 'rotary' && (config.width / config.heads) % 2 !== 0)
    fail('heads', config.heads, 'an even number of entries in each head, because rotary positions turn pairs of them')
  if (!(Number.isFinite(config.normEps) && config.normEps >= 0)) fail('normEps', config.normEps, 'a number of at least 0')
  for (const field of ['ropeBase', 'localRopeBase'] as const)
    if (!(Number.isFinite(config[field]) && config[field] > 1)) fail(field, config[field], 'a number above 1')
  const { windows, head } = config
  if (windows !== undefined && (windows.length !== config.layers || !windows.every((one) => isCount(one, 0, largest))))
    fail('windows', windows, `${config.layers} whole numbers, one for each layer`)
  if (head !== undefined && !isCount(head.labels, 1, 65_536)) fail('head.labels', head.labels, 'an integer from 1 to 65536')
  return config
}
