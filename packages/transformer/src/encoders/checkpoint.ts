/** Encoders as Hugging Face's transformers and sentence-transformers write them: what their files say. */
import type { Tensors } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import { ConfigFields } from '../checkpoints/families/family.js'
import { parseRecord } from '../checkpoints/record.js'
import { checkVocabulary } from '../embed/files.js'
import { TransformerError } from '../errors.js'
import { checkBertConfig, type BertConfig } from './config.js'
import { encoderFamilies } from './families/all.js'
import type { EncoderFamily } from './families/family.js'

/** The files of a checkpoint, wherever they are. Paths are relative, with `/` between folders. */
export interface CheckpointFiles {
  /** What errors call the checkpoint. */
  readonly label: string
  /** A small file's text; undefined where there is none. */
  text(path: string): Promise<string | undefined>
  /** The safetensors in a folder ('' is the checkpoint's own), which the caller disposes. */
  tensors(folder: string): Promise<Tensors>
}

/** What `config.json` says of an encoder. */
export interface EncoderDescription {
  readonly config: BertConfig
  readonly family: EncoderFamily
  readonly fields: ConfigFields
}

export const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)

/** Small files are read whole; the tokenizer of a large vocabulary has some 17 MB. */
const largestText = 2 ** 26

/** Errors: CHECKPOINT for a file too large to be a configuration or a tokenizer. */
export function checkTextSize(bytes: number, label: string): void {
  if (bytes > largestText)
    throw new TransformerError('CHECKPOINT', `${label} has ${bytes} bytes; expected a text of at most ${largestText}`)
}

/** A JSON file. Errors: CHECKPOINT where there is none, or it is no object. */
export async function readJson(files: CheckpointFiles, path: string): Promise<Record<string, unknown>> {
  const text = await files.text(path)
  if (text === undefined) throw new TransformerError('CHECKPOINT', `${files.label}: ${path} is missing`)
  return parseRecord(text, `${files.label}: ${path}`)
}

/**
 * The encoder that a folder's `config.json` describes.
 *
 * @param options.classifier whether it must have one, with as many labels as the file says
 */
export async function readEncoderConfig(
  files: CheckpointFiles,
  folder: string,
  options: { readonly classifier: boolean },
): Promise<EncoderDescription> {
  const path = join(folder, 'config.json')
  const values = await readJson(files, path)
  const label = `${files.label}: ${path}`
  const fields = new ConfigFields(values, label)
  const kind = fields.text('model_type')
  const family = encoderFamilies.find(({ modelTypes }) => modelTypes.includes(kind))
  if (family === undefined)
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: model_type is ${JSON.stringify(kind).slice(0, 80)}; expected one of ${encoderFamilies.flatMap(({ modelTypes }) => modelTypes).join(', ')}`,
    )
  if (fields.has('quantization_config'))
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: its weights are quantised (quantization_config), which is not read from safetensors; take the checkpoint that it was made from`,
    )
  const config = checkBertConfig(family.config(fields, options.classifier ? labelsOf(fields, values) : undefined))
  return { config, family, fields }
}

/** How many scores a classifier gives. transformers keeps their names; without any it has two. */
function labelsOf(fields: ConfigFields, values: Readonly<Record<string, unknown>>): number {
  const architectures = values['architectures']
  if (Array.isArray(architectures) && !architectures.some((name) => String(name).endsWith('ForSequenceClassification')))
    throw fields.fail('architectures', 'one ending in ForSequenceClassification: a reranker needs a classifier')
  if (fields.has('num_labels')) return fields.number('num_labels')
  if (!fields.has('id2label')) return 2
  const names = values['id2label']
  if (typeof names !== 'object' || names === null || Array.isArray(names)) throw fields.fail('id2label', 'an object')
  return Object.keys(names).length
}

/** Tokens that an encoder of any architecture knows and reads at most, as far as its `config.json` says. */
export async function limitsOf(files: CheckpointFiles, folder: string): Promise<Pick<BertConfig, 'vocabSize' | 'context'>> {
  const path = join(folder, 'config.json')
  const text = await files.text(path)
  const fields = new ConfigFields(text === undefined ? {} : parseRecord(text, `${files.label}: ${path}`), `${files.label}: ${path}`)
  // RoBERTa counts positions from behind the padding token's id.
  const before = /roberta|camembert/.test(fields.text('model_type', '')) ? fields.number('pad_token_id', 1) + 1 : 0
  return {
    vocabSize: fields.has('vocab_size') ? fields.number('vocab_size') : Infinity,
    context: fields.has('max_position_embeddings') ? fields.number('max_position_embeddings') - before : 512,
  }
}

/** A tokenizer with the longest text that a model reads. */
export interface EncoderTokenizer {
  readonly tokenizer: Tokenizer
  /** Tokens, special ones included. */
  readonly maxTokens: number
}

/** The tokenizer beside a `config.json`. Errors: CHECKPOINT; FILE and UNSUPPORTED of the tokenizer. */
export async function readEncoderTokenizer(
  files: CheckpointFiles,
  folder: string,
  config: Pick<BertConfig, 'vocabSize' | 'context'>,
  options: { readonly maxTokens?: number | undefined } = {},
): Promise<EncoderTokenizer> {
  const json = await files.text(join(folder, 'tokenizer.json'))
  if (json === undefined)
    throw new TransformerError(
      'CHECKPOINT',
      `${files.label}: ${join(folder, 'tokenizer.json')} is missing; save the tokenizer with a recent version of transformers, which writes it`,
    )
  const settings = await files.text(join(folder, 'tokenizer_config.json'))
  const tokenizer = Tokenizer.fromJSON(json, settings)
  checkVocabulary(tokenizer, config, files.label)
  // transformers writes 10^30 where nothing limits a text.
  const own = settings === undefined ? undefined : parseRecord(settings, `${files.label}: tokenizer_config.json`)['model_max_length']
  const asked = options.maxTokens ?? (typeof own === 'number' && own >= 1 ? own : Infinity)
  if (!(asked >= 3)) throw new TransformerError('OPTION', `the longest text must have at least 3 tokens, got ${asked}`)
  return { tokenizer, maxTokens: Math.min(Math.floor(asked), config.context) }
}
