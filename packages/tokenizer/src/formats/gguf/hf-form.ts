import type { TokenizerConfig } from '../hf-json/read-config.js'
import { PieceType } from '../sentencepiece/model-proto.js'
import type { GgufFields } from './metadata.js'
import type { GgufVocabulary } from './vocabulary.js'

/** The `added_tokens` of a `tokenizer.json` with these tokens of a GGUF file. */
export function addedTokens({ tokens, types }: GgufVocabulary, wanted: (type: number) => boolean): unknown[] {
  return tokens.flatMap((content, id) =>
    wanted(types[id]!) && content !== ''
      ? [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: types[id] !== PieceType.userDefined }]
      : [],
  )
}

/** The `vocab` of a `tokenizer.json`: tokens that repeat keep their first id, and empty ones, which stand for nothing, are left out. */
export function vocabOf({ tokens }: GgufVocabulary): Record<string, number> {
  const vocab = Object.create(null) as Record<string, number>
  for (const [id, token] of tokens.entries()) if (token !== '' && !(token in vocab)) vocab[token] = id
  return vocab
}

/** The `post_processor` that puts these tokens in front of each text and behind it. */
export function bothTemplates(tokens: readonly string[], before: number | undefined, behind: number | undefined, joined = false): unknown {
  if (before === undefined && behind === undefined) return null
  const special = (id: number | undefined, type: number): unknown[] =>
    id === undefined ? [] : [{ SpecialToken: { id: tokens[id], type_id: type } }]
  const framed = (id: 'A' | 'B', type: number): unknown[] => [
    // BERT begins but once.
    ...(joined && id === 'B' ? [] : special(before, type)),
    { Sequence: { id, type_id: type } },
    ...special(behind, type),
  ]
  const named = [before, behind].filter((id) => id !== undefined)
  return {
    type: 'TemplateProcessing',
    single: framed('A', 0),
    pair: [...framed('A', 0), ...framed('B', 1)],
    special_tokens: Object.fromEntries(named.map((id) => [tokens[id], { id: tokens[id], ids: [id], tokens: [tokens[id]] }])),
  }
}

/** The `tokenizer_config.json` that names these tokens, and has the file's chat template. */
export function configOf(
  fields: GgufFields,
  tokens: readonly string[],
  ids: { readonly bos_token: number | undefined; readonly eos_token: number | undefined; readonly unk_token?: number | undefined },
): TokenizerConfig {
  const given = { ...ids, pad_token: fields.id('tokenizer.ggml.padding_token_id', tokens.length) }
  const named = Object.entries(given).flatMap(([name, id]) => (id === undefined ? [] : [[name, tokens[id]!] as const]))
  const template = fields.text('tokenizer.chat_template')
  return { ...Object.fromEntries(named), ...(template === undefined ? {} : { chat_template: template }) }
}
