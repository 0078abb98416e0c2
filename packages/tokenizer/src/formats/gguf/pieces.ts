import type { TokenizerParts } from '../../parts.js'
import { PieceType } from '../sentencepiece/model-proto.js'
import { SentencePieceNormalizer } from '../sentencepiece/normalizer.js'
import { addedOf, frameOf, partsOf } from '../sentencepiece/parts.js'
import { Pieces } from '../sentencepiece/pieces.js'
import { segmenterOf } from '../sentencepiece/read.js'
import { SentencePiecePipeline } from '../sentencepiece/text-pipeline.js'
import type { GgufFields } from './metadata.js'
import { readFraming, readVocabulary } from './vocabulary.js'

const WHERE = 'GGUF metadata: the vocabulary'
const MAX_TOKEN_BYTES = 1024

/** What holds for each kind unless the file says otherwise. */
const usual = {
  llama: { bosId: 1, eosId: 2, unknownId: 0, addBos: true, addEos: false, addBlank: true },
  t5: { bosId: undefined, eosId: 1, unknownId: 2, addBos: false, addEos: true, addBlank: false },
} as const

/** A SentencePiece vocabulary in a GGUF file: BPE for `llama`, Unigram for `t5`. */
export function readPieces(fields: GgufFields, model: 'llama' | 't5'): TokenizerParts {
  const { tokens, types } = readVocabulary(fields)
  const defaults = usual[model]
  const scores = fields.numbers('tokenizer.ggml.scores', tokens.length)
  if (scores === undefined) throw fields.fail('tokenizer.ggml.scores', `an array of ${tokens.length} numbers`, undefined)
  const unknownId = fields.id('tokenizer.ggml.unknown_token_id', tokens.length) ?? Math.min(defaults.unknownId, tokens.length - 1)
  for (const [id, type] of types.entries()) {
    if (id === unknownId) types[id] = PieceType.unknown
    // Some converters mark several; the others cannot come out of any text.
    else if (type === PieceType.unknown) types[id] = PieceType.control
  }
  const pieces = new Pieces({ ...encoded(tokens, fields), scores: Float32Array.from(scores), types }, WHERE, types.includes(PieceType.byte))
  const { bosId, eosId, addBos, addEos } = readFraming(fields, tokens.length, defaults)
  const charsmap = fields.numbers('tokenizer.ggml.precompiled_charsmap')
  const addDummyPrefix = fields.flag('tokenizer.ggml.add_space_prefix') ?? defaults.addBlank
  const removeExtraWhitespaces = fields.flag('tokenizer.ggml.remove_extra_whitespaces') ?? false
  const spec = {
    // Bytes are stored as signed numbers too.
    charsmap: charsmap === undefined || charsmap.length === 0 ? undefined : Uint8Array.from(charsmap, (byte) => byte & 255),
    addDummyPrefix,
    removeExtraWhitespaces,
    escapeWhitespaces: true,
  }
  const pipeline = new SentencePiecePipeline({
    pieces,
    segmenter: segmenterOf(model === 'llama' ? 'bpe' : 'unigram', pieces),
    normalizer: new SentencePieceNormalizer(spec, { suffix: false, keep: pieces.userDefined, where: WHERE }),
    decoding: {
      unknownSurface: ' \u2047 ',
      dropBlank: removeExtraWhitespaces ? 'all' : addDummyPrefix ? 'one' : 'no',
      showControl: true,
    },
    added: addedOf(pieces, [PieceType.control, PieceType.unknown, PieceType.userDefined], stripsRight(fields)),
    blankAfterAdded: true,
    postProcessor: frameOf(pieces, addBos ? bosId : undefined, addEos ? eosId : undefined),
  })
  const template = fields.text('tokenizer.chat_template')
  const form = { type: model === 'llama' ? 'bpe' : 'unigram', suffix: false } as const
  return partsOf(pipeline, form, {
    bosId,
    eosId,
    padId: fields.id('tokenizer.ggml.padding_token_id', tokens.length),
    chatTemplates: new Map(template === undefined ? [] : [['default', template]]),
  })
}

function encoded(tokens: readonly string[], fields: GgufFields): { text: Uint8Array; starts: Uint32Array } {
  const utf8 = new TextEncoder()
  const starts = new Uint32Array(tokens.length + 1)
  const parts = tokens.map((token, id) => {
    // A file may have empty tokens, which stand for nothing and need a name of their own.
    const bytes = utf8.encode(token === '' ? `[EMPTY_${id}]` : token)
    if (bytes.length > MAX_TOKEN_BYTES) throw fields.fail(`tokenizer.ggml.tokens[${id}]`, `at most ${MAX_TOKEN_BYTES} bytes`, token)
    starts[id + 1] = starts[id]! + bytes.length
    return bytes
  })
  const text = new Uint8Array(starts[tokens.length]!)
  for (const [id, bytes] of parts.entries()) text.set(bytes, starts[id])
  return { text, starts }
}

/** Phi-3's tokens take the white space behind them, which its GGUF files do not say but by the model's name, as in llama.cpp. */
function stripsRight(fields: GgufFields): (form: string) => boolean {
  const name = fields.text('general.name')?.toLowerCase() ?? ''
  if (!name.includes('phi-3') && !name.includes('phi3')) return () => false
  return (form) => form !== '<unk>' && form !== '<s>' && form !== '<|endoftext|>'
}
