import type { ComponentJson, LayoutPart, PostProcessor, TokenSequence } from '../pipeline/components.js'
import { trimOffsets } from './trim-offsets.js'

/** The parts of an encoding to which nothing is added. */
export const plainLayout = (pair: boolean): readonly LayoutPart[] => {
  const first: LayoutPart = { kind: 'sequence', index: 0, typeId: 0 }
  return pair ? [first, { kind: 'sequence', index: 1, typeId: 1 }] : [first]
}

/** Corrects offsets of byte-level tokens; adds nothing. */
export class ByteLevelProcessing implements PostProcessor {
  constructor(
    private readonly addedPrefix: boolean,
    private readonly trims: boolean,
    private readonly useRegex: boolean,
  ) {}

  layout(pair: boolean): readonly LayoutPart[] {
    return plainLayout(pair)
  }

  trimOffsets(tokens: TokenSequence): void {
    if (this.trims) trimOffsets(tokens, this.addedPrefix)
  }

  toJSON(): ComponentJson {
    return { type: 'ByteLevel', add_prefix_space: this.addedPrefix, trim_offsets: this.trims, use_regex: this.useRegex }
  }
}
