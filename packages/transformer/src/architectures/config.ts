import { TransformerError } from '../errors.js'
import { divisorsOf, isRopeScaling, ropeScalingKinds, type RopeScaling } from './rope-scaling.js'

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
  /** Root-mean-square norm (Llama) or layer norm (GPT-2), at each sub-layer and after the last block. */
  readonly norm: 'rms' | 'layer'
  /** Norms before each sub-layer, after it and before it is added (OLMo 2), or both: 'sandwich' (Gemma 2 and 3). Default 'pre'. */
  readonly normPlacement?: 'pre' | 'post' | 'sandwich'
  /** Attention and feed-forward both see what came into the block, and are added together (GPT-NeoX); default the second sees the first. */
  readonly parallel?: boolean
  /** Rotary positions inside attention (Llama) or a learned vector per position (GPT-2). */
  readonly positions: 'rotary' | 'learned'
  /** GELU, its tanh form (OpenAI's GPT-2), or gated (arXiv:2002.05202): SwiGLU, GeGLU and its tanh form (Gemma). */
  readonly activation: 'gelu' | 'geluTanh' | 'swiglu' | 'geglu' | 'gegluTanh'
  /** Whether linear layers, and layer norms, add a bias. */
  readonly bias: boolean
  /** Whether the projections of queries, keys and values add a bias; default as `bias` says. Qwen 2 has these and no others. */
  readonly attentionBias?: boolean
  /** Queries and keys are normalised by their root mean square, each head by itself (Qwen 3, Gemma 3) or all heads together (OLMo 2); default not. */
  readonly queryKeyNorm?: 'head' | 'projection'
  /** Factor on the product of a query and a key; default 1/√headWidth. */
  readonly attentionScale?: number
  /** Attention's scores become c · tanh(scores / c) (Gemma 2); default as they are. */
  readonly attentionSoftcap?: number
  /** The same for the logits. */
  readonly logitSoftcap?: number
  /** For each layer how many tokens one sees, itself included: a sliding window (Mistral, Gemma); 0 is all before it. Default all layers 0. */
  readonly windows?: readonly number[]
  /** Experts in place of the feed-forward layer; default there are none. */
  readonly mixture?: MixtureConfig
  /** Factor on the embeddings, √width in Gemma; default 1. */
  readonly embeddingScale?: number
  /** Whether the output head is the embedding table itself. */
  readonly tied: boolean
  /** Rotary base θ: pair i of R/2 turns by position · θ^(−2i/R). */
  readonly ropeBase: number
  /** R: entries of a head that turn, the first ones; default, and at most, headWidth. */
  readonly rotaryWidth?: number
  /** Base of the layers that have a window, whose angles are not stretched (Gemma 3); default as the others'. */
  readonly localRopeBase?: number
  /** How the angles are stretched for a longer context than the model was first trained with; default not. */
  readonly ropeScaling?: RopeScaling
  /** Rotate neighbouring entries (llama2.c) instead of the two halves (Hugging Face). */
  readonly ropeInterleaved: boolean
  /** Added to the variance, or the mean square, inside norms. */
  readonly normEps: number
  /** Probability of dropping an element after the embedding, in attention and at each residual; training only. */
  readonly dropout: number
}

/** A feed-forward layer made of experts, of which a token uses a few (Fedus et al., arXiv:2101.03961; Jiang et al., arXiv:2401.04088). */
export interface MixtureConfig {
  /** Number of experts. */
  readonly experts: number
  /** Of them, those that a token uses: the ones with the highest probabilities. */
  readonly active: number
  /** Entries inside an expert. */
  readonly hidden: number
  /** Whether the probabilities of a token's experts are divided by their sum (Mixtral; Qwen's `norm_topk_prob`). */
  readonly normalized: boolean
  /** Entries inside an expert that all tokens use beside their own, behind a gate (Qwen 2 MoE); default there is none. */
  readonly sharedHidden?: number
  /** Layers, counted from 0, that have an ordinary feed-forward of `hidden` entries instead; default none. */
  readonly denseLayers?: readonly number[]
}

