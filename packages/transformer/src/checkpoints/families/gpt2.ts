import { gpt2 } from '../../architectures/gpt2.js'
import type { Family } from './family.js'
import { GgufFields, usualGguf } from './gguf-fields.js'
import { fusedParts, namesBy, type BlockName } from './names.js'

/** A matrix that is written [in, out], as its class Conv1D has it. */
const turned =
  (name: string): BlockName =>
  (end, at) =>
    end === 'bias' ? `${at}${name}.bias` : { names: [`${at}${name}.weight`], transposed: true }

/** OpenAI's GPT-2 and what is built as it is. */
export const gpt2Family: Family = {
  modelTypes: ['gpt2'],
  config(fields) {
    fields.expect('activation_function', ['gelu_new', 'gelu_pytorch_tanh', 'gelu'])
    fields.expect('scale_attn_weights', [true])
    fields.expect('scale_attn_by_inverse_layer_idx', [false])
    fields.expect('add_cross_attention', [false])
    const width = fields.number('n_embd')
    return gpt2({
      vocabSize: fields.number('vocab_size'),
      width,
      layers: fields.layers('n_layer'),
      heads: fields.number('n_head'),
      hidden: fields.number('n_inner', 4 * width),
      context: fields.number('n_positions', 1024),
      activation: fields.text('activation_function', 'gelu_new') === 'gelu' ? 'gelu' : 'geluTanh',
      tied: fields.flag('tie_word_embeddings', true),
      normEps: fields.number('layer_norm_epsilon', 1e-5),
    })
  },
  names(config, has) {
    // OpenAI's own files leave the first part of the names out.
    const prefix = has('wte.weight') ? '' : 'transformer.'
    return namesBy({
      embedding: `${prefix}wte`,
      positions: `${prefix}wpe`,
      norm: `${prefix}ln_f`,
      head: 'lm_head',
      block: (layer) => `${prefix}h.${layer}`,
      parts: {
        attentionNorm: 'ln_1',
        ...fusedParts(config, 'attn.c_attn', true),
        'attention.output': turned('attn.c_proj'),
        feedForwardNorm: 'ln_2',
        'feedForward.up': turned('mlp.c_fc'),
        'feedForward.down': turned('mlp.c_proj'),
      },
      // Masks.
      isOther: (name) => /\.attn\.(bias|masked_bias)$/.test(name),
    })
  },
  architectures: ['gpt2'],
  ggufConfig(all, tensors) {
    const fields = new GgufFields(all, tensors)
    return gpt2({ ...usualGguf(fields), activation: 'geluTanh', normEps: fields.number('attention.layer_norm_epsilon') })
  },
}
