import { toByteChars } from '../../normalizers/byte-level.js'
import type { ComponentJson, PieceSplitter } from '../../pipeline/components.js'
import type { AlignedText } from '../../text/aligned.js'
import { gpt2 } from '../gpt2.js'
import { ScannerSplit } from './scanner-split.js'

/** Writes bytes as characters, after GPT-2's split if that is asked for. */
export class ByteLevelPreTokenizer implements PieceSplitter {
  readonly wordwise = true
  private readonly scanner: ScannerSplit | undefined

  /**
   * @param addPrefixSpace puts a blank in front of a piece that has none there
   * @param useRegex cuts as GPT-2 does
   * @param trimOffsets kept to be written back; only the post-processor of the name heeds it
   */
  constructor(
    readonly addPrefixSpace: boolean,
    readonly useRegex: boolean,
    readonly trimOffsets: boolean,
  ) {
    this.scanner = useRegex ? new ScannerSplit(gpt2()) : undefined
  }

  split(pieces: readonly AlignedText[]): readonly AlignedText[] {
    const out: AlignedText[] = []
    for (const given of pieces) {
      const piece = this.addPrefixSpace && !given.text.startsWith(' ') ? given.prepended(' ') : given
      if (this.scanner !== undefined) this.scanner.cut(piece, out)
      else if (piece.length > 0) out.push(piece)
    }
    return out.map(toByteChars)
  }

  toJSON(): ComponentJson {
    return {
      type: 'ByteLevel',
      add_prefix_space: this.addPrefixSpace,
      trim_offsets: this.trimOffsets,
      use_regex: this.useRegex,
    }
  }
}
