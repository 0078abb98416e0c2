import { isGated, type DecoderConfig } from '../../architectures/config.js'
import type { RecordNames, WeightSource } from './family.js'

/** The name of a part of a block in a file, or where its weight or bias is; `at` is the block's own beginning. */
export type BlockName = string | ((end: 'weight' | 'bias', at: string) => string | WeightSource)

export interface NameTable {
  /** Of the parts outside the blocks. */
  readonly embedding: string
  readonly positions?: string
  readonly norm: string
  readonly head: string
  /** What the names of block i begin with, up to the dot. */
  block(layer: number): string
  readonly parts: Readonly<Record<string, BlockName>>
  /** Tensors beside the weights. */
  isOther?(name: string): boolean
  /** Added to the weights of norms. */
  readonly normPlus?: number
}

/** Names by a table. A head that is tied to the embedding may be written all the same. */
export function namesBy(table: NameTable): RecordNames {
  const raised = (source: string | WeightSource, part: string): string | WeightSource =>
    table.normPlus === undefined || !/norm$/i.test(part)
      ? source
      : { ...(typeof source === 'string' ? { names: [source] } : source), plus: table.normPlus }
  return {
    sourceOf(weight) {
      const [, layer, part, end] = /^(?:blocks\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(weight) as unknown as [
        string,
        string | undefined,
        string,
        'weight' | 'bias',
      ]
      if (layer === undefined) return raised(`${table[part as 'embedding' | 'norm' | 'head']}.${end}`, part)
      const name = table.parts[part]!
      const at = `${table.block(Number(layer))}.`
      return raised(typeof name === 'string' ? `${at}${name}.${end}` : name(end, at), part)
    },
    isOther: (name) => name === `${table.head}.weight` || (table.isOther?.(name) ?? false),
  }
}

/** Parts that Llama and most others after it have in Hugging Face's files. */
export const huggingFaceParts: Readonly<Record<string, BlockName>> = {
  attentionNorm: 'input_layernorm',
  'attention.query': 'self_attn.q_proj',
  'attention.key': 'self_attn.k_proj',
  'attention.value': 'self_attn.v_proj',
  'attention.output': 'self_attn.o_proj',
  'attention.queryNorm': 'self_attn.q_norm',
  'attention.keyNorm': 'self_attn.k_norm',
  feedForwardNorm: 'post_attention_layernorm',
  'feedForward.up': 'mlp.up_proj',
  'feedForward.gate': 'mlp.gate_proj',
  'feedForward.down': 'mlp.down_proj',
}

/** The rest of their names. Old files hold the steps of rotary angles too. */
export const huggingFaceTable = (prefix = 'model.'): Omit<NameTable, 'parts'> => ({
  embedding: `${prefix}embed_tokens`,
  norm: `${prefix}norm`,
  head: 'lm_head',
  block: (layer) => `${prefix}layers.${layer}`,
  isOther: (name) => name.endsWith('.rotary_emb.inv_freq'),
})

/** Queries, keys and values that are one matrix, one behind the other. */
export function fusedParts(
  { heads, kvHeads, headWidth }: DecoderConfig,
  name: string,
  transposed = false,
): Readonly<Record<string, BlockName>> {
  const [query, key] = [heads * headWidth, kvHeads * headWidth]
  const of = query + 2 * key
  const rows = (from: number, to: number): BlockName => partOf(name, { ranges: [[from, to]], of }, transposed)
  return {
    'attention.query': rows(0, query),
    'attention.key': rows(query, query + key),
    'attention.value': rows(query + key, of),
  }
}

/** A gate and what it gates as one matrix, the gate first. */
export const fusedGate = ({ hidden }: DecoderConfig, name: string): Readonly<Record<string, BlockName>> => ({
  'feedForward.gate': partOf(name, { ranges: [[0, hidden]], of: 2 * hidden }),
  'feedForward.up': partOf(name, { ranges: [[hidden, 2 * hidden]], of: 2 * hidden }),
})

/** Some rows of a matrix and its bias. */
export const partOf =
  (name: string, rows: NonNullable<WeightSource['rows']>, transposed = false): BlockName =>
  (end, at) => ({ names: [`${at}${name}.${end}`], rows, ...(transposed && end === 'weight' ? { transposed } : {}) })

/** Names in GGUF, the same for all architectures. Source: gguf.constants.TENSOR_NAMES of the gguf package. */
export function ggufNames(config: DecoderConfig, has: (name: string) => boolean): RecordNames {
  return namesBy({
    embedding: 'token_embd',
    positions: 'position_embd',
    norm: 'output_norm',
    head: 'output',
    block: (layer) => `blk.${layer}`,
    parts: {
      attentionNorm: 'attn_norm',
      'attention.query': 'attn_q',
      'attention.key': 'attn_k',
      'attention.value': 'attn_v',
      'attention.output': 'attn_output',
      'attention.queryNorm': 'attn_q_norm',
      'attention.keyNorm': 'attn_k_norm',
      attentionOutputNorm: 'post_attention_norm',
      feedForwardNorm: 'ffn_norm',
      'feedForward.up': 'ffn_up',
      'feedForward.gate': 'ffn_gate',
      'feedForward.down': 'ffn_down',
      feedForwardOutputNorm: 'post_ffw_norm',
      'feedForward.router': 'ffn_gate_inp',
      'feedForward.experts.up': 'ffn_up_exps',
      'feedForward.experts.gate': 'ffn_gate_exps',
      'feedForward.experts.down': 'ffn_down_exps',
      'feedForward.shared.up': 'ffn_up_shexp',
      'feedForward.shared.gate': 'ffn_gate_shexp',
      'feedForward.shared.down': 'ffn_down_shexp',
      'feedForward.sharedGate': (end, at) => ({ names: [`${at}ffn_gate_inp_shexp.${end}`], shape: [config.width] }),
      ...(has('blk.0.attn_qkv.weight') ? fusedParts(config, 'attn_qkv') : {}),
      ...(isGated(config.activation) && config.mixture === undefined && !has('blk.0.ffn_gate.weight') ? fusedGate(config, 'ffn_up') : {}),
    },
    isOther: (name) => /^rope_(freqs|factors_(long|short))\.weight$/.test(name),
  })
}
