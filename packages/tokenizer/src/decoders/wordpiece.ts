import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { cleaningRun, cleanUp } from './cleanup.js'
import { formByForm } from './runs.js'

/** Joins what goes on with a word and puts a blank before what begins one. */
export class WordPieceDecoder implements Decoder {
  constructor(
    private readonly prefix: string,
    private readonly cleans: boolean,
  ) {}

  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    const { prefix, cleans } = this
    if (fused) return cleans ? cleaningRun() : formByForm((form) => form)
    return formByForm((form, index) => {
      const text = index === 0 ? form : form.startsWith(prefix) ? form.slice(prefix.length) : ` ${form}`
      return cleans ? cleanUp(text) : text
    })
  }

  toJSON(): ComponentJson {
    return { type: 'WordPiece', prefix: this.prefix, cleanup: this.cleans }
  }
}
