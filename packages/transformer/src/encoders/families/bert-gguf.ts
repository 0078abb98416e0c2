import { blockPartOf, isUnused, postNorm, type EncoderFamily } from './family.js'

const parts: Readonly<Record<string, string>> = {
  'attention.query': 'attn_q',
  'attention.key': 'attn_k',
  'attention.value': 'attn_v',
  'attention.output': 'attn_output',
  attentionNorm: 'attn_output_norm',
  'feedForward.up': 'ffn_up',
  'feedForward.down': 'ffn_down',
  feedForwardNorm: 'layer_output_norm',
}

/** BERT in GGUF. Source: gguf.constants of the gguf package, MODEL_ARCH.BERT. */
export const bertGguf: EncoderFamily = {
  modelTypes: ['bert'],
  prefix: '',
  config(fields) {
    return {
      ...postNorm,
      vocabSize: fields.list('tokenizer.ggml.tokens')?.length ?? fields.number('bert.vocab_size'),
      width: fields.number('bert.embedding_length'),
      layers: fields.layers('bert.block_count'),
      heads: fields.number('bert.attention.head_count'),
      hidden: fields.number('bert.feed_forward_length'),
      context: fields.number('bert.context_length'),
      types: fields.number('tokenizer.ggml.token_type_count', 2),
      activation: 'gelu',
      normEps: fields.number('bert.attention.layer_norm_epsilon'),
    }
  },
  place(weight) {
    const block = blockPartOf(weight)
    if (block !== undefined) return { name: `blk.${block.layer}.${parts[block.part]!}.${block.end}` }
    return {
      name: weight
        .replace('embeddingNorm', 'token_embd_norm')
        .replace(/^embedding\./, 'token_embd.')
        .replace(/^positions\./, 'position_embd.')
        .replace(/^types\./, 'token_types.'),
    }
  },
  isOther: isUnused,
}
