import { activationOf, blockPartOf, isUnused, postNorm, type EncoderFamily } from './family.js'

const parts: Readonly<Record<string, string>> = {
  'attention.query': 'attention.q_lin',
  'attention.key': 'attention.k_lin',
  'attention.value': 'attention.v_lin',
  'attention.output': 'attention.out_lin',
  attentionNorm: 'sa_layer_norm',
  'feedForward.up': 'ffn.lin1',
  'feedForward.down': 'ffn.lin2',
  feedForwardNorm: 'output_layer_norm',
}

/** DistilBERT (arXiv:1910.01108): BERT without segments. */
export const distilbertFamily: EncoderFamily = {
  modelTypes: ['distilbert'],
  prefix: 'distilbert.',
  config(fields, labels) {
    return {
      ...postNorm,
      vocabSize: fields.number('vocab_size'),
      width: fields.number('dim'),
      layers: fields.layers('n_layers'),
      heads: fields.number('n_heads'),
      hidden: fields.number('hidden_dim'),
      context: fields.number('max_position_embeddings'),
      types: 0,
      activation: activationOf(fields, 'activation'),
      normEps: 1e-12,
      ...(labels === undefined ? {} : { head: { labels, pooling: 'cls', activation: 'relu', bias: true, norm: false } }),
    }
  },
  place(weight) {
    const block = blockPartOf(weight)
    if (block !== undefined) return { name: `transformer.layer.${block.layer}.${parts[block.part]!}.${block.end}` }
    if (weight.startsWith('head.'))
      return { name: weight.replace('head.dense', 'pre_classifier').replace('head.output', 'classifier'), outside: true }
    return {
      name: weight
        .replace('embeddingNorm', 'embeddings.LayerNorm')
        .replace(/^embedding\./, 'embeddings.word_embeddings.')
        .replace(/^positions\./, 'embeddings.position_embeddings.'),
    }
  },
  isOther: isUnused,
}
