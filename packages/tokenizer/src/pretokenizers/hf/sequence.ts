import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import type { AlignedText } from '../../text/aligned.js'

/** One pre-tokenizer after another. */
export class SplitterSequence implements PieceSplitter {
  readonly needsPlaces: boolean

  constructor(private readonly splitters: readonly PieceSplitter[]) {
    this.needsPlaces = splitters.some((splitter) => splitter.needsPlaces === true)
  }

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    return this.splitters.reduce((parts, splitter) => splitter.split(parts), pieces)
  }

  toJSON(): ComponentJson {
    return { type: 'Sequence', pretokenizers: this.splitters.map((splitter) => splitter.toJSON()) }
  }
}
