import { ProtoReader, type ProtoField } from './protobuf.js'

/** Kinds of pieces, numbered as in SentencePiece's files and in GGUF's. */
export const PieceType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** How text is normalized before it is cut into pieces, or after it is put together. */
export interface NormalizerSpec {
  /** Rules that rewrite characters; see CharsMap. */
  readonly charsmap: Uint8Array | undefined
  readonly addDummyPrefix: boolean
  readonly removeExtraWhitespaces: boolean
  /** Whether blanks become U+2581. */
  readonly escapeWhitespaces: boolean
}

export type ModelType = 'unigram' | 'bpe' | 'word' | 'char'

/** What is used of a SentencePiece model file. */
export interface ModelProto {
  readonly type: ModelType
  /** The pieces' UTF-8, one array; piece `i` is `text[starts[i], starts[i + 1])`. */
  readonly text: Uint8Array
  readonly starts: Uint32Array
  readonly scores: Float32Array
  readonly types: Uint8Array
  readonly byteFallback: boolean
  readonly whitespaceAsSuffix: boolean
  readonly bosPiece: string
  readonly eosPiece: string
  /** What an unknown token decodes to. */
  readonly unknownSurface: string
  readonly normalizer: NormalizerSpec
  readonly denormalizer: NormalizerSpec | undefined
}

/** Files with more pieces than any vocabulary has are refused. */
const MAX_PIECES = 2 ** 21
/** Longer pieces than any vocabulary has would make the search for them quadratic. */
const MAX_PIECE_BYTES = 1024
/** The text that stands for what is unknown has a few characters. */
const MAX_SURFACE = 256
const MODEL_TYPES: readonly (ModelType | undefined)[] = [undefined, 'unigram', 'bpe', 'word', 'char']

/**
 * Reads a SentencePiece `.model`: a protobuf message of pieces with scores and types, what the trainer was told, and the rules of
 * normalization.
 *
 * @throws TokenizerError `FILE`, with the position, when the file is malformed
 */
export function readModelProto(file: Uint8Array): ModelProto {
  const reader = new ProtoReader(file, 'the file')
  const pieces: Piece[] = []
  let trainer: TrainerFlags = readTrainer(new ProtoReader(file, 'trainer_spec', 0, 0), {})
  let normalizer: NormalizerSpec = readNormalizer(new ProtoReader(file, 'normalizer_spec', 0, 0))
  let denormalizer: NormalizerSpec | undefined
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field.number === 1) {
      if (pieces.length === MAX_PIECES) throw reader.fail(`has more than ${MAX_PIECES} pieces`, field.at)
      pieces.push(readPiece(nested(file, reader, field, `piece ${pieces.length}`), field.at))
    } else if (field.number === 2) trainer = readTrainer(nested(file, reader, field, 'trainer_spec'), trainer)
    else if (field.number === 3) normalizer = readNormalizer(nested(file, reader, field, 'normalizer_spec'))
    else if (field.number === 5) denormalizer = readNormalizer(nested(file, reader, field, 'denormalizer_spec'))
  }
  if (pieces.length === 0) throw reader.fail('has no pieces', 0)
  const type = MODEL_TYPES[trainer.modelType ?? 1]
  if (type === undefined)
    throw reader.fail(`has the model type ${trainer.modelType}; 1 (unigram), 2 (BPE), 3 (word) and 4 (char) are known`, 0)
  const starts = new Uint32Array(pieces.length + 1)
  for (const [i, piece] of pieces.entries()) starts[i + 1] = starts[i]! + piece.text.length
  const text = new Uint8Array(starts[pieces.length]!)
  for (const [i, piece] of pieces.entries()) text.set(piece.text, starts[i])
  return {
    type,
    text,
    starts,
    scores: Float32Array.from(pieces, (piece) => piece.score),
    types: Uint8Array.from(pieces, (piece) => piece.type),
    byteFallback: trainer.byteFallback === 1,
    whitespaceAsSuffix: trainer.whitespaceAsSuffix === 1,
    // SentencePiece takes an empty name for none given.
    bosPiece: trainer.bosPiece || '<s>',
    eosPiece: trainer.eosPiece || '</s>',
    unknownSurface: trainer.unknownSurface ?? ' \u2047 ',
    normalizer,
    denormalizer,
  }
}

