import { PieceType } from './model-proto.js'
import type { Pieces } from './pieces.js'

/** What the pieces of a unigram model count for on the way through a text. */
export interface PathScores {
  readonly scores: Float64Array
  /** The lowest score of an ordinary piece. */
  readonly lowest: number
}

/** The scores of a file, but for user-defined symbols, which beat any other way through a text; as in SentencePiece's encoder. */
export function pathScores(pieces: Pieces): PathScores {
  const { scores, types } = pieces.list
  // The smallest positive float: SentencePiece begins its search for the highest score there.
  let highest = 2 ** -126
  let lowest = Infinity
  for (let id = 0; id < types.length; id++) {
    if (types[id] !== PieceType.normal) continue
    highest = Math.max(highest, scores[id]!)
    lowest = Math.min(lowest, scores[id]!)
  }
  const path = Float64Array.from(scores)
  for (const id of pieces.ofType(PieceType.userDefined)) path[id] = Math.fround(pieces.bytes(id).length * highest) - 0.1
  return { scores: path, lowest: Number.isFinite(lowest) ? lowest : 3.4028234663852886e38 }
}
