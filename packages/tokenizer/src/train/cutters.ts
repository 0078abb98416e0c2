import { IdList } from '../id-list.js'
import { Utf8Buffer } from '../models/model.js'
import type { Normalizer, PieceSplitter } from '../pipeline/components.js'
import type { PreTokenizer } from '../pretokenizers/pretokenizer.js'
import { AlignedText } from '../text/aligned.js'
import type { PieceCounter, PieceCutter } from './count-pieces.js'

/** Cuts bytes by a scanner or a regular expression. */
export class ScannerCutter implements PieceCutter {
  readonly divisible: boolean
  private readonly utf8 = new Utf8Buffer()
  private readonly ends = new IdList()

  constructor(private readonly split: PreTokenizer) {
    this.divisible = typeof split.pattern === 'string'
  }

  cut(text: string, into: PieceCounter): number {
    const length = this.utf8.write(text)
    const { bytes } = this.utf8
    this.ends.clear()
    this.split.split(text, bytes, length, this.ends)
    const { ids } = this.ends
    let start = 0
    for (let i = 0; i < this.ends.length; i++) {
      const end = ids[i]!
      into.add(bytes, start, end)
      start = end
    }
    this.utf8.trim()
    return length
  }
}

/** Rewrites and cuts text by the components of a pipeline. */
export class PipelineCutter implements PieceCutter {
  readonly divisible = false
  private readonly utf8 = new Utf8Buffer()
  private readonly tracks: boolean

  constructor(
    private readonly normalizer: Normalizer | undefined,
    private readonly splitter: PieceSplitter | undefined,
  ) {
    this.tracks = normalizer !== undefined && splitter?.needsPlaces === true
  }

  cut(text: string, into: PieceCounter): number {
    const total = this.utf8.write(text)
    const given = AlignedText.of(text, { track: this.tracks })
    const normal = this.normalizer?.normalize(given) ?? given
    for (const piece of this.splitter?.split([normal]) ?? [normal]) {
      const length = this.utf8.write(piece.text)
      if (length > 0) into.add(this.utf8.bytes, 0, length)
    }
    this.utf8.trim()
    return total
  }
}
