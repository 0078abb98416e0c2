/** Embedders in GGUF, as llama.cpp has them. */
import type { GgufFile } from '@tesserae/tensor'
import { Tokenizer } from '@tesserae/tokenizer'
import { ConfigFields } from '../checkpoints/families/family.js'
import { checkVocabulary } from '../embed/files.js'
import { TransformerError } from '../errors.js'
import { checkBertConfig } from './config.js'
import { makeEmbedder, type BertEmbedder, type LoadEmbedderOptions } from './embedder.js'
import { bertGguf } from './families/bert-gguf.js'
import type { Pooling } from './pooling.js'
import { readBertWeights } from './read.js'

/** llama.cpp's numbers of ways to pool. */
const poolings: readonly Pooling[] = ['mean', 'mean', 'cls', 'lasttoken']

/**
 * An embedder out of an open GGUF file of a BERT (MiniLM, BGE, E5), in any type that is decoded, computed in f32. Vectors have length 1, as llama.cpp's have, unless `normalize` says
 * otherwise. The file stays the caller's. Errors: CHECKPOINT, CONFIG, OPTION; FILE, IO and DTYPE of the reader; OUT_OF_MEMORY; AbortError.
 */
export async function readGgufEmbedder(
  file: GgufFile,
  options: LoadEmbedderOptions & { readonly label?: string } = {},
): Promise<BertEmbedder> {
  const { label = 'GGUF', signal, onProgress, normalize = true } = options
  // Without a prototype a key such as __proto__ is a key like any other.
  const values = Object.create(null) as Record<string, unknown>
  for (const [key, value] of file.metadata) values[key] = typeof value === 'bigint' ? Number(value) : value
  const fields = new ConfigFields(values, label)
  const architecture = values['general.architecture']
  if (typeof architecture === 'string' && architecture !== 'bert')
    throw new TransformerError(
      'CHECKPOINT',
      `${label}: general.architecture is "${architecture.slice(0, 40)}"; expected "bert". Vectors of texts are given by encoders such as MiniLM and BGE; what generates text is read by loadModel`,
    )
  fields.expect('general.architecture', ['bert'])
  const kind = fields.number('bert.pooling_type', 1)
  const pooling = options.pooling ?? poolings[kind]
  if (pooling === undefined) throw fields.fail('bert.pooling_type', '0 to 3: none, mean, cls or last')
  if (file.has('token_types.weight')) values['tokenizer.ggml.token_type_count'] = file.info('token_types.weight').shape[0]
  else values['tokenizer.ggml.token_type_count'] = 0
  const config = checkBertConfig(bertGguf.config(fields, undefined))
  const tokenizer = Tokenizer.fromGGUF(file.metadata)
  checkVocabulary(tokenizer, config, label)
  const { maxTokens = config.context, device } = options
  if (!(maxTokens >= 3)) throw new TransformerError('OPTION', `the longest text must have at least 3 tokens, got ${maxTokens}`)
  const weights = await readBertWeights(file, { config, family: bertGguf, fields }, { label, signal, onProgress })
  return makeEmbedder({
    config,
    weights,
    dense: new Map(),
    pipeline: {
      pooling: [pooling],
      steps: normalize ? [{ kind: 'normalize' }] : [],
      prompts: {},
      defaultPrompt: undefined,
      lowerCase: false,
    },
    width: config.width,
    tokenizer,
    maxTokens: Math.min(Math.floor(maxTokens), config.context),
    device,
  })
}
