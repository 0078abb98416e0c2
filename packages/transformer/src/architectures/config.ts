import { TransformerError } from '../errors.js'

/**
 * Everything that decides a decoder's weights and its forward pass. GPT-2 and Llama are two settings of it; start from
 * `gpt2()` or `llama()`.
 */
export interface DecoderConfig {
  /** Number of token ids; ids are 0 … vocabSize − 1. */
  readonly vocabSize: number
  /** Entries of the residual stream. */
  readonly width: number
  /** Number of blocks. */
  readonly layers: number
  /** Query heads. */
  readonly heads: number
  /** Key and value heads: a divisor of `heads`. Fewer than `heads` is grouped-query attention (arXiv:2305.13245). */
  readonly kvHeads: number
  /** Entries of one head; usually width / heads. Even when positions are rotary. */
  readonly headWidth: number
  /** Entries inside the feed-forward layer. */
  readonly hidden: number
  /** Longest sequence, in tokens. */
  readonly context: number
  /** Root-mean-square norm (Llama) or layer norm (GPT-2), before each sub-layer and after the last block. */
  readonly norm: 'rms' | 'layer'
  /** Rotary positions inside attention (Llama) or a learned vector per position (GPT-2). */
  readonly positions: 'rotary' | 'learned'
  /** GELU, its tanh form (OpenAI's GPT-2), or the gated SwiGLU (arXiv:2002.05202). */
  readonly activation: 'gelu' | 'geluTanh' | 'swiglu'
  /** Whether linear layers, and layer norms, add a bias. */
  readonly bias: boolean
  /** Whether the projections of queries, keys and values add a bias; default as `bias` says. Qwen 2 has these and no others. */
  readonly attentionBias?: boolean
  /** Whether queries and keys are normalised head by head, by their root mean square (Qwen 3); default false. */
  readonly queryKeyNorm?: boolean
  /** Whether the output head is the embedding table itself. */
  readonly tied: boolean
  /** Rotary base θ: pair i of R/2 turns by position · θ^(−2i/R). */
  readonly ropeBase: number
  /** How the angles are stretched for a longer context than the model was first trained with; default not. */
  readonly ropeScaling?: RopeScaling
  /** Rotate neighbouring entries (llama2.c) instead of the two halves (Hugging Face). */
  readonly ropeInterleaved: boolean
  /** Added to the variance, or the mean square, inside norms. */
  readonly normEps: number
  /** Probability of dropping an element after the embedding, in attention and at each residual; training only. */
  readonly dropout: number
}

/** All angles divided by a factor, or each by its own; or, as Llama 3.1 does, those that turn slowly, by how often they turn in the first context. */
export type RopeScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  | { readonly kind: 'divided'; readonly divisors: readonly number[] }
  | {
      readonly kind: 'llama3'
      readonly factor: number
      /** Angles that turn at most this often in the first context are divided by the factor. */
      readonly lowFrequency: number
      /** Those that turn at least this often stay as they are, and between the two it passes over. */
      readonly highFrequency: number
      /** Tokens of the first context. */
      readonly context: number
    }

const counts = ['vocabSize', 'width', 'layers', 'heads', 'kvHeads', 'headWidth', 'hidden', 'context'] as const

const choices = {
  norm: ['rms', 'layer'],
  positions: ['rotary', 'learned'],
  activation: ['gelu', 'geluTanh', 'swiglu'],
} as const

/** Largest value of a dimension: beyond it byte counts no longer fit a double's integers once multiplied. */
const largest = 2 ** 31 - 1

/**
 * Checks a configuration, of whatever origin, and returns one that has exactly the known fields. Errors: CONFIG, naming the field,
 * what was given and what was expected.
 */
