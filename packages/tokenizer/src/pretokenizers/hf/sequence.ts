import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import type { AlignedText } from '../../text/aligned.js'
import { checkGrowth } from '../../text/growth.js'

/** One pre-tokenizer after another. */
export class SplitterSequence implements PieceSplitter {
  readonly needsPlaces: boolean
  readonly wordwise: boolean

  constructor(private readonly splitters: readonly PieceSplitter[]) {
    this.needsPlaces = splitters.some((splitter) => splitter.needsPlaces === true)
    this.wordwise = splitters.every((splitter) => splitter.wordwise === true)
  }

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const before = lengthOf(pieces)
    return this.splitters.reduce((parts, splitter) => {
      const cut = splitter.split(parts)
      checkGrowth('pre-tokenizer', before, lengthOf(cut))
      return cut
    }, pieces)
  }

  toJSON(): ComponentJson {
    return { type: 'Sequence', pretokenizers: this.splitters.map((splitter) => splitter.toJSON()) }
  }
}

const lengthOf = (pieces: readonly AlignedText[]): number => pieces.reduce((sum, piece) => sum + piece.length, 0)
