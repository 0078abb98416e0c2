import type { DecoderConfig } from '../../architectures/config.js'
import { llama } from '../../architectures/llama.js'
import type { ConfigFields, Family } from './family.js'
import { GgufFields, rmsGguf, ropeGguf, usualGguf, windowGguf } from './gguf-fields.js'
import { ropeFields, usualFields, windowFields } from './hugging-face-fields.js'
import { huggingFaceParts, huggingFaceTable, namesBy } from './names.js'

/** Which version a `model_type` or an architecture is of. */
const versionOf = (kind: string): 1 | 2 | 3 => (kind.startsWith('gemma3') ? 3 : kind === 'gemma2' ? 2 : 1)

const localBase = 10_000

/** What no file says, because all models of a version have it. */
const ofVersion = (version: 1 | 2 | 3, width: number): Partial<DecoderConfig> => ({
  activation: 'gegluTanh',
  embeddingScale: Math.sqrt(width),
  ...(version === 1 ? {} : { normPlacement: 'sandwich' }),
  ...(version === 3 ? { queryKeyNorm: 'head' } : {}),
})

/**
 * Gemma 1, 2 and 3; of models that see images too, the part that reads text. Norms multiply by 1 + w: Hugging Face's files have w, and here as in GGUF a weight is
 * the whole factor. Sources: transformers' models of these names; llama.cpp for what GGUF leaves out.
 */
export const gemmaFamily: Family = {
  modelTypes: ['gemma', 'gemma2', 'gemma3_text', 'gemma3'],
  config(outer) {
    const fields = outer.text('model_type') === 'gemma3' ? outer.inside('text_config') : outer
    const version = versionOf(outer.text('model_type'))
    fields.expect('use_bidirectional_attention', [false])
    fields.expect('attention_bias', [false])
    // Gemma 1 was first published as 'gelu', and always meant the tanh form.
    fields.expect('hidden_act', version === 1 ? ['gelu', 'gelu_pytorch_tanh'] : ['gelu_pytorch_tanh'])
    fields.expect('hidden_activation', ['gelu_pytorch_tanh'])
    const usual = usualFields(fields, {
      tied: true,
      headWidth: 256,
      ...(version === 3 ? { ropeBase: 1_000_000, layerType: 'full_attention' } : {}),
    })
    const every = fields.number('sliding_window_pattern', version === 3 ? 6 : 2)
    return llama({
      ...usual,
      ...ofVersion(version, usual.width),
      ...(version === 1
        ? {}
        : {
            attentionScale: fields.number('query_pre_attn_scalar', 256) ** -0.5,
            ...windowFields(fields, usual.layers, (layer) => (layer + 1) % every !== 0),
            ...optional(fields, 'attn_logit_softcapping', 'attentionSoftcap', version === 2 ? 50 : undefined),
            ...optional(fields, 'final_logit_softcapping', 'logitSoftcap', version === 2 ? 30 : undefined),
          }),
      ...(version === 3 ? { localRopeBase: localBaseOf(fields, usual) } : {}),
    })
  },
  names(_, has) {
    const prefix = ['language_model.model.', 'model.language_model.'].find((one) => has(`${one}embed_tokens.weight`))
    return namesBy({
      ...huggingFaceTable(prefix),
      normPlus: 1,
      parts: {
        ...huggingFaceParts,
        // Gemma 1 has one norm behind each sum, and calls it by that name as Llama does.
        ...(has(`${prefix ?? 'model.'}layers.0.pre_feedforward_layernorm.weight`)
          ? {
              attentionOutputNorm: 'post_attention_layernorm',
              feedForwardNorm: 'pre_feedforward_layernorm',
              feedForwardOutputNorm: 'post_feedforward_layernorm',
            }
          : {}),
      },
      isOther: (name) =>
        name.endsWith('.rotary_emb.inv_freq') ||
        // A picture is not read here.
        (prefix !== undefined && /(^|\.)(vision_tower|multi_modal_projector|lm_head)\./.test(name)),
    })
  },
  architectures: ['gemma', 'gemma2', 'gemma3'],
  ggufConfig(all, tensors) {
    const fields = new GgufFields(all, tensors)
    const version = versionOf(fields.kind)
    const usual = usualGguf(fields)
    // The largest of each version divide by the width of a head of another number of heads; the number of layers tells them.
    const isLargest = usual.layers === (version === 3 ? 62 : 46)
    return llama({
      ...usual,
      ...rmsGguf(fields),
      ...ropeGguf(fields, usual),
      ...(version === 3 && !fields.has('rope.freq_base') ? { ropeBase: 1_000_000 } : {}),
      ...ofVersion(version, usual.width),
      ...(version === 1
        ? {}
        : {
            attentionScale: (isLargest ? usual.width / usual.heads : usual.headWidth) ** -0.5,
            ...windowGguf(fields, usual.layers, version === 3 ? 6 : 2),
            ...fields.optional('attn_logit_softcapping', 'attentionSoftcap'),
            ...fields.optional('final_logit_softcapping', 'logitSoftcap'),
          }),
      ...(version === 3 ? { localRopeBase: fields.number('rope.freq_base_swa', localBase) } : {}),
    })
  },
}

/** Null says that there is no cap, and a missing field what was usual. */
const optional = <Field extends string>(fields: ConfigFields, name: string, field: Field, usual: number | undefined): object => {
  if (fields.isNull(name) || (usual === undefined && !fields.has(name))) return {}
  return { [field]: fields.number(name, usual) }
}

function localBaseOf(fields: ConfigFields, usual: Pick<DecoderConfig, 'headWidth' | 'context'>): number {
  const nested = fields.has('rope_parameters') && fields.inside('rope_parameters').has('sliding_attention')
  if (!nested) return fields.number('rope_local_base_freq', localBase)
  const local = ropeFields(fields, { ...usual, ropeBase: localBase, layerType: 'sliding_attention' })
  if (local.ropeScaling !== undefined || local.rotaryWidth !== undefined)
    throw fields.inside('rope_parameters').fail('sliding_attention', 'plain angles')
  return local.ropeBase
}
