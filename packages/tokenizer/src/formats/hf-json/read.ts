import { ByteTable } from '../../byte-table.js'
import { TokenizerError } from '../../errors.js'
import { ByteLevelBpe } from '../../models/bpe/byte-level.js'
import { MAX_MERGES, MergeTable } from '../../models/bpe/merge-table.js'
import type { TokenizerParts } from '../../parts.js'
import { preTokenizer } from '../../pretokenizers/create.js'
import type { AddedToken } from '../../special-tokens.js'
import { Vocabulary } from '../../vocabulary.js'
import { bytesOf, byteToChar } from './byte-chars.js'
import { fail, field, isRecord, unsupported, type JsonRecord } from './json.js'
import { readPattern } from './read-pattern.js'
import { writeHuggingFaceJson } from './write.js'

/** The part of a `tokenizer_config.json` that is used. */
export interface TokenizerConfig {
  readonly bos_token?: string | { readonly content: string } | null
  readonly eos_token?: string | { readonly content: string } | null
}

export interface ReadJsonOptions {
  /**
   * Runs a split by a regular expression that is not known, compiled as JavaScript with the flag `u`. Nothing bounds its time: set this only
   * for files you trust. Default false.
   */
  readonly trustPattern?: boolean
}

/** Real vocabularies stay far below this; a file that claims more would exhaust memory. */
const MAX_ID = 2 ** 24

/** The parts of a tokenizer from a Hugging Face `tokenizer.json` with byte-level BPE. */
export function readHuggingFaceJson(json: unknown, config?: TokenizerConfig, options: ReadJsonOptions = {}): TokenizerParts {
  const file = typeof json === 'string' ? parse(json) : json
  if (!isRecord(file)) throw fail('the file', 'an object', file)
  refuseUnknownSteps(file)
  const pattern = readPattern(file['pre_tokenizer'], options.trustPattern === true)
  const model = file['model']
  if (!isRecord(model)) throw fail('model', 'an object', model)
  refuseUnknownModel(model)

  const added = readAdded(file['added_tokens'])
  const ids = readVocab(model['vocab'])
  const tokens = tokenBytes(ids, added)
  const byteIds = new Int32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    const id = ids.get(byteToChar[byte]!)
    if (id === undefined) {
      throw unsupported(`model.vocab lacks byte ${byte} (written ${JSON.stringify(byteToChar[byte])}), so some text could not be encoded`)
    }
    byteIds[byte] = id
  }
  const merges = readMerges(model['merges'], ids)
  const ignoreMerges = model['ignore_merges'] === true
  const vocabulary = new Vocabulary(tokens)
  const split = preTokenizer(pattern)
  const tokenOf = (value: TokenizerConfig['bos_token'], name: string) => {
    if (value === undefined || value === null) return undefined
    const content = typeof value === 'string' ? value : value.content
    const id = added.find((token) => token.content === content)?.id ?? ids.get(content)
    if (id === undefined) throw fail(`${name} of the configuration`, 'a token of the vocabulary', content)
    return id
  }
  return {
    vocabulary,
    model: new ByteLevelBpe(split, byteIds, merges, ignoreMerges ? wholeTokens(ids) : undefined),
    added,
    bosId: tokenOf(config?.bos_token, 'bos_token'),
    eosId: tokenOf(config?.eos_token, 'eos_token'),
    write: () => writeHuggingFaceJson({ vocabulary, added, merges, pattern, ignoreMerges }),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new TokenizerError('FILE', `tokenizer.json is not JSON: ${(cause as Error).message}`, { cause })
  }
}

function refuseUnknownSteps(file: JsonRecord): void {
  const mustBeNull = ['normalizer', 'truncation', 'padding']
  for (const name of mustBeNull) {
    const value = file[name]
    if (value !== undefined && value !== null) {
      const type = isRecord(value) && typeof value['type'] === 'string' ? ` ${value['type']}` : ''
      throw unsupported(`${name}${type}; set it to null in the file if you can do without`)
    }
  }
  const post = file['post_processor']
  // ByteLevel as a post-processor only trims offsets, which are not reported here.
  if (post !== undefined && post !== null && field(post, 'type') !== 'ByteLevel')
    throw unsupported(`post_processor ${String(field(post, 'type'))}`)
  if (field(file['decoder'], 'type') !== 'ByteLevel') throw unsupported(`decoder ${String(field(file['decoder'], 'type') ?? 'null')}`)
}

