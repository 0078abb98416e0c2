import type { DecoderConfig, MixtureConfig } from '../../architectures/config.js'
import { llama } from '../../architectures/llama.js'
import type { ConfigFields, Family } from './family.js'
import { GgufFields, rmsGguf, ropeGguf, usualGguf, windowGguf } from './gguf-fields.js'
import { usualFields, windowFields } from './hugging-face-fields.js'
import { huggingFaceParts, huggingFaceTable, namesBy, type BlockName } from './names.js'

/** Mixtral (arXiv:2401.04088), Qwen 1.5 and 2 MoE with an expert that all tokens share, Qwen 3 MoE. */
export const mixtureFamily: Family = {
  modelTypes: ['mixtral', 'qwen2_moe', 'qwen3_moe'],
  config(fields) {
    const kind = fields.text('model_type')
    fields.expect('hidden_act', ['silu'])
    fields.expect('attention_bias', [false])
    const usual = usualFields(fields, kind === 'mixtral' ? { normEps: 1e-5, ropeBase: 1_000_000 } : {})
    const slides = kind === 'mixtral' || fields.flag('use_sliding_window', false)
    const most = fields.number('max_window_layers', 28)
    return llama({
      ...usual,
      ...(slides ? windowFields(fields, usual.layers, (layer) => kind !== 'qwen2_moe' || (layer % 2 === 0 && layer < most)) : {}),
      ...(kind === 'qwen2_moe' && fields.flag('qkv_bias', true) ? { attentionBias: true } : {}),
      ...(kind === 'qwen3_moe' ? { queryKeyNorm: 'head' } : {}),
      mixture: kind === 'mixtral' ? mixtralExperts(fields, usual.hidden) : qwenExperts(fields, kind, usual.layers),
    })
  },
  names({ mixture }, has) {
    const isMixtral = ['block_sparse_moe.gate', 'block_sparse_moe.experts.0.w1'].some((name) => has(`model.layers.0.${name}.weight`))
    const at = isMixtral ? 'block_sparse_moe' : 'mlp'
    const called = isMixtral ? { up: 'w3', gate: 'w1', down: 'w2' } : { up: 'up_proj', gate: 'gate_proj', down: 'down_proj' }
    const stacked =
      (part: keyof typeof called): BlockName =>
      (end, block) => ({
        names: Array.from({ length: mixture!.experts }, (_, expert) => `${block}${at}.experts.${expert}.${called[part]}.${end}`),
      })
    return namesBy({
      ...huggingFaceTable(),
      parts: {
        ...huggingFaceParts,
        'feedForward.router': `${at}.gate`,
        'feedForward.experts.up': stacked('up'),
        'feedForward.experts.gate': stacked('gate'),
        'feedForward.experts.down': stacked('down'),
        'feedForward.shared.up': 'mlp.shared_expert.up_proj',
        'feedForward.shared.gate': 'mlp.shared_expert.gate_proj',
        'feedForward.shared.down': 'mlp.shared_expert.down_proj',
        'feedForward.sharedGate': 'mlp.shared_expert_gate',
      },
    })
  },
  architectures: ['qwen2moe', 'qwen3moe'],
  ggufConfig(all, tensors) {
    const fields = new GgufFields(all, tensors)
    const usual = usualGguf(fields)
    const isThird = fields.kind === 'qwen3moe'
    return llama({
      ...usual,
      ...rmsGguf(fields),
      ...ropeGguf(fields, usual),
      ...windowGguf(fields, usual.layers, 1),
      ...expertsGguf(fields, usual.layers, isThird),
      ...(isThird ? { queryKeyNorm: 'head' } : { attentionBias: true }),
    })
  },
}

const mixtralExperts = (fields: ConfigFields, hidden: number): MixtureConfig => ({
  experts: fields.number('num_local_experts', 8),
  active: fields.number('num_experts_per_tok', 2),
  hidden,
  normalized: true,
})

function qwenExperts(fields: ConfigFields, kind: string, layers: number): MixtureConfig {
  // A layer is dense where the file names it, and where its number, from 1, is no multiple of the step.
  const [step, named] = [fields.number('decoder_sparse_step', 1), new Set(fields.list('mlp_only_layers') ?? [])]
  const dense = Array.from({ length: layers }, (_, layer) => layer).filter((layer) => named.has(layer) || (layer + 1) % step !== 0)
  return {
    experts: fields.number(fields.has('num_experts') ? 'num_experts' : 'num_local_experts'),
    active: fields.number('num_experts_per_tok'),
    hidden: fields.number('moe_intermediate_size'),
    normalized: fields.flag('norm_topk_prob', false),
    ...(kind === 'qwen2_moe' ? { sharedHidden: fields.number('shared_expert_intermediate_size') } : {}),
    ...(dense.length === 0 ? {} : { denseLayers: dense }),
  }
}

/** Experts as GGUF has them. Whether their probabilities are divided by their sum it does not say; llama.cpp knows by the architecture. */
export function expertsGguf(fields: GgufFields, layers: number, normalized: boolean): Pick<DecoderConfig, 'mixture'> {
  const experts = fields.number('expert_count', 0)
  if (experts === 0) return {}
  const dense = Array.from({ length: layers }, (_, layer) => layer).filter((layer) => fields.tensors.has(`blk.${layer}.ffn_gate.weight`))
  const shared = fields.tensors.has('blk.0.ffn_up_shexp.weight')
  return {
    mixture: {
      experts,
      active: fields.number('expert_used_count'),
      hidden: fields.number('expert_feed_forward_length', fields.number('feed_forward_length')),
      normalized,
      ...(shared ? { sharedHidden: fields.number('expert_shared_feed_forward_length') } : {}),
      ...(dense.length === 0 ? {} : { denseLayers: dense }),
    },
  }
}
