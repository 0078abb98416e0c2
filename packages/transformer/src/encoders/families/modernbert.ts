import type { ConfigFields } from '../../checkpoints/families/family.js'
import type { BertHeadConfig } from '../config.js'
import { activationOf, blockPartOf, isUnused, type EncoderFamily, type WeightPlace } from './family.js'

const parts: Readonly<Record<string, string>> = {
  'attention.output': 'attn.Wo',
  attentionNorm: 'attn_norm',
  'feedForward.down': 'mlp.Wo',
  feedForwardNorm: 'mlp_norm',
}

/** Which third or half of the rows of a tensor that transformers keeps in one piece. */
const pieces: Readonly<Record<string, readonly [name: string, piece: number]>> = {
  'attention.query': ['attn.Wqkv', 0],
  'attention.key': ['attn.Wqkv', 1],
  'attention.value': ['attn.Wqkv', 2],
  'feedForward.gate': ['mlp.Wi', 0],
  'feedForward.up': ['mlp.Wi', 1],
}

/** ModernBERT (arXiv:2412.13663): rotary positions with two bases, layers that see a window between those that see all, norms before. */
export const modernbertFamily: EncoderFamily = {
  modelTypes: ['modernbert'],
  prefix: 'model.',
  config(fields, labels) {
    const normBias = fields.flag('norm_bias', false)
    return {
      vocabSize: fields.number('vocab_size'),
      width: fields.number('hidden_size'),
      layers: fields.layers('num_hidden_layers'),
      heads: fields.number('num_attention_heads'),
      hidden: fields.number('intermediate_size'),
      context: fields.number('max_position_embeddings'),
      types: 0,
      positions: 'rotary',
      norms: 'pre',
      activation: activationOf(fields, 'hidden_activation'),
      gated: true,
      bias: { attention: fields.flag('attention_bias', false), feedForward: fields.flag('mlp_bias', false), norm: normBias },
      normEps: fields.number('norm_eps', 1e-5),
      ropeBase: baseOf(fields, 'full_attention', 'global_rope_theta', 160_000),
      localRopeBase: baseOf(fields, 'sliding_attention', 'local_rope_theta', 10_000),
      windows: windowsOf(fields),
      ...(labels === undefined ? {} : { head: headOf(fields, labels) }),
    }
  },
  place(weight, { width, hidden }): WeightPlace {
    const block = blockPartOf(weight)
    if (block !== undefined) {
      const piece = pieces[block.part]
      if (piece === undefined) return { name: `layers.${block.layer}.${parts[block.part]!}.${block.end}` }
      const rows = block.part.startsWith('attention') ? width : hidden
      return { name: `layers.${block.layer}.${piece[0]}.${block.end}`, from: piece[1] * rows }
    }
    if (weight.startsWith('head.')) return { name: weight.replace('head.output', 'classifier'), outside: true }
    return {
      name: weight
        .replace('embeddingNorm', 'embeddings.norm')
        .replace(/^embedding\./, 'embeddings.tok_embeddings.')
        .replace(/^norm\./, 'final_norm.'),
    }
  },
  isOther: (name) => isUnused(name) || /^(head|decoder)\./.test(name),
}

function headOf(fields: ConfigFields, labels: number): BertHeadConfig {
  fields.expect('classifier_pooling', ['cls', 'mean'])
  return {
    labels,
    pooling: fields.text('classifier_pooling', 'cls') as 'cls' | 'mean',
    activation: activationOf(fields, 'classifier_activation'),
    bias: fields.flag('classifier_bias', false),
    norm: true,
  }
}

/** The base of one kind of layers: since transformers 5 in `rope_parameters`, before in a field of its own. */
function baseOf(fields: ConfigFields, kind: string, old: string, fallback: number): number {
  if (fields.has('rope_scaling')) throw fields.fail('rope_scaling', 'nothing: its angles are not stretched here')
  if (!fields.has('rope_parameters')) return fields.number(old, fallback)
  const parameters = fields.inside('rope_parameters')
  if (!parameters.has(kind)) return fallback
  const own = parameters.inside(kind)
  own.expect('rope_type', ['default'])
  return own.number('rope_theta', fallback)
}

/** How far each layer sees to either side: the first of every few sees all, unless `layer_types` says otherwise. */
function windowsOf(fields: ConfigFields): number[] {
  const window = Math.floor(fields.number('local_attention', 128) / 2)
  if (window < 1) throw fields.fail('local_attention', 'a number of at least 2')
  const every = fields.number('global_attn_every_n_layers', 3)
  const types = fields.list('layer_types')
  if (types !== undefined && types.some((type) => type !== 'full_attention' && type !== 'sliding_attention'))
    throw fields.fail('layer_types', "'full_attention' or 'sliding_attention' for each layer")
  if (types !== undefined) return types.map((type) => (type === 'full_attention' ? 0 : window))
  return Array.from({ length: fields.layers('num_hidden_layers') }, (_, layer) => (layer % every === 0 ? 0 : window))
}
