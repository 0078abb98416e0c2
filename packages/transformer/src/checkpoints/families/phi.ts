import { llama } from '../../architectures/llama.js'
import type { Family } from './family.js'
import { GgufFields, rmsGguf, ropeGguf, usualGguf, windowGguf } from './gguf-fields.js'
import { usualFields, windowFields } from './hugging-face-fields.js'
import { fusedGate, fusedParts, huggingFaceParts, huggingFaceTable, namesBy } from './names.js'

/** Phi-3, Phi-3.5 and Phi-4: as Llama with queries, keys and values in one matrix, gate and up in another, and long contexts by LongRoPE. */
export const phiFamily: Family = {
  modelTypes: ['phi3'],
  config(fields) {
    fields.expect('hidden_act', ['silu'])
    fields.expect('attention_bias', [false])
    const usual = usualFields(fields, { normEps: 1e-5 })
    return llama({ ...usual, ...windowFields(fields, usual.layers, () => true) })
  },
  names: (config) =>
    namesBy({
      ...huggingFaceTable(),
      parts: { ...huggingFaceParts, ...fusedParts(config, 'self_attn.qkv_proj'), ...fusedGate(config, 'mlp.gate_up_proj') },
    }),
  architectures: ['phi3'],
  ggufConfig(all, tensors) {
    const fields = new GgufFields(all, tensors)
    const usual = usualGguf(fields)
    return llama({ ...usual, ...rmsGguf(fields), ...ropeGguf(fields, usual), ...windowGguf(fields, usual.layers, 1) })
  },
}
