import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import type { AlignedText } from '../../text/aligned.js'
import type { PreTokenizer } from '../pretokenizer.js'
import { splitByMatches, type SplitBehavior } from './behavior.js'
import { ScannerSplit } from './scanner-split.js'

/** What a file says of a split, kept to be written back. */
export interface SplitRule {
  readonly pattern: { readonly String: string } | { readonly Regex: string }
  readonly behavior: SplitBehavior
  /** Whether what lies between the matches counts as the match. */
  readonly invert: boolean
}

/** Cuts pieces at the matches of a string or a regular expression. */
export class Split implements PieceSplitter {
  /** @param matches start and end of each match in a text, one after another */
  constructor(
    private readonly rule: SplitRule,
    private readonly matches: (text: string) => readonly number[],
  ) {}

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const { behavior, invert } = this.rule
    const out: AlignedText[] = []
    for (const piece of pieces) splitByMatches(piece, this.matches(piece.text), behavior, out, invert)
    return out
  }

  toJSON(): ComponentJson {
    return { type: 'Split', ...this.rule }
  }
}

/** A split whose matches are pieces of their own and cover the text, by a scanner made for its pattern. */
export class KnownSplit implements PieceSplitter {
  readonly wordwise = true
  private readonly scanner: ScannerSplit

  constructor(
    private readonly rule: SplitRule,
    scanner: PreTokenizer,
  ) {
    this.scanner = new ScannerSplit(scanner)
  }

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const out: AlignedText[] = []
    for (const piece of pieces) this.scanner.cut(piece, out)
    return out
  }

  toJSON(): ComponentJson {
    return { type: 'Split', ...this.rule }
  }
}
