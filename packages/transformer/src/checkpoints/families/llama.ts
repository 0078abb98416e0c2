import type { RopeScaling } from '../../architectures/config.js'
import { llama } from '../../architectures/llama.js'
import type { ConfigFields, Family } from './family.js'

const blockNames: Readonly<Record<string, string>> = {
  attentionNorm: 'input_layernorm',
  'attention.query': 'self_attn.q_proj',
  'attention.key': 'self_attn.k_proj',
  'attention.value': 'self_attn.v_proj',
  'attention.output': 'self_attn.o_proj',
  'attention.queryNorm': 'self_attn.q_norm',
  'attention.keyNorm': 'self_attn.k_norm',
  feedForwardNorm: 'post_attention_layernorm',
  'feedForward.up': 'mlp.up_proj',
  'feedForward.gate': 'mlp.gate_proj',
  'feedForward.down': 'mlp.down_proj',
}

const ggufNames: Readonly<Record<string, string>> = {
  attentionNorm: 'attn_norm',
  'attention.query': 'attn_q',
  'attention.key': 'attn_k',
  'attention.value': 'attn_v',
  'attention.output': 'attn_output',
  'attention.queryNorm': 'attn_q_norm',
  'attention.keyNorm': 'attn_k_norm',
  feedForwardNorm: 'ffn_norm',
  'feedForward.up': 'ffn_up',
  'feedForward.gate': 'ffn_gate',
  'feedForward.down': 'ffn_down',
}

/** Llama 1 to 3.x and what is built as it is: SmolLM, Mistral, Qwen 2 and 2.5 with biases in attention, Qwen 3 with norms of queries and keys. */
export const llamaFamily: Family = {
  modelTypes: ['llama', 'mistral', 'qwen2', 'qwen3'],
  config(fields) {
    const kind = fields.text('model_type')
    fields.expect('hidden_act', ['silu'])
    fields.expect('attention_bias', [false])
    fields.expect('mlp_bias', [false])
    const [width, heads] = [fields.number('hidden_size'), fields.number('num_attention_heads')]
    const scaling = scalingOf(fields)
    return llama({
      vocabSize: fields.number('vocab_size'),
      width,
      layers: fields.number('num_hidden_layers'),
      heads,
      kvHeads: fields.number('num_key_value_heads', heads),
      headWidth: fields.number('head_dim', width / heads),
      hidden: fields.number('intermediate_size'),
      context: contextOf(fields, kind),
      tied: fields.flag('tie_word_embeddings', false),
      normEps: fields.number('rms_norm_eps', 1e-6),
      ropeBase: (fields.has('rope_parameters') ? fields.inside('rope_parameters') : fields).number('rope_theta', 10_000),
      ...(scaling === undefined ? {} : { ropeScaling: scaling }),
      ...(kind === 'qwen2' ? { attentionBias: true } : {}),
      ...(kind === 'qwen3' ? { queryKeyNorm: true } : {}),
    })
  },
  names: {
    nameOf(weight) {
      if (weight === 'head.weight') return 'lm_head.weight'
      if (weight === 'embedding.weight') return 'model.embed_tokens.weight'
      const [, layer, part, end] = partOf(weight)
      return layer === undefined ? `model.${weight}` : `model.layers.${layer}.${blockNames[part!]}.${end}`
    },
    // A head that is tied to the embedding may be written all the same, and old files hold the steps of rotary angles.
    isOther: (name) => name === 'lm_head.weight' || name.endsWith('.rotary_emb.inv_freq'),
  },
  gguf: {
    architectures: ['llama', 'qwen2', 'qwen3'],
    config(fields, { tokens, has, divisors }) {
      const kind = fields.text('general.architecture')
      const number = (name: string, fallback?: number): number => fields.number(`${kind}.${name}`, fallback)
      fields.expect(`${kind}.rope.scaling.type`, ['none', 'linear'])
      if (fields.has(`${kind}.expert_count`)) fields.expect(`${kind}.expert_count`, [0])
      const [width, heads] = [number('embedding_length'), number('attention.head_count')]
      const headWidth = number('attention.key_length', width / heads)
      fields.expect(`${kind}.attention.value_length`, [headWidth])
      fields.expect(`${kind}.rope.dimension_count`, [headWidth])
      const factor = fields.text(`${kind}.rope.scaling.type`, 'none') === 'linear' ? number('rope.scaling.factor') : 1
      const context = number('context_length')
      return llama({
        vocabSize: tokens,
        width,
        layers: number('block_count'),
        heads,
        kvHeads: number('attention.head_count_kv', heads),
        headWidth,
        hidden: number('feed_forward_length'),
        context: Math.min(context, number('attention.sliding_window', context)),
        tied: !has('output.weight'),
        normEps: number('attention.layer_norm_rms_epsilon'),
        ropeBase: number('rope.freq_base', 10_000),
        ...(divisors === undefined
          ? factor === 1
            ? {}
            : { ropeScaling: { kind: 'linear', factor } }
          : { ropeScaling: { kind: 'divided', divisors } }),
        // Rows of queries and keys are written in the order in which neighbours turn together.
        ropeInterleaved: kind === 'llama',
        ...(kind === 'qwen2' ? { attentionBias: true } : {}),
        ...(kind === 'qwen3' ? { queryKeyNorm: true } : {}),
      })
    },
    names: {
      nameOf(weight) {
        if (weight === 'head.weight') return 'output.weight'
        if (weight === 'embedding.weight') return 'token_embd.weight'
        const [, layer, part, end] = partOf(weight)
        return layer === undefined ? `output_${weight}` : `blk.${layer}.${ggufNames[part!]}.${end}`
      },
      isOther: (name) => name === 'rope_freqs.weight',
    },
  },
}

const partOf = (weight: string): readonly (string | undefined)[] => /^blocks\.(\d+)\.(.+)\.(weight|bias)$/.exec(weight) ?? []

/** The longest sequence. Up to the width of a sliding window all tokens see each other, and longer ones are not computed here. */
function contextOf(fields: ConfigFields, kind: string): number {
  const context = fields.number('max_position_embeddings', 2048)
  const slides = kind === 'mistral' ? fields.has('sliding_window') : fields.flag('use_sliding_window', false)
  return slides ? Math.min(context, fields.number('sliding_window')) : context
}

function scalingOf(fields: ConfigFields): RopeScaling | undefined {
  const name = ['rope_parameters', 'rope_scaling'].find((one) => fields.has(one))
  if (name === undefined) return undefined
  const given = fields.inside(name)
  const kind = given.text(given.has('rope_type') ? 'rope_type' : 'type', 'default')
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
        context: given.number('original_max_position_embeddings'),
      }
    default:
      throw given.fail(given.has('rope_type') ? 'rope_type' : 'type', '"default", "linear" or "llama3"')
  }
}
