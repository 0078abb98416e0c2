import type { ConfigFields, RecordNames } from '../../checkpoints/families/family.js'
import type { BertActivation, BertConfig } from '../config.js'

/** How encoders of one kind are written by Hugging Face's transformers. */
export interface EncoderFamily {
  /** Values of `model_type`. */
  readonly modelTypes: readonly string[]
  /**
   * @param labels scores of its classifier; undefined for a model without one. Errors: CHECKPOINT for what is not computed here.
   */
  config(fields: ConfigFields, labels: number | undefined): BertConfig
  /** What the names of the encoder's tensors begin with in checkpoints that hold more than it. */
  readonly prefix: string
  /** Where a weight is, the prefix left out. */
  place(weight: string, config: BertConfig, fields: ConfigFields): WeightPlace
  /** Tensors that a file may hold beside the weights. */
  readonly isOther: RecordNames['isOther']
}

/** A tensor of a file, or some of its rows. */
export interface WeightPlace {
  readonly name: string
  /** First row; the weight's shape says how many. Default: the whole tensor, which must have the weight's shape. */
  readonly from?: number
  /** The name has no prefix. */
  readonly outside?: boolean
}

/** Cuts `blocks.3.attention.query.weight` into its layer, its part and `weight` or `bias`; undefined for other weights. */
export function blockPartOf(weight: string): { readonly layer: string; readonly part: string; readonly end: string } | undefined {
  const [, layer, part, end] = /^blocks\.(\d+)\.(.+)\.(weight|bias)$/.exec(weight) ?? []
  return layer === undefined ? undefined : { layer, part: part!, end: end! }
}

const activations: Readonly<Record<string, BertActivation>> = {
  gelu: 'gelu',
  gelu_new: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
}

/** Hugging Face's name of an activation as ours. Errors: CHECKPOINT for others. */
export function activationOf(fields: ConfigFields, name: string): BertActivation {
  fields.expect(name, Object.keys(activations))
  return activations[fields.text(name, 'gelu')]!
}

/** What BERT, RoBERTa and DistilBERT have in common. */
export const postNorm = {
  norms: 'post',
  positions: 'learned',
  gated: false,
  bias: { attention: true, feedForward: true, norm: true },
  ropeBase: 10_000,
  localRopeBase: 10_000,
} as const

/** Buffers that old versions of transformers wrote, and heads that were trained with and are not used. */
export const isUnused = (name: string): boolean =>
  name.endsWith('position_ids') || /^(cls|lm_head|pooler|vocab_(transform|layer_norm|projector))\./.test(name) || name.includes('.pooler.')
