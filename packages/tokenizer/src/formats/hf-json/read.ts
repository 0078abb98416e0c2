import { AddedVocabulary } from '../../added-vocab/added-vocabulary.js'
import { ByteTable } from '../../byte-table.js'
import { ByteLevelDecoder } from '../../decoders/byte-level.js'
import { TokenizerError } from '../../errors.js'
import { byteLevelOfMerges } from '../../models/bpe/of-merges.js'
import { CharacterBpe } from '../../models/bpe/character-level.js'
import type { TextModel } from '../../models/model.js'
import type { TokenizerParts } from '../../parts.js'
import type { PieceModel, PostProcessor } from '../../pipeline/components.js'
import { Pipeline } from '../../pipeline/pipeline.js'
import { TokenTexts } from '../../pipeline/token-texts.js'
import { preTokenizer } from '../../pretokenizers/create.js'
import { Vocabulary } from '../../vocabulary.js'
import { framedByConfig } from './add-tokens.js'
import { bytesOf, byteToChar } from './byte-chars.js'
import { fail, isRecord } from './json.js'
import { readPadding, readTruncation, writePadding, writeTruncation } from './limits.js'
import { readAdded, writeAdded } from './read-added.js'
import { parseConfig, readConfig, type TokenizerConfig } from './read-config.js'
import { readDecoder } from './read-decoder.js'
import { readModel } from './read-model.js'
import { readNormalizer } from './read-normalizer.js'
import { readFastPattern } from './read-pattern.js'
import { readPostProcessor } from './read-post-processor.js'
import { readPreTokenizer } from './read-pre-tokenizer.js'
import type { TokenizerJson } from './schema.js'

export type { TokenizerConfig } from './read-config.js'

export interface ReadJsonOptions {
  /**
   * Runs a split by a regular expression that this package cannot bound, compiled as JavaScript with the flag `u`. Nothing bounds its time: set
   * this only for files you trust. Default false.
   */
  readonly trustPattern?: boolean
}

/** The parts of a tokenizer from a Hugging Face `tokenizer.json` and, if there is one, the `tokenizer_config.json` beside it. */
export function readHuggingFaceJson(json: unknown, config?: TokenizerConfig | string, options: ReadJsonOptions = {}): TokenizerParts {
  const file = typeof json === 'string' ? parse(json) : json
  if (!isRecord(file)) throw fail('the file', 'an object', file)
  if (file['version'] !== undefined && file['version'] !== '1.0') throw fail('version', '1.0', file['version'])
  const trusted = options.trustPattern === true
  const truncation = readTruncation(file['truncation'])
  const padding = readPadding(file['padding'])
  const normalizer = readNormalizer(file['normalizer'])
  const splitter = readPreTokenizer(file['pre_tokenizer'], trusted)
  const given = readPostProcessor(file['post_processor'])
  const decoder = readDecoder(file['decoder'])
  const model = readModel(file['model'])
  const added = new AddedVocabulary(readAdded(file['added_tokens'], model), normalizer)

  const bare = { added, normalizer, splitter, model, decoder, fast: fastModel(file['pre_tokenizer'], model, trusted) }
  const settings = parseConfig(config)
  const postProcessor: PostProcessor | undefined = framedByConfig(given, settings, new Pipeline({ ...bare, postProcessor: given }))
  const pipeline = new Pipeline({ ...bare, postProcessor })
  const { bosId, eosId, padId, unkId, chatTemplates, modelMaxLength } = readConfig(settings, pipeline)
  let vocabulary: Vocabulary | undefined
  return {
    pipeline,
    get vocabulary() {
      return (vocabulary ??= vocabularyOf(pipeline))
    },
    ...(decoder instanceof ByteLevelDecoder ? { decodesBytes: true } : {}),
    model: bare.fast ?? NO_MODEL,
    added: added.tokens,
    bosId,
    eosId,
    padId,
    unkId,
    chatTemplates,
    modelMaxLength,
    truncation,
    padding,
    write: (): TokenizerJson => ({
      version: '1.0',
      truncation: writeTruncation(truncation),
      padding: writePadding(padding),
      added_tokens: writeAdded(added.tokens),
      normalizer: normalizer?.toJSON() ?? null,
      pre_tokenizer: splitter?.toJSON() ?? null,
      post_processor: postProcessor?.toJSON() ?? null,
      decoder: decoder?.toJSON() ?? null,
      model: model.toJSON() as TokenizerJson['model'],
    }),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TokenizerError('FILE', `tokenizer.json is not JSON: ${(cause as Error).message}`, { cause })
  }
}

/** The scanner and merger over bytes, for files that ask for what these do. */
function fastModel(preTokenizerJson: unknown, model: PieceModel, trusted: boolean): TextModel | undefined {
  if (!(model instanceof CharacterBpe)) return undefined
  const { prefix, suffix, ignoreMerges } = model.options
  if (prefix !== '' || suffix !== '') return undefined
  const pattern = readFastPattern(preTokenizerJson, trusted)
  if (pattern === undefined) return undefined
  const byteIds = new Int32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    const id = model.tokenToId(byteToChar[byte]!)
    // Some text has no tokens then, which the general way knows how to treat.
    if (id === undefined) return undefined
    byteIds[byte] = id
  }
  const bpe = byteLevelOfMerges(preTokenizer(pattern.split), byteIds, model.merges, ignoreMerges ? wholeTokens(model.forms) : undefined)
  if (!pattern.addPrefixSpace) return bpe
  return { encode: (text, out) => bpe.encode(text.startsWith(' ') ? text : ` ${text}`, out) }
}

function wholeTokens(ids: ReadonlyMap<string, number>): { table: ByteTable; ids: Int32Array } {
  const table = new ByteTable(ids.size)
  const values: number[] = []
  for (const [token, id] of ids) {
    const bytes = bytesOf(token)
    if (bytes === undefined) continue
    const index = table.add(bytes, 0, bytes.length)
    if (index === values.length) values.push(id)
  }
  return { table, ids: Int32Array.from(values) }
}

function vocabularyOf(pipeline: Pipeline): Vocabulary {
  const texts = new TokenTexts(pipeline)
  return new Vocabulary(Array.from({ length: pipeline.size }, (_, id) => texts.bytesOf(id)))
}

/** Stands where a pipeline does the work. */
const NO_MODEL: TextModel = {
  encode() {
    throw new Error('this tokenizer encodes by its pipeline')
  },
}
