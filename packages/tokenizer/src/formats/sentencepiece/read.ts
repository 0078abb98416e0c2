import { ScoredBpe } from '../../models/bpe/scored.js'
import { ByteTrie } from '../../models/byte-trie.js'
import type { Segmenter } from '../../models/segments.js'
import { Unigram } from '../../models/unigram/unigram.js'
import { Characters, Words } from '../../models/words.js'
import { PieceType, readModelProto, type ModelType } from './model-proto.js'
import { BLANK_SYMBOL, SentencePieceNormalizer } from './normalizer.js'
import { Pieces } from './pieces.js'
import { SentencePiecePipeline } from './text-pipeline.js'

/** A pipeline with the tokens that begin and end a text, where the file names them. */
export interface SentencePieceReading {
  readonly pipeline: SentencePiecePipeline
  readonly bosId: number | undefined
  readonly eosId: number | undefined
}

const WHERE = 'SentencePiece model: the file'

/**
 * A tokenizer from a SentencePiece `.model` file. As in SentencePiece, nothing is put around a text, text never becomes a control token by
 * itself, and control tokens decode to nothing.
 *
 * @throws TokenizerError `FILE` when the file is malformed
 */
export function readSentencePiece(file: Uint8Array): SentencePieceReading {
  const proto = readModelProto(file)
  const pieces = new Pieces(proto, WHERE, proto.byteFallback)
  const { normalizer, denormalizer } = proto
  const control = (name: string): number | undefined => {
    const id = pieces.find(name)
    return id !== undefined && pieces.typeOf(id) === PieceType.control ? id : undefined
  }
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
    added: pieces.ofType(PieceType.control, PieceType.unknown).map((id) => ({ content: pieces.form(id), id, special: true })),
    blankAfterAdded: false,
  })
  return { pipeline, bosId: control(proto.bosPiece), eosId: control(proto.eosPiece) }
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
  const { scores, types } = pieces.list
  const trie = new ByteTrie()
  // The smallest positive float: SentencePiece begins its search for the highest score there.
  let highest = 2 ** -126
  let lowest = Infinity
  for (let id = 0; id < types.length; id++) {
    if (types[id] !== PieceType.normal) continue
    highest = Math.max(highest, scores[id]!)
    lowest = Math.min(lowest, scores[id]!)
  }
  const pathScores = Float64Array.from(scores)
  for (const id of pieces.ids) {
    if (types[id] === PieceType.unused) continue
    const bytes = pieces.bytes(id)
    trie.set(bytes, id)
    // User-defined symbols beat any other way through the text.
    if (types[id] === PieceType.userDefined) pathScores[id] = Math.fround(bytes.length * highest) - 0.1
  }
  return new Unigram(trie, { scores: pathScores, lowest: Number.isFinite(lowest) ? lowest : 3.4028234663852886e38, single: true })
}
