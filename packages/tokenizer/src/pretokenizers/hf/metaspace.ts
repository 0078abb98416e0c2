import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import type { AlignedText } from '../../text/aligned.js'

/** Where the sign for a blank is put in front: of every piece, of the one that begins the text, of none. */
export type PrependScheme = 'always' | 'first' | 'never'

/** Writes blanks as a visible sign, and cuts before each, as SentencePiece does. */
export class Metaspace implements PieceSplitter {
  readonly wordwise = true
  readonly needsPlaces: boolean
  readonly inOnePiece: boolean

  /**
   * @param replacement the sign, one character, usually `▁`
   * @param scheme where a sign is added
   * @param cuts whether to cut before each sign
   */
  constructor(
    private readonly replacement: string,
    private readonly scheme: PrependScheme,
    private readonly cuts: boolean,
  ) {
    this.needsPlaces = scheme === 'first'
    this.inOnePiece = !cuts
  }

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const { replacement, scheme, cuts } = this
    const out: AlignedText[] = []
    for (const given of pieces) {
      const written = given.text.replaceAll(' ', replacement)
      let piece =
        replacement.length === 1
          ? given.respelled(written)
          : // A sign outside the basic plane takes two units for one.
            given.transformed(written, () => new Int8Array(written.length))
      if ((scheme === 'always' || (scheme === 'first' && piece.atOrigin)) && !written.startsWith(replacement)) {
        piece = piece.prepended(replacement)
      }
      if (piece.length === 0) continue
      if (!cuts) {
        out.push(piece)
        continue
      }
      const { text } = piece
      let start = 0
      for (let at = text.indexOf(replacement, 1); at > 0; at = text.indexOf(replacement, at + 1)) {
        if (at === start) continue
        out.push(piece.slice(start, at))
        start = at
      }
      out.push(piece.slice(start, text.length))
    }
    return out
  }

  toJSON(): ComponentJson {
    return { type: 'Metaspace', replacement: this.replacement, prepend_scheme: this.scheme, split: this.cuts }
  }
}