const counts = ['vocabSize', 'width', 'layers', 'heads', 'kvHeads', 'headWidth', 'hidden', 'context'] as const

const choices = {
  norm: ['rms', 'layer'],
  positions: ['rotary', 'learned'],
  activation: ['gelu', 'geluTanh', 'swiglu', 'geglu', 'gegluTanh'],
} as const

const optionalChoices = { normPlacement: ['pre', 'post', 'sandwich'], queryKeyNorm: ['head', 'projection'] } as const

/** Largest value of a dimension: beyond it byte counts no longer fit a double's integers once multiplied. */
const largest = 2 ** 31 - 1

/** Most layers, and most experts in one: for each there are objects on the host before a weight is looked at. */
export const mostLayers = 4096
/** Most experts in all layers together: of models known today none has a fourth of it. */
const mostExperts = 2 ** 17

const isCount = (value: unknown, most = largest): value is number =>
  Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most

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
    const most = field === 'layers' ? mostLayers : largest
    if (!isCount(given[field], most)) fail(field, `an integer from 1 to ${most}`)
  }
  const oneOf = (allowed: readonly string[]): string => allowed.map((choice) => `'${choice}'`).join(', ')
  for (const [field, allowed] of Object.entries(choices))
    if (!(allowed as readonly unknown[]).includes(given[field])) fail(field, `one of ${oneOf(allowed)}`)
  for (const [field, allowed] of Object.entries(optionalChoices))
    if (given[field] !== undefined && !(allowed as readonly unknown[]).includes(given[field]))
      fail(field, `one of ${oneOf(allowed)}, or nothing`)
  for (const field of ['bias', 'tied', 'ropeInterleaved']) if (typeof given[field] !== 'boolean') fail(field, 'true or false')
  for (const field of ['attentionBias', 'parallel'])
    if (given[field] !== undefined && typeof given[field] !== 'boolean') fail(field, 'true, false or nothing')
  const real = (field: string, valid: (value: number) => boolean, expected: string): void => {
    const value = given[field]
    if (typeof value !== 'number' || !Number.isFinite(value) || !valid(value)) fail(field, expected)
  }
  real('ropeBase', (value) => value > 1, 'a number above 1')
  real('normEps', (value) => value >= 0, 'a number of at least 0')
  real('dropout', (value) => value >= 0 && value < 1, 'a probability from 0 to below 1')
  for (const field of ['attentionScale', 'attentionSoftcap', 'logitSoftcap', 'embeddingScale'])
    if (given[field] !== undefined) real(field, (value) => value > 0, 'a number above 0, or nothing')
  if (given['localRopeBase'] !== undefined) real('localRopeBase', (value) => value > 1, 'a number above 1, or nothing')
  if (given['ropeScaling'] !== undefined && !isRopeScaling(given['ropeScaling'])) fail('ropeScaling', ropeScalingKinds)
  const checked = given as unknown as DecoderConfig
  if (checked.heads % checked.kvHeads !== 0)
    fail('kvHeads', `a divisor of heads (${checked.heads}), so that each key head serves equally many query heads`)
  if (checked.positions === 'rotary') checkRotary(checked, fail)
  const { windows, mixture } = checked
  if (
    windows !== undefined &&
    !(Array.isArray(windows) && windows.length === checked.layers && windows.every((one) => one === 0 || isCount(one)))
  )
    fail('windows', `a list of ${checked.layers} numbers of tokens, one for each layer, or 0 where there is no window`)
  if (checked.normPlacement !== undefined && checked.normPlacement !== 'pre' && checked.parallel === true)
    fail('parallel', 'false or nothing, because norms after the sub-layers need them one after the other')
  if (mixture !== undefined) checkMixture(mixture, checked, fail)
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
    ...unless(checked, 'normPlacement', 'pre'),
    ...unless(checked, 'parallel', false),
    positions: checked.positions,
    activation: checked.activation,
    bias: checked.bias,
    ...unless(checked, 'attentionBias', checked.bias),
    ...unless(checked, 'queryKeyNorm', undefined),
    ...unless(checked, 'attentionScale', undefined),
    ...unless(checked, 'attentionSoftcap', undefined),
    ...unless(checked, 'logitSoftcap', undefined),
    ...(windows === undefined || windows.every((one) => one === 0) ? {} : { windows: [...windows] }),
    ...(mixture === undefined ? {} : { mixture: knownMixture(mixture) }),
    ...unless(checked, 'embeddingScale', 1),
    tied: checked.tied,
    ropeBase: checked.ropeBase,
    ...unless(checked, 'rotaryWidth', checked.headWidth),
    ...unless(checked, 'localRopeBase', undefined),
    ...unless(checked, 'ropeScaling', undefined),
    ropeInterleaved: checked.ropeInterleaved,
    normEps: checked.normEps,
    dropout: checked.dropout,
  }
}

