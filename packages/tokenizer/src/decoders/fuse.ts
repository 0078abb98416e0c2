import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import { formByForm } from './runs.js'

/** Makes one form of all tokens, which matters to the decoders behind it. */
export class Fuse implements Decoder {
  fuses(): boolean {
    return true
  }

  start(): DecoderRun {
    return formByForm((form) => form)
  }

  toJSON(): ComponentJson {
    return { type: 'Fuse' }
  }
}
