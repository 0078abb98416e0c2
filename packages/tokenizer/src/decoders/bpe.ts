import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { stringReplacer } from './string-replacer.js'

/** Makes a blank of the suffix that ends words, but of the last token's nothing. */
export class BpeDecoder implements Decoder {
  constructor(private readonly suffix: string) {}

  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    const { suffix } = this
    // One form is the last one.
    if (fused) return stringReplacer(suffix, '')
    let held: string | undefined
    return {
      push(form) {
        const before = held
        held = form
        return before === undefined ? [] : [before.replaceAll(suffix, ' ')]
      },
      end: () => (held === undefined ? [] : [held.replaceAll(suffix, '')]),
    }
  }

  toJSON(): ComponentJson {
    return { type: 'BPEDecoder', suffix: this.suffix }
  }
}
