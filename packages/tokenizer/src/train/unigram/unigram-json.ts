import type { TokenizerJson } from '../../formats/hf-json/schema.js'
import type { ScoredPiece } from './learn-pieces.js'
import type { UnigramRules } from './options.js'

/** The `normalizer` of Hugging Face's `SentencePieceUnigramTokenizer`. */
const nfkc = {
  type: 'Sequence',
  normalizers: [{ type: 'Nmt' }, { type: 'NFKC' }, { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }],
}

/** The sign for a blank, before which words are cut. */
const metaspace = { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split: true }

/** The `tokenizer.json` of trained pieces, without any when training is yet to come. */
export function unigramJson(
  rules: UnigramRules,
  pieces: readonly ScoredPiece[],
): Omit<TokenizerJson, 'model'> & { readonly model: unknown } {
  const { specials, listed, unkToken } = rules
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: listed.map((content) => ({
      id: specials.indexOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: rules.normalizer === 'nfkc' ? nfkc : null,
    pre_tokenizer: metaspace,
    post_processor: null,
    decoder: metaspace,
    model: {
      type: 'Unigram',
      unk_id: unkToken === undefined ? null : specials.indexOf(unkToken),
      vocab: [...specials.map((content): ScoredPiece => [content, 0]), ...pieces],
      byte_fallback: false,
    },
  }
}
