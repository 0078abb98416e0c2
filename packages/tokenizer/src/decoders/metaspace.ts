import type { ComponentJson, Decoder, DecoderRun } from '../pipeline/components.js'
import type { PrependScheme } from '../pretokenizers/hf/metaspace.js'
import { formByForm } from './runs.js'

/** Makes blanks of their signs, but nothing of those in the first token where encoding put one in front. */
export class MetaspaceDecoder implements Decoder {
  constructor(
    private readonly replacement: string,
    private readonly scheme: PrependScheme,
    private readonly cuts: boolean,
  ) {}

  fuses(fused: boolean): boolean {
    return fused
  }

  start(fused: boolean): DecoderRun {
    const { replacement, scheme } = this
    return formByForm((form, index) => form.replaceAll(replacement, (fused || index === 0) && scheme !== 'never' ? '' : ' '))
  }

  toJSON(): ComponentJson {
    return { type: 'Metaspace', replacement: this.replacement, prepend_scheme: this.scheme, split: this.cuts }
  }
}
