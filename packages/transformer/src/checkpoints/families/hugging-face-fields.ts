/** What most of Hugging Face's configurations say in the same fields. */
import type { DecoderConfig } from '../../architectures/config.js'
import type { RopeScaling } from '../../architectures/rope-scaling.js'
import type { ConfigFields } from './family.js'

/** Sizes, norms and rotary positions of Llama and most others after it. `usual` is what holds where a field is missing. */
export function usualFields(
  fields: ConfigFields,
  usual: {
    readonly ropeBase?: number
    readonly normEps?: number
    readonly tied?: boolean
    readonly headWidth?: number
    readonly layerType?: string
  } = {},
) {
  const [width, heads] = [fields.number('hidden_size'), fields.number('num_attention_heads')]
  const headWidth = fields.number('head_dim', usual.headWidth ?? width / heads)
  const context = fields.number('max_position_embeddings', 2048)
  return {
    vocabSize: fields.number('vocab_size'),
    width,
    layers: fields.layers('num_hidden_layers'),
    heads,
    kvHeads: fields.number('num_key_value_heads', heads),
    headWidth,
    hidden: fields.number('intermediate_size'),
    context,
    tied: fields.flag('tie_word_embeddings', usual.tied ?? false),
    normEps: fields.number('rms_norm_eps', usual.normEps ?? 1e-6),
    ...ropeFields(fields, { headWidth, context, ...usual }),
  }
}

/** Rotary positions: `rope_parameters`, of one type of layer where it has several, or the older `rope_theta`, `rope_scaling` and `partial_rotary_factor`. */
export function ropeFields(
  fields: ConfigFields,
  usual: {
    readonly headWidth: number
    readonly context: number
    readonly ropeBase?: number
    readonly rotaryShare?: number
    readonly layerType?: string
  },
): Pick<DecoderConfig, 'ropeBase' | 'ropeScaling' | 'rotaryWidth'> {
  const name = ['rope_parameters', 'rope_scaling'].find((one) => fields.has(one))
  const all = name === undefined ? undefined : fields.inside(name)
  const given = usual.layerType !== undefined && all?.has(usual.layerType) === true ? all.inside(usual.layerType) : all
  const from = (field: string): ConfigFields => (given?.has(field) === true ? given : fields)
  const share = from('partial_rotary_factor').number('partial_rotary_factor', usual.rotaryShare ?? 1)
  const scaling = given === undefined ? undefined : scalingOf(given, fields, usual.context)
  return {
    ropeBase: from('rope_theta').number('rope_theta', usual.ropeBase ?? 10_000),
    ...(share === 1 ? {} : { rotaryWidth: Math.trunc(usual.headWidth * share) }),
    ...(scaling === undefined ? {} : { ropeScaling: scaling }),
  }
}

/** Source of the factors left out: transformers' modeling_rope_utils.py. */
function scalingOf(given: ConfigFields, fields: ConfigFields, context: number): RopeScaling | undefined {
  const field = given.has('rope_type') ? 'rope_type' : 'type'
  const kind = given.text(field, 'default')
  const first = (): number => {
    const where = given.has('original_max_position_embeddings') ? given : fields
    return where.number('original_max_position_embeddings', kind === 'llama3' ? undefined : context)
  }
  const optional = (name: string, as: string): object => (given.has(name) ? { [as]: given.number(name) } : {})
  switch (kind) {
    case 'default':
      return undefined
    case 'linear':
      return { kind, factor: given.number('factor') }
    case 'llama3':
      return {
        kind,
        factor: given.number('factor'),
        lowFrequency: given.number('low_freq_factor'),
        highFrequency: given.number('high_freq_factor'),
        context: first(),
      }
    case 'yarn': {
      // DeepSeek's two scales of attention are one only when they are alike.
      for (const name of ['mscale', 'mscale_all_dim']) given.expect(name, [])
      return {
        kind,
        factor: given.number('factor', context / first()),
        context: first(),
        ...optional('beta_fast', 'betaFast'),
        ...optional('beta_slow', 'betaSlow'),
        ...optional('attention_factor', 'attentionFactor'),
        ...(given.flag('truncate', true) ? {} : { truncate: false }),
      }
    }
    case 'longrope':
    case 'su': {
      const factor = given.number('factor', context / first())
      return {
        kind: 'longrope',
        short: given.numbers('short_factor'),
        long: given.numbers('long_factor'),
        context: first(),
        attentionFactor: given.number('attention_factor', factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(first()))),
      }
    }
    default:
      throw given.fail(field, '"default", "linear", "llama3", "yarn" or "longrope"')
  }
}

/**
 * Windows by layer: as `layer_types` says, else of the layers that `slides` names. None where `sliding_window` is missing.
 */
export function windowFields(
  fields: ConfigFields,
  layers: number,
  slides: (layer: number) => boolean,
): { readonly windows?: readonly number[] } {
  const window = fields.number('sliding_window', 0)
  if (window === 0) return {}
  const types = fields.list('layer_types')
  if (types === undefined) return { windows: Array.from({ length: layers }, (_, layer) => (slides(layer) ? window : 0)) }
  if (types.length !== layers || types.some((type) => type !== 'sliding_attention' && type !== 'full_attention'))
    throw fields.fail('layer_types', `"sliding_attention" or "full_attention" for each of ${layers} layers`)
  return { windows: types.map((type) => (type === 'sliding_attention' ? window : 0)) }
}
