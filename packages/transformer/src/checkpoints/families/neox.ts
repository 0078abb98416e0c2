import type { DecoderConfig } from '../../architectures/config.js'
import { gpt2 } from '../../architectures/gpt2.js'
import type { Family } from './family.js'
import { GgufFields, ropeGguf, usualGguf } from './gguf-fields.js'
import { ropeFields } from './hugging-face-fields.js'
import { namesBy, partOf, type BlockName } from './names.js'

/** GPT-NeoX (arXiv:2204.06745) and Pythia: attention and feed-forward side by side, of each head a part turns. */
export const neoxFamily: Family = {
  modelTypes: ['gpt_neox'],
  config(fields) {
    fields.expect('hidden_act', ['gelu', 'gelu_new', 'gelu_fast'])
    fields.expect('attention_bias', [true])
    const [width, heads] = [fields.number('hidden_size'), fields.number('num_attention_heads')]
    const [headWidth, context] = [width / heads, fields.number('max_position_embeddings', 2048)]
    return gpt2({
      vocabSize: fields.number('vocab_size'),
      width,
      layers: fields.layers('num_hidden_layers'),
      heads,
      hidden: fields.number('intermediate_size'),
      context,
      positions: 'rotary',
      activation: fields.text('hidden_act', 'gelu') === 'gelu' ? 'gelu' : 'geluTanh',
      tied: fields.flag('tie_word_embeddings', false),
      normEps: fields.number('layer_norm_eps', 1e-5),
      parallel: fields.flag('use_parallel_residual', true),
      ...ropeFields(fields, {
        headWidth,
        context,
        ropeBase: fields.number('rotary_emb_base', 10_000),
        rotaryShare: fields.number('rotary_pct', 0.25),
      }),
    })
  },
  names: (config, has) =>
    namesBy({
      embedding: 'gpt_neox.embed_in',
      norm: 'gpt_neox.final_layer_norm',
      head: has('embed_out.weight') ? 'embed_out' : 'lm_head',
      block: (layer) => `gpt_neox.layers.${layer}`,
      parts: {
        attentionNorm: 'input_layernorm',
        ...interleaved(config, 'attention.query_key_value'),
        'attention.output': 'attention.dense',
        feedForwardNorm: 'post_attention_layernorm',
        'feedForward.up': 'mlp.dense_h_to_4h',
        'feedForward.down': 'mlp.dense_4h_to_h',
      },
      // Masks, and steps of rotary angles.
      isOther: (name) => /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name),
    }),
  architectures: ['gptneox'],
  ggufConfig(all, tensors) {
    const fields = new GgufFields(all, tensors)
    const usual = usualGguf(fields)
    return gpt2({
      ...usual,
      positions: 'rotary',
      normEps: fields.number('attention.layer_norm_epsilon'),
      parallel: all.flag(`${fields.kind}.use_parallel_residual`, true),
      ...ropeGguf(fields, usual),
    })
  },
}

/** Head after head, each with the rows of its query, its key and its value. */
function interleaved({ heads, headWidth }: DecoderConfig, name: string): Readonly<Record<string, BlockName>> {
  const rows = (which: number): BlockName =>
    partOf(name, {
      of: 3 * heads * headWidth,
      ranges: Array.from({ length: heads }, (_, head) => [(3 * head + which) * headWidth, (3 * head + which + 1) * headWidth] as const),
    })
  return { 'attention.query': rows(0), 'attention.key': rows(1), 'attention.value': rows(2) }
}
