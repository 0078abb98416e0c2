/** What a pipeline in the manner of Hugging Face tokenizers is made of. Every component can be written back as the JSON it was read from. */
import type { IdList } from '../id-list.js'
import type { Prefixes } from '../models/prefixes.js'
import type { SpecialRule } from '../special-tokens.js'
import type { AlignedText } from '../text/aligned.js'

export type ComponentJson = Readonly<Record<string, unknown>>

/** Rewrites text before it is cut: case, accents, Unicode forms, replacements. */
export interface Normalizer {
  normalize(text: AlignedText): AlignedText
  /**
   * Whether, of a text with a blank behind a letter or number, what is before the blank and what begins with it are rewritten as if the other were not
   * there, the beginning and end of the text aside, and the blank stays one or becomes `▁`. The same holds for text cut where `isSteady` says.
   */
  readonly wordwise?: boolean
  /** Whether it rewrites every character by itself, what is put in front of a text aside. */
  readonly characterwise?: boolean
  toJSON(): ComponentJson
}

/** Cuts text into the pieces that the model sees one at a time; may rewrite them too (byte-level and metaspace do). */
export interface PieceSplitter {
  /** Pieces of pieces, in order; empty ones are left out. */
  split(pieces: readonly AlignedText[]): readonly AlignedText[]
  /** Whether it leaves text in one piece and rewrites every character by itself, what is put in front of it aside. */
  readonly inOnePiece?: boolean
  /** Whether what it does depends on where a piece stood in the text that was given. */
  readonly needsPlaces?: boolean
  /** Whether a blank (or `▁`) behind a letter or number keeps what is on its two sides from mattering to each other; see {@link Normalizer.wordwise}. */
  readonly wordwise?: boolean
  toJSON(): ComponentJson
}

/** Takes a piece's tokens: `start` and `end` are UTF-16 units of the piece. */
export interface TokenSink {
  token(id: number, start: number, end: number): void
}

/** Turns pieces into tokens. */
export interface PieceModel {
  /** One more than the highest id. */
  readonly size: number
  encodePiece(piece: string, out: TokenSink): void
  /** The ids alone, where a model has a quicker way to them. */
  encodeIds?(piece: string, out: IdList): void
  /** Whether no token reaches from something else into this sign for a blank, which is a token itself: then pieces fall apart before it. */
  endsBefore?(blank: string): boolean
  /** Begins a piece that grows at its end, for models that can do that. */
  growing?(): (() => Prefixes) | undefined
  /** A token whose written form is the stretch of the piece that it stands for: the unknown token of Unigram. */
  readonly verbatimId?: number | undefined
  /** The written form of a token, as it stands in the vocabulary. */
  tokenToId(token: string): number | undefined
  idToToken(id: number): string | undefined
  toJSON(): ComponentJson
}

/** What stands at one place of an encoding: one of the texts, or special tokens. */
export type LayoutPart =
  | {
      readonly kind: 'sequence'
      readonly index: 0 | 1
      readonly typeId: number
      /** The type of stretches that truncation cut off, where it is another. */
      readonly overflowTypeId?: number
    }
  | { readonly kind: 'special'; readonly ids: readonly number[]; readonly tokens: readonly string[]; readonly typeId: number }

/** Says what is put around texts, and may correct offsets. */
export interface PostProcessor {
  /** The parts of an encoding of one text or two, in order. Whoever wants no special tokens leaves those parts out. */
  layout(pair: boolean): readonly LayoutPart[]
  /** Takes white space off the offsets of tokens, in place, where the file asks for it. */
  trimOffsets?(tokens: TokenSequence): void
  toJSON(): ComponentJson
}

/** The tokens of one text before anything is put around them. */
export interface TokenSequence {
  readonly text: string
  readonly ids: Uint32Array
  /** Where each token stands in `text`, in UTF-16 units. */
  readonly starts: Int32Array
  readonly ends: Int32Array
  /** The number of the piece (word) that each token lies in. */
  readonly words: Int32Array
  /** The written form of each token: that of the vocabulary, or the text that an added token was found in. */
  readonly forms: readonly string[]
}

/** How a text that grows at its end is encoded, where this can be done without encoding all of it again. */
export interface GrowingText {
  /** Begins a text. */
  readonly prefixes: () => Prefixes
  /** What is found in normalized text before all else, and must not be in it. */
  readonly apart: readonly Uint8Array[]
  /**
   * The normalized text in UTF-8, until the next call. Parts between which a place is steady, see `isSteady`, are normalized as they are on their own, the
   * beginning and end of the text aside.
   */
  normalized(text: string): Uint8Array
}

/** Turns whole texts into tokens and tokens into text. */
export interface TextPipeline {
  /** One more than the highest id. */
  readonly size: number
  readonly postProcessor: PostProcessor | undefined
  /**
   * Appends the ids of a text, without what the post-processor puts around it.
   *
   * @throws TokenizerError `SPECIAL_TOKEN` by the policy
   */
  encode(text: string, special: SpecialRule, out: IdList): void
  /** The same ids with their places and written forms. */
  tokenize(text: string, special: SpecialRule): TokenSequence
  /** The written form of a token, as {@link TextPipeline.startDecoding} takes it; undefined when no token has the id. */
  idToToken(id: number): string | undefined
  tokenToId(token: string): number | undefined
  /** Whether a text may be cut before a blank that follows a letter or number, and its tokens are those of the parts. */
  readonly cutsAtBlanks?: boolean
  readonly growing?: GrowingText | undefined
  /** Begins to turn tokens into text; pushed text joined, with the end, is the decoding of them all. */
  startDecoding(): TextRun
}

/** A decoding under way. */
export interface TextRun {
  /**
   * The text that is certain by now.
   *
   * @param position where the id stands in a list, for the error
   * @throws TokenizerError `TOKEN_ID` when no token has the id
   */
  push(id: number, position?: number): string
  /** What was held back. The run is over. */
  end(): string
}

/**
 * Turns written forms of tokens back into text, one at a time. What a decoder cannot yet tell it holds back; pieces joined equal the decoding
 * of all tokens at once, because that is how all are decoded.
 *
 * Some decoders make one form of all they are given. Those behind them then take that form in fragments, `fused`: what begins or ends a form, and what
 * reaches across tokens, is judged of the whole.
 */
export interface Decoder {
  /** Whether what comes out is one form in fragments. */
  fuses(fused: boolean): boolean
  /** @param fused whether the tokens that are pushed are fragments of one form */
  start(fused: boolean): DecoderRun
  toJSON(): ComponentJson
}

export interface DecoderRun {
  /** The token forms, one after another; returns what is certain by now, as forms for the next decoder of a sequence. */
  push(token: string): readonly string[]
  /** What was held back. The run is over. */
  end(): readonly string[]
}
