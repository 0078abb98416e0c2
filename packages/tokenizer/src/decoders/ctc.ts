import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { cleaningRun, cleanUp } from './cleanup.js'
import { chained } from './runs.js'
import { stringReplacer } from './string-replacer.js'

/** Decoding for connectionist temporal classification: a token said twice in a row counts once, pads are dropped. */
export class CtcDecoder implements Decoder {
  constructor(
    private readonly pad: string,
    private readonly delimiter: string,
    private readonly cleans: boolean,
  ) {}

  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    const { pad, delimiter, cleans } = this
    if (fused) {
      return chained([stringReplacer(pad, ''), ...(cleans ? [cleaningRun(), stringReplacer(delimiter, ' ')] : [])])
    }
    let before: string | undefined
    return {
      push(form) {
        if (form === before) return []
        before = form
        let text = form.replaceAll(pad, '')
        if (cleans) text = cleanUp(text).replaceAll(delimiter, ' ')
        return text === '' ? [] : [text]
      },
      end: () => [],
    }
  }

  toJSON(): ComponentJson {
    return { type: 'CTC', pad_token: this.pad, word_delimiter_token: this.delimiter, cleanup: this.cleans }
  }
}
