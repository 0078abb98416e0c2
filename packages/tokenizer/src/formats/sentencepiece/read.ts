import { TokenizerError } from '../../errors.js'
import { ScoredBpe } from '../../models/bpe/scored.js'
import { ByteTrie } from '../../models/byte-trie.js'
import type { Segmenter } from '../../models/segments.js'
import { MAX_PIECE_BYTES, Unigram } from '../../models/unigram/unigram.js'
import { Characters, Words } from '../../models/words.js'
import type { TokenizerParts } from '../../parts.js'
import { PieceType, readModelProto, type ModelType } from './model-proto.js'
import { BLANK_SYMBOL, SentencePieceNormalizer } from './normalizer.js'
import { addedOf, frameOf, partsOf } from './parts.js'
import { Pieces } from './pieces.js'
import { SentencePiecePipeline } from './text-pipeline.js'
import { pathScores } from './unigram-scores.js'

export interface SentencePieceOptions {
  /** Whether to put the file's token for the beginning (`<s>`) in front of every text, as Llama does. Default false, as in SentencePiece. */
  readonly addBos?: boolean
  /** Whether to put the file's token for the end (`</s>`) behind every text, as T5 does. Default false, as in SentencePiece. */
  readonly addEos?: boolean
}

const WHERE = 'SentencePiece model: the file'

/**
 * The parts of a tokenizer from a SentencePiece `.model` file. As in SentencePiece, control tokens decode to nothing.
 *
 * @throws TokenizerError `FILE` when the file is malformed, `VALUE` when a token is to be added that it lacks
 */
export function readSentencePiece(file: Uint8Array, options: SentencePieceOptions = {}): TokenizerParts {
  const proto = readModelProto(file)
  const pieces = new Pieces(proto, WHERE, proto.byteFallback)
  const { normalizer, denormalizer } = proto
  const control = (name: string): number | undefined => {
    const id = pieces.find(name)
    return id !== undefined && pieces.typeOf(id) === PieceType.control ? id : undefined
  }
  const [bosId, eosId] = [control(proto.bosPiece), control(proto.eosPiece)]
  const pipeline = new SentencePiecePipeline({
    pieces,
    segmenter: segmenterOf(proto.type, pieces),
    normalizer: new SentencePieceNormalizer(normalizer, { suffix: proto.whitespaceAsSuffix, keep: pieces.userDefined, where: WHERE }),
    decoding: {
      unknownSurface: proto.unknownSurface,
      dropBlank: normalizer.removeExtraWhitespaces ? 'all' : normalizer.addDummyPrefix ? 'one' : 'no',
      showControl: false,
      denormalizer:
        denormalizer?.charsmap === undefined ? undefined : new SentencePieceNormalizer(denormalizer, { suffix: false, where: WHERE }),
    },
    added: addedOf(pieces, [PieceType.control, PieceType.unknown]),
    blankAfterAdded: false,
    postProcessor: frameOf(pieces, required(options.addBos, bosId, proto.bosPiece), required(options.addEos, eosId, proto.eosPiece)),
  })
  return partsOf(pipeline, { type: proto.type, suffix: proto.whitespaceAsSuffix }, { bosId, eosId })
}

/** The token to be put around texts, if any. */
function required(wanted: boolean | undefined, id: number | undefined, name: string): number | undefined {
  if (wanted !== true) return undefined
  if (id === undefined)
    throw new TokenizerError('VALUE', `addBos and addEos need a control token ${JSON.stringify(name)}, which the model lacks`)
  return id
}

/** What cuts text into these pieces. */
export function segmenterOf(type: ModelType, pieces: Pieces): Segmenter {
  if (type === 'unigram') return unigramOf(pieces)
  const { table, ids, userDefined } = pieces
  if (type === 'word') return new Words(table, ids)
  if (type === 'char') return new Characters(table, ids, userDefined)
  const { scores, types } = pieces.list
  return new ScoredBpe({
    pieces: table,
    ids,
    scores: Float32Array.from(ids, (id) => scores[id]!),
    unused: Uint8Array.from(ids, (id) => (types[id] === PieceType.unused ? 1 : 0)),
    userDefined,
    joinUnknown: true,
    blank: BLANK_SYMBOL,
  })
}

function unigramOf(pieces: Pieces): Unigram {
  const trie = new ByteTrie()
  for (const id of pieces.ids) {
    if (pieces.typeOf(id) === PieceType.unused) continue
    const bytes = pieces.bytes(id)
    if (bytes.length > MAX_PIECE_BYTES) {
      throw new TokenizerError(
        'UNSUPPORTED',
        `${pieces.where} has ${bytes.length} bytes in piece ${id}; Unigram takes at most ${MAX_PIECE_BYTES}, because encoding takes time in proportion`,
      )
    }
    trie.set(bytes, id)
  }
  return new Unigram(trie, { ...pathScores(pieces), single: true })
}
