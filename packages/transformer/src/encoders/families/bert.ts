import { activationOf, blockPartOf, isUnused, postNorm, type EncoderFamily } from './family.js'

export const bertParts: Readonly<Record<string, string>> = {
  'attention.query': 'attention.self.query',
  'attention.key': 'attention.self.key',
  'attention.value': 'attention.self.value',
  'attention.output': 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  'feedForward.up': 'intermediate.dense',
  'feedForward.down': 'output.dense',
  feedForwardNorm: 'output.LayerNorm',
}

/** BERT, and what is built as it is: MiniLM, BGE, E5, GTE. */
export const bertFamily: EncoderFamily = {
  modelTypes: ['bert'],
  prefix: 'bert.',
  config(fields, labels) {
    fields.expect('position_embedding_type', ['absolute'])
    fields.expect('is_decoder', [false])
    return {
      ...postNorm,
      vocabSize: fields.number('vocab_size'),
      width: fields.number('hidden_size'),
      layers: fields.layers('num_hidden_layers'),
      heads: fields.number('num_attention_heads'),
      hidden: fields.number('intermediate_size'),
      context: fields.number('max_position_embeddings'),
      types: fields.number('type_vocab_size', 2),
      activation: activationOf(fields, 'hidden_act'),
      normEps: fields.number('layer_norm_eps', 1e-12),
      ...(labels === undefined ? {} : { head: { labels, pooling: 'cls', activation: 'tanh', bias: true, norm: false } }),
    }
  },
  place(weight) {
    const block = blockPartOf(weight)
    if (block !== undefined) return { name: `encoder.layer.${block.layer}.${bertParts[block.part]!}.${block.end}` }
    if (weight.startsWith('head.output.')) return { name: weight.replace('head.output', 'classifier'), outside: true }
    return {
      name: weight
        .replace('head.dense', 'pooler.dense')
        .replace('embeddingNorm', 'embeddings.LayerNorm')
        .replace(/^embedding\./, 'embeddings.word_embeddings.')
        .replace(/^positions\./, 'embeddings.position_embeddings.')
        .replace(/^types\./, 'embeddings.token_type_embeddings.'),
    }
  },
  isOther: isUnused,
}