function refuseUnknownModel(model: JsonRecord): void {
  // Old files leave the type out; only BPE has merges.
  const type = model['type'] ?? (model['merges'] === undefined ? undefined : 'BPE')
  if (type !== 'BPE') throw unsupported(`model ${String(type)}`)
  if (model['dropout'] !== undefined && model['dropout'] !== null && model['dropout'] !== 0) throw unsupported('model.dropout')
  if (model['byte_fallback'] === true) throw unsupported('model.byte_fallback')
  for (const name of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    if (model[name] !== undefined && model[name] !== null && model[name] !== '') throw unsupported(`model.${name}`)
  }
}

function checkId(id: unknown, where: string): asserts id is number {
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_ID) throw fail(where, `an integer from 0 to ${MAX_ID}`, id)
}

function readAdded(value: unknown): AddedToken[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw fail('added_tokens', 'an array', value)
  const seen = new Set<string>()
  return value.map((token: unknown, index) => {
    const where = `added_tokens[${index}]`
    if (!isRecord(token)) throw fail(where, 'an object', token)
    const { id, content, special } = token
    checkId(id, `${where}.id`)
    if (typeof content !== 'string' || content === '') throw fail(`${where}.content`, 'a string that is not empty', content)
    if (/[\ud800-\udfff]/u.test(content)) throw fail(`${where}.content`, 'text without lone surrogates', content)
    if (seen.has(content)) throw fail(`${where}.content`, 'a token that is not listed before', content)
    seen.add(content)
    for (const flag of ['single_word', 'lstrip', 'rstrip']) if (token[flag] === true) throw unsupported(`${where}.${flag}`)
    return { id, content, special: special === true }
  })
}

function readVocab(value: unknown): Map<string, number> {
  if (!isRecord(value)) throw fail('model.vocab', 'an object of tokens and ids', value)
  const ids = new Map<string, number>()
  const seen = new Set<number>()
  for (const token of Object.keys(value)) {
    const id = value[token]
    checkId(id, `model.vocab[${JSON.stringify(token)}]`)
    if (seen.has(id)) throw fail(`model.vocab[${JSON.stringify(token)}]`, 'an id of its own', id)
    seen.add(id)
    ids.set(token, id)
  }
  return ids
}

/** The bytes of each id. Added tokens stand for their own text, not for the byte-level form. */
function tokenBytes(ids: ReadonlyMap<string, number>, added: readonly AddedToken[]): (Uint8Array | undefined)[] {
  let highest = -1
  for (const id of ids.values()) highest = Math.max(highest, id)
  for (const { id } of added) highest = Math.max(highest, id)
  const tokens = new Array<Uint8Array | undefined>(highest + 1).fill(undefined)
  // A token with characters outside the byte alphabet is only ever decoded; it stands for its own text, as in the original library.
  for (const [token, id] of ids) tokens[id] = bytesOf(token) ?? new TextEncoder().encode(token)
  for (const { content, id } of added) {
    const other = ids.get(content)
    if (other !== undefined && other !== id)
      throw fail(`the id of added token ${JSON.stringify(content)}`, `${other} as in model.vocab`, id)
    if (other === undefined && tokens[id] !== undefined)
      throw fail(`the id of added token ${JSON.stringify(content)}`, 'an id that is free', id)
    tokens[id] = new TextEncoder().encode(content)
  }
  return tokens
}

function readMerges(value: unknown, ids: ReadonlyMap<string, number>): MergeTable {
  if (!Array.isArray(value)) throw fail('model.merges', 'an array', value)
  if (value.length > MAX_MERGES) throw fail('model.merges', `at most ${MAX_MERGES} merges`, value.length)
  const table = new MergeTable(value.length)
  for (const [rank, merge] of (value as unknown[]).entries()) {
    const where = `model.merges[${rank}]`
    // Files before 2024 write "a b"; no byte is written as a blank, so there is exactly one.
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (!Array.isArray(pair) || pair.length !== 2) throw fail(where, 'two tokens', merge)
    const [left, right] = pair as [unknown, unknown]
    if (typeof left !== 'string' || typeof right !== 'string') throw fail(where, 'two tokens', merge)
    const [leftId, rightId, result] = [ids.get(left), ids.get(right), ids.get(left + right)]
    if (leftId === undefined || rightId === undefined) throw fail(where, 'tokens of the vocabulary', merge)
    if (result === undefined) throw fail(where, `tokens whose join ${JSON.stringify(left + right)} is in the vocabulary`, merge)
    table.set(leftId, rightId, rank, result)
  }
  return table
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
