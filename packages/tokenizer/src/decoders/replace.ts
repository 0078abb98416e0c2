import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { formByForm } from './runs.js'
import { stringReplacer } from './string-replacer.js'

/** Replaces a string in every form. */
export class ReplaceString implements Decoder {
  /** @param pattern not empty */
  constructor(
    private readonly pattern: string,
    private readonly content: string,
  ) {}

  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    const { pattern, content } = this
    return fused ? stringReplacer(pattern, content) : formByForm((form) => form.replaceAll(pattern, () => content))
  }

  toJSON(): ComponentJson {
    return { type: 'Replace', pattern: { String: this.pattern }, content: this.content }
  }
}