/** An optional field, left out where it says what holds without it. */
const unless = <Field extends keyof DecoderConfig>(
  config: DecoderConfig,
  field: Field,
  usual: unknown,
): Pick<DecoderConfig, Field> | object => (config[field] === undefined || config[field] === usual ? {} : { [field]: config[field] })

type Fail = (field: string, expected: string) => never

function checkRotary({ headWidth, rotaryWidth, ropeScaling }: DecoderConfig, fail: Fail): void {
  if (rotaryWidth === undefined && headWidth % 2 !== 0) fail('headWidth', 'an even number, because rotary positions turn pairs of entries')
  if (rotaryWidth !== undefined && !(isCount(rotaryWidth, headWidth) && rotaryWidth % 2 === 0))
    fail('rotaryWidth', `an even number from 2 to headWidth (${headWidth})`)
  const pairs = (rotaryWidth ?? headWidth) / 2
  if (ropeScaling !== undefined && divisorsOf(ropeScaling).some(({ length }) => length !== pairs))
    fail('ropeScaling', `${pairs} divisors, one for each pair of entries of a head`)
}

function checkMixture(mixture: unknown, { layers, activation }: DecoderConfig, fail: Fail): void {
  if (typeof mixture !== 'object' || mixture === null) return fail('mixture', 'an object, or nothing')
  const { experts, active, hidden, normalized, sharedHidden, denseLayers } = mixture as Partial<MixtureConfig>
  if (!isCount(experts, mostLayers)) return fail('mixture', `experts from 1 to ${mostLayers}, got ${show(experts)}`)
  if (experts * layers > mostExperts)
    fail('mixture', `at most ${mostExperts} experts in all layers together, got ${experts} in each of ${layers}`)
  if (!isCount(active, experts)) fail('mixture', `active experts from 1 to ${experts}, got ${show(active)}`)
  if (!isCount(hidden)) fail('mixture', `hidden to be a positive integer, got ${show(hidden)}`)
  if (typeof normalized !== 'boolean') fail('mixture', `normalized to be true or false, got ${show(normalized)}`)
  if (sharedHidden !== undefined && !isCount(sharedHidden))
    fail('mixture', `sharedHidden to be a positive integer, got ${show(sharedHidden)}`)
  const isLayer = (one: unknown): boolean => one === 0 || isCount(one, layers - 1)
  if (denseLayers !== undefined && !(Array.isArray(denseLayers) && denseLayers.every(isLayer)))
    fail('mixture', `denseLayers to be numbers of layers, from 0 to ${layers - 1}`)
  if (!isGated(activation)) fail('activation', 'a gated one, because experts are gated')
}

const knownMixture = ({ experts, active, hidden, normalized, sharedHidden, denseLayers }: MixtureConfig): MixtureConfig => ({
  experts,
  active,
  hidden,
  normalized,
  ...(sharedHidden === undefined ? {} : { sharedHidden }),
  ...(denseLayers === undefined || denseLayers.length === 0 ? {} : { denseLayers: [...denseLayers] }),
})

/** Whether a feed-forward layer has a gate. */
export const isGated = (activation: DecoderConfig['activation']): boolean => activation.includes('glu')

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
