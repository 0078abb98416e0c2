import { nextCut } from '../encoding/safe-cuts.js'
import { IdList } from '../id-list.js'
import { Utf8Buffer } from '../models/model.js'
import type { Normalizer, PieceSplitter } from '../pipeline/components.js'
import type { PreTokenizer } from '../pretokenizers/pretokenizer.js'
import { AlignedText } from '../text/aligned.js'
import type { PieceCounter, PieceCutter } from './count-pieces.js'

/** Cuts bytes by a scanner or a regular expression. */
export class ScannerCutter implements PieceCutter {
  private readonly utf8 = new Utf8Buffer()
  private readonly ends = new IdList()

  constructor(private readonly split: PreTokenizer) {}

  nextCut(text: string, from: number): number {
    // What a regular expression makes of a part is anybody's guess.
    return typeof this.split.pattern === 'string' ? nextCut(text, from) : text.length
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
  private readonly utf8 = new Utf8Buffer()
  private readonly tracks: boolean

  /** @param divisible whether neither component looks beyond a blank, and pieces do not go on behind one */
  constructor(
    private readonly normalizer: Normalizer | undefined,
    private readonly splitter: PieceSplitter | undefined,
    private readonly divisible: boolean,
  ) {
    this.tracks = normalizer !== undefined && splitter?.needsPlaces === true
  }

  nextCut(text: string, from: number): number {
    // Before a blank that follows a visible character of ASCII, so that no run of white space and no normal form is cut.
    for (let at = this.divisible ? text.indexOf(' ', from) : -1; at > 0; at = text.indexOf(' ', at + 1)) {
      const before = text.charCodeAt(at - 1)
      if (before > 0x20 && before < 0x7f) return at
    }
    return text.length
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
