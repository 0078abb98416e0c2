import { CharacterBpe } from '../../models/bpe/character-level.js'
import { MAX_MERGES, MergeTable } from '../../models/bpe/merge-table.js'
import { TokenMap } from '../../models/token-map.js'
import { UnigramPieces } from '../../models/unigram/piece-model.js'
import { MAX_PIECE_BYTES } from '../../models/unigram/unigram.js'
import { WordLevel } from '../../models/wordlevel/wordlevel.js'
import { WordPiece } from '../../models/wordpiece/wordpiece.js'
import type { PieceModel } from '../../pipeline/components.js'
import { checkDense, checkId, checkNatural, checkText, ComponentFields } from './fields.js'
import { fail, isRecord, unsupported } from './json.js'

/** The `model` of a file. */
export function readModel(value: unknown): PieceModel {
  if (!isRecord(value)) throw fail('model', 'an object', value)
  const fields = new ComponentFields({ ...value, type: value['type'] ?? typeOf(value) }, 'model')
  switch (fields.type) {
    case 'BPE':
      return readBpe(fields)
    case 'WordPiece':
      return new WordPiece(
        readVocab(fields),
        fields.text('unk_token'),
        fields.short('continuing_subword_prefix'),
        fields.natural('max_input_chars_per_word'),
      )
    case 'WordLevel':
      return new WordLevel(readVocab(fields), fields.text('unk_token'))
    case 'Unigram':
      return readUnigram(fields)
    default:
      throw unsupported(`model ${fields.type}`)
  }
}

/** Old files leave the type out. */
function typeOf(model: Readonly<Record<string, unknown>>): string | undefined {
  if (model['merges'] !== undefined) return 'BPE'
  if (Array.isArray(model['vocab'])) return 'Unigram'
  return model['continuing_subword_prefix'] === undefined ? undefined : 'WordPiece'
}

function readBpe(fields: ComponentFields): CharacterBpe {
  const dropout = fields.get('dropout')
  if (dropout !== undefined && dropout !== null && dropout !== 0) throw unsupported('model.dropout, which makes ids a matter of chance')
  const prefix = fields.has('continuing_subword_prefix') ? fields.short('continuing_subword_prefix') : ''
  const vocab = readVocab(fields)
  return new CharacterBpe(vocab, readMerges(fields.get('merges'), vocab.ids, prefix), {
    unknown: fields.has('unk_token') ? fields.text('unk_token') : undefined,
    fuseUnknown: fields.has('fuse_unk') && fields.boolean('fuse_unk'),
    byteFallback: fields.has('byte_fallback') && fields.boolean('byte_fallback'),
    prefix,
    suffix: fields.has('end_of_word_suffix') ? fields.short('end_of_word_suffix') : '',
    ignoreMerges: fields.has('ignore_merges') && fields.boolean('ignore_merges'),
  })
}

function readVocab(fields: ComponentFields): TokenMap {
  const value = fields.get('vocab')
  if (!isRecord(value)) throw fail('model.vocab', 'an object of tokens and ids', value)
  const ids = new Map<string, number>()
  const seen = new Set<number>()
  let highest = 0
  for (const token of Object.keys(value)) {
    const where = `model.vocab[${JSON.stringify(token)}]`
    const id = checkId(value[token], where)
    checkText(token, where)
    if (seen.has(id)) throw fail(where, 'an id of its own', id)
    seen.add(id)
    ids.set(token, id)
    highest = Math.max(highest, id)
  }
  checkDense(highest, ids.size, 'model.vocab')
  return new TokenMap(ids)
}

function readMerges(value: unknown, ids: ReadonlyMap<string, number>, prefix: string): MergeTable {
  if (!Array.isArray(value)) throw fail('model.merges', 'an array', value)
  if (value.length > MAX_MERGES) throw fail('model.merges', `at most ${MAX_MERGES} merges`, value.length)
  const table = new MergeTable(value.length)
  let rank = 0
  for (const [index, merge] of (value as unknown[]).entries()) {
    const where = `model.merges[${index}]`
    // Files before 2024 write "a b" after a line with their version.
    if (typeof merge === 'string' && merge.startsWith('#version')) continue
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (!Array.isArray(pair) || pair.length !== 2) throw fail(where, 'two tokens', merge)
    const [left, right] = pair as [unknown, unknown]
    if (typeof left !== 'string' || typeof right !== 'string' || left === '' || right === '') throw fail(where, 'two tokens', merge)
    if (right.length < prefix.length) throw fail(where, `two tokens, the second with the prefix ${JSON.stringify(prefix)}`, merge)
    const join = left + right.slice(prefix.length)
    const [leftId, rightId, result] = [ids.get(left), ids.get(right), ids.get(join)]
    if (leftId === undefined || rightId === undefined) throw fail(where, 'tokens of the vocabulary', merge)
    if (result === undefined) throw fail(where, `tokens whose join ${JSON.stringify(join)} is in the vocabulary`, merge)
    table.set(leftId, rightId, rank++, result)
  }
  return table
}

function readUnigram(fields: ComponentFields): UnigramPieces {
  const utf8 = new TextEncoder()
  const list = fields.list('vocab')
  checkId(list.length, 'the length of model.vocab')
  const vocab = list.map((entry, id): [string, number] => {
    const where = `model.vocab[${id}]`
    if (!Array.isArray(entry) || entry.length !== 2) throw fail(where, 'a token and its score', entry)
    const score: unknown = entry[1]
    if (typeof score !== 'number' || !Number.isFinite(score)) throw fail(`${where}[1]`, 'a number', score)
    const piece = checkText(entry[0], `${where}[0]`)
    if (piece.length * 3 > MAX_PIECE_BYTES && utf8.encode(piece).length > MAX_PIECE_BYTES) {
      throw unsupported(`${where}, a piece of Unigram with more than ${MAX_PIECE_BYTES} bytes`)
    }
    return [piece, score]
  })
  const unknown = fields.has('unk_id') ? checkNatural(fields.get('unk_id'), 'model.unk_id', vocab.length - 1) : undefined
  return new UnigramPieces(vocab, unknown, fields.has('byte_fallback') && fields.boolean('byte_fallback'))
}
