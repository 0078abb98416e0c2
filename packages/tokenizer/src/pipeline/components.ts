/** What a pipeline in the manner of Hugging Face tokenizers is made of. Every component can be written back as the JSON it was read from. */
import type { AlignedText } from "../text/aligned.js";

export type ComponentJson = Readonly<Record<string, unknown>>;

/** Rewrites text before it is cut: case, accents, Unicode forms, replacements. */
export interface Normalizer {
  normalize(text: AlignedText): AlignedText;
  toJSON(): ComponentJson;
}

/** Cuts text into the pieces that the model sees one at a time; may rewrite them too (byte-level and metaspace do). */
export interface PieceSplitter {
  /** Pieces of pieces, in order; empty ones are left out. `atStart`: the first piece begins the whole text rather than following an added token. */
  split(pieces: readonly AlignedText[], atStart: boolean): readonly AlignedText[];
  toJSON(): ComponentJson;
}

/** Takes a piece's tokens: `start` and `end` are UTF-16 units of the piece. */
export interface TokenSink {
  token(id: number, start: number, end: number): void;
}

/** Turns pieces into tokens. */
export interface PieceModel {
  /** One more than the highest id. */
  readonly size: number;
  encodePiece(piece: string, out: TokenSink): void;
  /** The written form of a token, as it stands in the vocabulary. */
  tokenToId(token: string): number | undefined;
  idToToken(id: number): string | undefined;
  toJSON(): ComponentJson;
}

/**
 * Turns written forms of tokens back into text, one at a time. What a decoder cannot yet tell it holds back; pieces joined equal the decoding of all tokens
 * at once, because that is how all are decoded.
 */
export interface Decoder {
  start(): DecoderRun;
  toJSON(): ComponentJson;
}

export interface DecoderRun {
  /** The token forms, one after another; returns what is certain by now, as forms for the next decoder of a sequence. */
  push(token: string): readonly string[];
  /** What was held back. The run is over. */
  end(): readonly string[];
}
