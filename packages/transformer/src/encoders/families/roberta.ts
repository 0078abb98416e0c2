import { bertFamily } from './bert.js'
import type { EncoderFamily } from './family.js'

/** RoBERTa and XLM-R: BERT with positions counted from behind the padding token's id, and a classifier of its own. */
export const robertaFamily: EncoderFamily = {
  modelTypes: ['roberta', 'xlm-roberta', 'camembert'],
  prefix: 'roberta.',
  config(fields, labels) {
    const config = bertFamily.config(fields, labels)
    return { ...config, context: config.context - firstPosition(fields), types: fields.number('type_vocab_size', 1) }
  },
  place(weight, config, fields) {
    if (weight === 'positions.weight') return { ...bertFamily.place(weight, config, fields), from: firstPosition(fields) }
    if (weight.startsWith('head.dense.')) return { name: weight.replace('head.', 'classifier.'), outside: true }
    if (weight.startsWith('head.output.')) return { name: weight.replace('head.output.', 'classifier.out_proj.'), outside: true }
    return bertFamily.place(weight, config, fields)
  },
  isOther: bertFamily.isOther,
}

/** Rows of the table before the first token's position. */
const firstPosition = (fields: Parameters<EncoderFamily['config']>[0]): number => fields.number('pad_token_id', 1) + 1
