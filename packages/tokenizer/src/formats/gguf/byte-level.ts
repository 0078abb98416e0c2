import { TokenizerError } from '../../errors.js'
import type { TokenizerParts } from '../../parts.js'
import { readHuggingFaceJson } from '../hf-json/read.js'
import { PieceType } from '../sentencepiece/model-proto.js'
import type { GgufFields } from './metadata.js'
import { ggufPreTokenizers, type GgufPreTokenizer } from './pre-tokenizers.js'
import { addedTokens, bothTemplates, configOf, vocabOf } from './hf-form.js'
import { readFraming, readVocabulary } from './vocabulary.js'

/** Byte-level BPE in a GGUF file, by way of the `tokenizer.json` that says the same. */
export function readByteLevel(fields: GgufFields): TokenizerParts {
  const vocabulary = readVocabulary(fields)
  const pre = preTokenizerOf(fields)
  const framing = readFraming(fields, vocabulary.tokens.length, { addBos: pre.addBos === true })
  const special = [PieceType.control, PieceType.unknown]
  const json = {
    version: '1.0',
    added_tokens: addedTokens(vocabulary, (type) => (special as number[]).includes(type) || type === PieceType.userDefined),
    normalizer: null,
    pre_tokenizer: preTokenizerJson(pre),
    post_processor: bothTemplates(
      vocabulary.tokens,
      framing.addBos ? framing.bosId : undefined,
      framing.addEos ? framing.eosId : undefined,
    ),
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: 'BPE',
      vocab: vocabOf(vocabulary),
      merges: fields.texts('tokenizer.ggml.merges').map((merge, rank) => pairOf(merge, rank, fields)),
      ignore_merges: pre.ignoreMerges === true,
    },
  }
  return readHuggingFaceJson(json, configOf(fields, vocabulary.tokens, { bos_token: framing.bosId, eos_token: framing.eosId }))
}

/** The two sides of a merge; a token may begin with the blank that divides them. */
function pairOf(merge: string, rank: number, fields: GgufFields): [string, string] {
  const blank = merge.indexOf(' ', 1)
  if (blank < 0) throw fields.fail(`tokenizer.ggml.merges[${rank}]`, 'two tokens with a blank between', merge)
  return [merge.slice(0, blank), merge.slice(blank + 1)]
}

function preTokenizerOf(fields: GgufFields): GgufPreTokenizer {
  const name = fields.text('tokenizer.ggml.pre')
  const found = name === undefined ? undefined : ggufPreTokenizers.get(name)
  if (found !== undefined) return found
  throw new TokenizerError(
    'UNSUPPORTED',
    `GGUF metadata: tokenizer.ggml.pre is ${name === undefined ? 'missing, so how text is to be cut is unknown' : JSON.stringify(name)}; ` +
      `known are ${[...ggufPreTokenizers.keys()].join(', ')}. Set the key to the one that the model was trained with`,
  )
}

function preTokenizerJson(pre: GgufPreTokenizer): unknown {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: pre.thenGpt2 === true }
  const splits = pre.splits.map((source) => ({ type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false }))
  return splits.length === 0 ? byteLevel : { type: 'Sequence', pretokenizers: [...splits, byteLevel] }
}
