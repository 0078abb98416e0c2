import { llama } from '../../architectures/llama.js'
import type { Family } from './family.js'
import { GgufFields, rmsGguf, ropeGguf, usualGguf } from './gguf-fields.js'
import { usualFields } from './hugging-face-fields.js'
import { huggingFaceParts, huggingFaceTable, namesBy } from './names.js'

const shared = { normPlacement: 'post', queryKeyNorm: 'projection' } as const

/** OLMo 2 (arXiv:2501.00656): norms behind attention and feed-forward rather than before them, and of queries and keys over all heads together. */
export const olmoFamily: Family = {
  modelTypes: ['olmo2'],
  config(fields) {
    fields.expect('hidden_act', ['silu'])
    fields.expect('attention_bias', [false])
    return llama({ ...usualFields(fields, { normEps: 1e-5 }), ...shared })
  },
  names: () =>
    namesBy({
      ...huggingFaceTable(),
      parts: {
        ...huggingFaceParts,
        attentionOutputNorm: 'post_attention_layernorm',
        feedForwardOutputNorm: 'post_feedforward_layernorm',
      },
    }),
  architectures: ['olmo2'],
  ggufConfig(all, tensors) {
    const fields = new GgufFields(all, tensors)
    const usual = usualGguf(fields)
    return llama({ ...usual, ...rmsGguf(fields), ...ropeGguf(fields, usual), ...shared })
  },
}
