import { llama } from '../../architectures/llama.js'
import type { Family } from './family.js'
import { GgufFields, rmsGguf, ropeGguf, usualGguf, windowGguf } from './gguf-fields.js'
import { usualFields, windowFields } from './hugging-face-fields.js'
import { expertsGguf } from './mixture.js'
import { huggingFaceParts, huggingFaceTable, namesBy } from './names.js'

/** Llama 1 to 3.x and what is built as it is: SmolLM, Mistral, Qwen 2 and 2.5 with biases in attention, Qwen 3 with norms of queries and keys. */
export const llamaFamily: Family = {
  modelTypes: ['llama', 'mistral', 'qwen2', 'qwen3'],
  config(fields) {
    const kind = fields.text('model_type')
    fields.expect('hidden_act', ['silu'])
    fields.expect('attention_bias', [false])
    fields.expect('mlp_bias', [false])
    const usual = usualFields(fields)
    const slides = kind === 'mistral' || fields.flag('use_sliding_window', false)
    const first = kind === 'mistral' ? 0 : fields.number('max_window_layers', 0)
    return llama({
      ...usual,
      ...(slides ? windowFields(fields, usual.layers, (layer) => layer >= first) : {}),
      ...(kind === 'qwen2' ? { attentionBias: true } : {}),
      ...(kind === 'qwen3' ? { queryKeyNorm: 'head' } : {}),
    })
  },
  names: () => namesBy({ ...huggingFaceTable(), parts: huggingFaceParts }),
  architectures: ['llama', 'qwen2', 'qwen3'],
  ggufConfig(all, tensors) {
    const fields = new GgufFields(all, tensors)
    const usual = usualGguf(fields)
    return llama({
      ...usual,
      ...rmsGguf(fields),
      ...ropeGguf(fields, usual),
      ...windowGguf(fields, usual.layers, 1),
      ...expertsGguf(fields, usual.layers, true),
      // Rows of queries and keys are written in the order in which neighbours turn together.
      ropeInterleaved: fields.kind === 'llama',
      ...(fields.kind === 'qwen2' ? { attentionBias: true } : {}),
      ...(fields.kind === 'qwen3' ? { queryKeyNorm: 'head' } : {}),
    })
  },
}
