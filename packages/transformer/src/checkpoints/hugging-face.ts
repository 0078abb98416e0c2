/** Hugging Face's checkpoints: a `config.json` and weights in safetensors. */
import { checkConfig, type DecoderConfig } from '../architectures/config.js'
import { TransformerError } from '../errors.js'
import { ConfigFields, type Family } from './families/family.js'
import { families } from './families/all.js'

/** A model as its `config.json` describes it. */
export interface HuggingFaceModel {
  readonly config: DecoderConfig
  readonly family: Family
}

/** Whether a `config.json` is one of Hugging Face's. */
export const isHuggingFace = (values: Readonly<Record<string, unknown>>): boolean => typeof values['model_type'] === 'string'

/** Of encoders, which are read elsewhere. */
const encoders: readonly string[] = ['bert', 'distilbert', 'modernbert', 'roberta', 'xlm-roberta', 'camembert']

/**
 * The configuration that a `config.json` of Hugging Face describes. Errors: CHECKPOINT for models of other kinds, for fields that ask for what is not computed here, and for weights that are quantised; CONFIG for
 * sizes out of range.
 */
export function readHuggingFaceConfig(values: Readonly<Record<string, unknown>>, label: string): HuggingFaceModel {
  const fields = new ConfigFields(values, label)
  const kind = fields.text('model_type')
  const family = families.find(({ modelTypes }) => modelTypes.includes(kind))
  if (family === undefined) {
    const known = families.flatMap(({ modelTypes }) => modelTypes)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: model_type is ${JSON.stringify(kind).slice(0, 80)}; ${encoders.includes(kind) ? 'that is an encoder, which loadEmbedder and loadReranker read (embed on the command line); models that write are' : 'expected one of'} ${known.join(', ')}`,
    )
  }
  if (fields.has('quantization_config'))
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: its weights are quantised (quantization_config), which is not read from safetensors; take the checkpoint that it was made from`,
    )
  return { config: checkConfig(family.config(fields)), family }
}
