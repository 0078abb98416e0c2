import type { ComponentJson, LayoutPart, PostProcessor, TokenSequence } from '../pipeline/components.js'
import { trimOffsets } from './trim-offsets.js'

/** A special token and its id, as these files name them. */
export type NamedToken = readonly [token: string, id: number]

const special = ([token, id]: NamedToken, typeId: number): LayoutPart => ({ kind: 'special', ids: [id], tokens: [token], typeId })
const sequence = (index: 0 | 1, typeId: number): LayoutPart => ({ kind: 'sequence', index, typeId })

/** `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`. */
export class BertProcessing implements PostProcessor {
  constructor(
    private readonly sep: NamedToken,
    private readonly cls: NamedToken,
  ) {}

  layout(pair: boolean): readonly LayoutPart[] {
    const single = [special(this.cls, 0), sequence(0, 0), special(this.sep, 0)]
    return pair ? [...single, sequence(1, 1), special(this.sep, 1)] : single
  }

  toJSON(): ComponentJson {
    return { type: 'BertProcessing', sep: this.sep, cls: this.cls }
  }
}

/** `<s> A </s>` and `<s> A </s></s> B </s>`, all of type 0. */
export class RobertaProcessing implements PostProcessor {
  constructor(
    private readonly sep: NamedToken,
    private readonly cls: NamedToken,
    private readonly trims: boolean,
    private readonly addedPrefix: boolean,
  ) {}

  layout(pair: boolean): readonly LayoutPart[] {
    const single = [special(this.cls, 0), sequence(0, 0), special(this.sep, 0)]
    return pair ? [...single, special(this.sep, 0), sequence(1, 0), special(this.sep, 0)] : single
  }

  trimOffsets(tokens: TokenSequence): void {
    if (this.trims) trimOffsets(tokens, this.addedPrefix)
  }

  toJSON(): ComponentJson {
    return {
      type: 'RobertaProcessing',
      sep: this.sep,
      cls: this.cls,
      trim_offsets: this.trims,
      add_prefix_space: this.addedPrefix,
    }
  }
}
