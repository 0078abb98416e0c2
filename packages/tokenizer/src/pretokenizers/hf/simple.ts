import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import { isPairAt, type AlignedText } from '../../text/aligned.js'
import { hfClassOf, hfClassTable, NUMERIC, PUNCTUATION } from '../../unicode/hf-classes.js'
import type { SplitBehavior } from './behavior.js'
import { splitByCharacters } from './by-character.js'

/** Splits at characters of a kind. */
abstract class CharacterSplitter implements PieceSplitter {
  protected abstract readonly behavior: SplitBehavior
  protected abstract matches(point: number): boolean
  abstract toJSON(): ComponentJson

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const out: AlignedText[] = []
    for (const piece of pieces) splitByCharacters(piece, (point) => this.matches(point), this.behavior, out)
    return out
  }
}

/** Cuts at one character, which is dropped. */
export class CharDelimiterSplit extends CharacterSplitter {
  protected readonly behavior = 'Removed'
  private readonly point: number

  constructor(private readonly delimiter: string) {
    super()
    this.point = delimiter.codePointAt(0)!
  }

  protected matches(point: number): boolean {
    return point === this.point
  }

  toJSON(): ComponentJson {
    return { type: 'CharDelimiterSplit', delimiter: this.delimiter }
  }
}

/** Keeps numbers apart from the rest, and from each other if `individual`. */
export class Digits extends CharacterSplitter {
  readonly wordwise = true
  protected readonly behavior: SplitBehavior

  constructor(private readonly individual: boolean) {
    super()
    this.behavior = individual ? 'Isolated' : 'Contiguous'
    hfClassTable()
  }

  protected matches(point: number): boolean {
    return (hfClassOf(point) & NUMERIC) !== 0
  }

  toJSON(): ComponentJson {
    return { type: 'Digits', individual_digits: this.individual }
  }
}

/** Cuts at punctuation. */
export class Punctuation extends CharacterSplitter {
  readonly wordwise = true

  constructor(protected readonly behavior: SplitBehavior) {
    super()
    hfClassTable()
  }

  protected matches(point: number): boolean {
    return (hfClassOf(point) & PUNCTUATION) !== 0
  }

  toJSON(): ComponentJson {
    return { type: 'Punctuation', behavior: this.behavior }
  }
}

/** Pieces of a number of characters (code points). */
export class FixedLength implements PieceSplitter {
  constructor(private readonly characters: number) {}

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const out: AlignedText[] = []
    for (const piece of pieces) {
      const { text } = piece
      for (let start = 0; start < text.length;) {
        let end = start
        for (let count = 0; count < this.characters && end < text.length; count++) end += isPairAt(text, end) ? 2 : 1
        out.push(piece.slice(start, end))
        start = end
      }
    }
    return out
  }

  toJSON(): ComponentJson {
    return { type: 'FixedLength', length: this.characters }
  }
}
