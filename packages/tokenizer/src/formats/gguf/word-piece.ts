import type { TokenizerParts } from '../../parts.js'
import { readHuggingFaceJson } from '../hf-json/read.js'
import { PieceType } from '../sentencepiece/model-proto.js'
import { addedTokens, bothTemplates, configOf, vocabOf } from './hf-form.js'
import type { GgufFields } from './metadata.js'
import { readVocabulary } from './vocabulary.js'

/**
 * BERT's WordPiece in a GGUF file, by way of the `tokenizer.json` that says the same. GGUF writes the beginning of a word as U+2581 and its
 * continuation as it is, where BERT writes the beginning as it is and the continuation with `##`.
 */
export function readWordPiece(fields: GgufFields): TokenizerParts {
  const given = readVocabulary(fields)
  const vocabulary = { types: given.types, tokens: given.tokens.map(asInBert) }
  const size = given.tokens.length
  const id = (name: string, fallback: string): number | undefined => {
    const found = fields.id(`tokenizer.ggml.${name}_token_id`, size) ?? given.tokens.indexOf(fallback)
    return found < 0 ? undefined : found
  }
  const unknownId = id('unknown', '[UNK]')
  const beginId = fields.id('tokenizer.ggml.cls_token_id', size) ?? id('bos', '[CLS]')
  // The key's first name was misspelled.
  const endId = fields.id('tokenizer.ggml.seperator_token_id', size) ?? id('separator', '[SEP]') ?? id('eos', '[SEP]')
  if (unknownId === undefined) throw fields.fail('tokenizer.ggml.unknown_token_id', 'the id of the unknown token', undefined)
  const addBegin = fields.flag('tokenizer.ggml.add_bos_token') ?? true
  const addEnd = fields.flag('tokenizer.ggml.add_eos_token') ?? fields.flag('tokenizer.ggml.add_sep_token') ?? true
  // Only a vocabulary of words in capitals can tell them apart.
  const lowercase = !vocabulary.tokens.some((token, at) => vocabulary.types[at] === PieceType.normal && /^[A-Z][a-z]/.test(token))
  const json = {
    version: '1.0',
    added_tokens: addedTokens(
      vocabulary,
      (type) => type === PieceType.control || type === PieceType.unknown || type === PieceType.userDefined,
    ),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: bothTemplates(vocabulary.tokens, addBegin ? beginId : undefined, addEnd ? endId : undefined, true),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: vocabulary.tokens[unknownId],
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: vocabOf(vocabulary),
    },
  }
  return readHuggingFaceJson(json, configOf(fields, vocabulary.tokens, { bos_token: beginId, eos_token: endId, unk_token: unknownId }))
}

function asInBert(token: string): string {
  if (token.startsWith('\u2581')) return token.slice(1)
  return token.startsWith('[') && token.endsWith(']') ? token : `##${token}`
}