export function checkConfig(config: DecoderConfig | Readonly<Record<string, unknown>>): DecoderConfig {
  const given = config as Readonly<Record<string, unknown>>
  const fail = (field: string, expected: string): never => {
    throw new TransformerError('CONFIG', `config.${field} is ${show(given[field])}; expected ${expected}`)
  }
  for (const field of counts) {
    const value = given[field]
    if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > largest) fail(field, `an integer from 1 to ${largest}`)
  }
  for (const [field, allowed] of Object.entries(choices))
    if (!(allowed as readonly unknown[]).includes(given[field])) fail(field, `one of ${allowed.map((choice) => `'${choice}'`).join(', ')}`)
  for (const field of ['bias', 'tied', 'ropeInterleaved']) if (typeof given[field] !== 'boolean') fail(field, 'true or false')
  const real = (field: string, valid: (value: number) => boolean, expected: string): void => {
    const value = given[field]
    if (typeof value !== 'number' || !Number.isFinite(value) || !valid(value)) fail(field, expected)
  }
  for (const field of ['attentionBias', 'queryKeyNorm'])
    if (given[field] !== undefined && typeof given[field] !== 'boolean') fail(field, 'true, false or nothing')
  if (given['ropeScaling'] !== undefined && !isRopeScaling(given['ropeScaling']))
    fail(
      'ropeScaling',
      "{ kind: 'linear', factor }, { kind: 'divided', divisors } or { kind: 'llama3', factor, lowFrequency, highFrequency, context }, factors of at least 1",
    )
  real('ropeBase', (value) => value > 1, 'a number above 1')
  real('normEps', (value) => value >= 0, 'a number of at least 0')
  real('dropout', (value) => value >= 0 && value < 1, 'a probability from 0 to below 1')
  const checked = given as unknown as DecoderConfig
  if (checked.ropeScaling?.kind === 'divided' && checked.ropeScaling.divisors.length !== checked.headWidth / 2)
    fail('ropeScaling', `${checked.headWidth / 2} divisors, one for each pair of entries of a head`)
  if (checked.heads % checked.kvHeads !== 0)
    fail('kvHeads', `a divisor of heads (${checked.heads}), so that each key head serves equally many query heads`)
  if (checked.positions === 'rotary' && checked.headWidth % 2 !== 0)
    fail('headWidth', 'an even number, because rotary positions turn pairs of entries')
  return {
    vocabSize: checked.vocabSize,
    width: checked.width,
    layers: checked.layers,
    heads: checked.heads,
    kvHeads: checked.kvHeads,
    headWidth: checked.headWidth,
    hidden: checked.hidden,
    context: checked.context,
    norm: checked.norm,
    positions: checked.positions,
    activation: checked.activation,
    bias: checked.bias,
    ...((checked.attentionBias ?? checked.bias) === checked.bias ? {} : { attentionBias: checked.attentionBias! }),
    ...(checked.queryKeyNorm === true ? { queryKeyNorm: true } : {}),
    tied: checked.tied,
    ropeBase: checked.ropeBase,
    ...(checked.ropeScaling === undefined ? {} : { ropeScaling: checked.ropeScaling }),
    ropeInterleaved: checked.ropeInterleaved,
    normEps: checked.normEps,
    dropout: checked.dropout,
  }
}

function isRopeScaling(value: unknown): value is RopeScaling {
  if (typeof value !== 'object' || value === null) return false
  const { kind, factor, divisors, lowFrequency, highFrequency, context } = value as Record<string, unknown>
  const isReal = (one: unknown): one is number => typeof one === 'number' && Number.isFinite(one)
  if (kind === 'divided') return Array.isArray(divisors) && divisors.every((one) => isReal(one) && one > 0)
  if (!isReal(factor) || factor < 1) return false
  if (kind === 'linear') return true
  return (
    kind === 'llama3' &&
    isReal(lowFrequency) &&
    lowFrequency > 0 &&
    isReal(highFrequency) &&
    highFrequency > lowFrequency &&
    isReal(context) &&
    context >= 1
  )
}

const show = (value: unknown): string => {
  const text = typeof value === 'string' ? JSON.stringify(value) : typeof value === 'object' && value !== null ? 'an object' : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** What every preset leaves open: sizes. */
export interface DecoderSizes {
  readonly vocabSize: number
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Longest sequence, in tokens. */
  readonly context: number
}
