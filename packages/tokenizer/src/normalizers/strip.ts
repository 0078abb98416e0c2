import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'
import { COMBINING_MARK, hfClassOf, hfClassTable, SPACE } from '../unicode/hf-classes.js'
import { rewriteCharacters } from './per-character.js'

/** Takes white space off the ends of a text. */
export class Strip implements Normalizer {
  readonly wordwise = true

  constructor(
    private readonly left: boolean,
    private readonly right: boolean,
  ) {}

  normalize(text: AlignedText): AlignedText {
    const classes = hfClassTable()
    let start = 0
    let end = text.length
    // White space lies in plane 0.
    const isSpace = (at: number) => (classes[text.text.charCodeAt(at)]! & SPACE) !== 0
    if (this.left) while (start < end && isSpace(start)) start++
    if (this.right) while (end > start && isSpace(end - 1)) end--
    return text.slice(start, end)
  }

  toJSON(): ComponentJson {
    return { type: 'Strip', strip_left: this.left, strip_right: this.right }
  }
}

/** Removes combining marks; comes after a decomposition. */
export class StripAccents implements Normalizer {
  readonly wordwise = true

  normalize(text: AlignedText): AlignedText {
    return rewriteCharacters(text, dropMark)
  }

  toJSON(): ComponentJson {
    return { type: 'StripAccents' }
  }
}

const dropMark = (char: string, point: number): string => (point > 0x7f && (hfClassOf(point) & COMBINING_MARK) !== 0 ? '' : char)
