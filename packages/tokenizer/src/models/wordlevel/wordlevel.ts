import { TokenizerError } from '../../errors.js'
import type { ComponentJson, PieceModel, TokenSink } from '../../pipeline/components.js'
import type { TokenMap } from '../token-map.js'

/** Every piece is a token, or unknown. */
export class WordLevel implements PieceModel {
  readonly size: number
  private readonly unknownId: number | undefined

  constructor(
    private readonly vocab: TokenMap,
    private readonly unknown: string,
  ) {
    this.size = vocab.size
    this.unknownId = vocab.get(unknown)
  }

  encodePiece(piece: string, out: TokenSink): void {
    const id = this.vocab.get(piece) ?? this.unknownId
    if (id === undefined) throw missingUnknown(this.unknown, piece)
    out.token(id, 0, piece.length)
  }

  tokenToId(token: string): number | undefined {
    return this.vocab.get(token)
  }

  idToToken(id: number): string | undefined {
    return this.vocab.form(id)
  }

  toJSON(): ComponentJson {
    return { type: 'WordLevel', vocab: this.vocab.toJSON(), unk_token: this.unknown }
  }
}

/** The error for a piece that is unknown to a vocabulary without a token for that. */
export function missingUnknown(unknown: string, piece: string): TokenizerError {
  const shown = piece.length > 40 ? `${piece.slice(0, 39)}…` : piece
  return new TokenizerError(
    'UNSUPPORTED',
    `The vocabulary has no token for ${JSON.stringify(shown)} and lacks the unknown token ${JSON.stringify(unknown)} that its file names; add that token to model.vocab`,
  )
}
