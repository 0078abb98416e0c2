import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import { isPairAt, type AlignedText } from '../../text/aligned.js'
import { hfClassOf, hfClassTable, PUNCTUATION, SPACE } from '../../unicode/hf-classes.js'

/** BERT's split: words between white space, each punctuation mark on its own. */
export class BertPreTokenizer implements PieceSplitter {
  readonly wordwise = true

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const classes = hfClassTable()
    const out: AlignedText[] = []
    for (const piece of pieces) {
      const { text } = piece
      let start = 0
      for (let at = 0; at < text.length;) {
        const units = isPairAt(text, at) ? 2 : 1
        const bits = units === 1 ? classes[text.charCodeAt(at)]! : hfClassOf(text.codePointAt(at)!)
        if ((bits & (SPACE | PUNCTUATION)) !== 0) {
          if (start < at) out.push(piece.slice(start, at))
          if ((bits & SPACE) === 0) out.push(piece.slice(at, at + units))
          start = at + units
        }
        at += units
      }
      if (start < text.length) out.push(piece.slice(start, text.length))
    }
    return out
  }

  toJSON(): ComponentJson {
    return { type: 'BertPreTokenizer' }
  }
}