interface Piece {
  text: Uint8Array
  score: number
  type: number
}

interface TrainerFlags {
  modelType?: number
  byteFallback?: number
  whitespaceAsSuffix?: number
  bosPiece?: string
  eosPiece?: string
  unknownSurface?: string
}

function nested(file: Uint8Array, reader: ProtoReader, field: ProtoField, what: string): ProtoReader {
  const value = bytesOf(reader, field)
  return new ProtoReader(file, what, field.at, field.at + value.length)
}

function readPiece(reader: ProtoReader, at: number): Piece {
  const piece: Piece = { text: new Uint8Array(0), score: 0, type: PieceType.normal }
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field.number === 1) {
      piece.text = bytesOf(reader, field)
      textOf(reader, field)
    } else if (field.number === 2) {
      piece.score = numberOf(reader, field, 5)
      if (!Number.isFinite(piece.score)) throw reader.fail(`has the score ${piece.score}`, field.at)
    } else if (field.number === 3) {
      piece.type = numberOf(reader, field, 0)
      if (piece.type < 1 || piece.type > 6) throw reader.fail(`has the type ${piece.type}; types are 1 to 6`, field.at)
    }
  }
  const { length } = piece.text
  if (length === 0 || length > MAX_PIECE_BYTES) throw reader.fail(`should have a text of 1 to ${MAX_PIECE_BYTES} bytes, got ${length}`, at)
  return piece
}

function readTrainer(reader: ProtoReader, flags: TrainerFlags): TrainerFlags {
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field.number === 3) flags.modelType = numberOf(reader, field, 0)
    else if (field.number === 24) flags.whitespaceAsSuffix = numberOf(reader, field, 0)
    else if (field.number === 35) flags.byteFallback = numberOf(reader, field, 0)
    else if (field.number === 44) {
      flags.unknownSurface = textOf(reader, field)
      const { length } = flags.unknownSurface
      // Every unknown token decodes to this.
      if (length > MAX_SURFACE)
        throw reader.fail(`should have a text of at most ${MAX_SURFACE} characters for the unknown, got ${length}`, field.at)
    } else if (field.number === 46) flags.bosPiece = textOf(reader, field)
    else if (field.number === 47) flags.eosPiece = textOf(reader, field)
  }
  return flags
}

function readNormalizer(reader: ProtoReader): NormalizerSpec {
  let charsmap: Uint8Array | undefined
  const flags = [1, 1, 1]
  for (let field = reader.next(); field !== undefined; field = reader.next()) {
    if (field.number === 2) charsmap = bytesOf(reader, field)
    else if (field.number >= 3 && field.number <= 5) {
      flags[field.number - 3] = numberOf(reader, field, 0)
      if (flags[field.number - 3]! > 1) throw reader.fail(`has a flag in field ${field.number} that is neither 0 nor 1`, field.at)
    }
  }
  return {
    charsmap: charsmap === undefined || charsmap.length === 0 ? undefined : charsmap,
    addDummyPrefix: flags[0] === 1,
    removeExtraWhitespaces: flags[1] === 1,
    escapeWhitespaces: flags[2] === 1,
  }
}

function bytesOf(reader: ProtoReader, field: ProtoField): Uint8Array {
  if (typeof field.value === 'number') throw wrongWire(reader, field, 2)
  return field.value
}

function numberOf(reader: ProtoReader, field: ProtoField, wire: number): number {
  if (typeof field.value !== 'number' || field.wire !== wire) throw wrongWire(reader, field, wire)
  return field.value
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(reader: ProtoReader, field: ProtoField): string {
  try {
    return utf8.decode(bytesOf(reader, field))
  } catch (cause) {
    if (cause instanceof TypeError) throw reader.fail(`has text in field ${field.number} that is not UTF-8`, field.at)
    throw cause
  }
}

function wrongWire(reader: ProtoReader, field: ProtoField, expected: number): Error {
  return reader.fail(`should have the wire type ${expected} in field ${field.number}, got ${field.wire}`, field.at)
}
