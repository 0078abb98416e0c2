import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { formByForm, wholeForm } from './runs.js'
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

/** Replaces the matches of a regular expression in every form; a form in fragments is held back until it is whole. */
export class ReplaceRegex implements Decoder {
  /** @param matches start and end of each match in a text, one after another */
  constructor(
    private readonly source: string,
    private readonly content: string,
    private readonly matches: (text: string) => readonly number[],
  ) {}

  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    const rewrite = (form: string): string => {
      const found = this.matches(form)
      let text = ''
      let done = 0
      for (let i = 0; i < found.length; i += 2) {
        text += form.slice(done, found[i]) + this.content
        done = found[i + 1]!
      }
      return text + form.slice(done)
    }
    return fused ? wholeForm(rewrite) : formByForm(rewrite)
  }

  toJSON(): ComponentJson {
    return { type: 'Replace', pattern: { Regex: this.source }, content: this.content }
  }
}
