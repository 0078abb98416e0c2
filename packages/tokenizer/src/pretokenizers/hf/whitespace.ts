import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import { isPairAt, type AlignedText } from '../../text/aligned.js'
import { hfClassOf, hfClassTable, SPACE, WORD } from '../../unicode/hf-classes.js'

/** Words (`\w+`) and runs of what is neither word nor white space (`[^\w\s]+`). */
export class WhitespacePreTokenizer implements PieceSplitter {
  readonly wordwise = true

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    return splitByKind(pieces, SPACE | WORD)
  }

  toJSON(): ComponentJson {
    return { type: 'Whitespace' }
  }
}

/** What stands between white space. */
export class WhitespaceSplit implements PieceSplitter {
  readonly wordwise = true

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    return splitByKind(pieces, SPACE)
  }

  toJSON(): ComponentJson {
    return { type: 'WhitespaceSplit' }
  }
}

/** Runs of characters that agree in the bits of `mask`; white space is dropped. */
function splitByKind(pieces: readonly AlignedText[], mask: number): readonly AlignedText[] {
  const classes = hfClassTable()
  const out: AlignedText[] = []
  for (const piece of pieces) {
    const { text } = piece
    let start = 0
    let kind = SPACE
    for (let at = 0; at < text.length;) {
      const units = isPairAt(text, at) ? 2 : 1
      const bits = (units === 1 ? classes[text.charCodeAt(at)]! : hfClassOf(text.codePointAt(at)!)) & mask
      if (bits !== kind) {
        if (kind !== SPACE && start < at) out.push(piece.slice(start, at))
        start = at
        kind = bits
      }
      at += units
    }
    if (kind !== SPACE && start < text.length) out.push(piece.slice(start, text.length))
  }
  return out
}
