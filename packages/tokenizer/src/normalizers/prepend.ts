import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'

/** Puts a text in front of every text that is not empty. */
export class Prepend implements Normalizer {
  readonly wordwise = true
  readonly characterwise = true

  constructor(private readonly prefix: string) {}

  normalize(text: AlignedText): AlignedText {
    return text.prepended(this.prefix)
  }

  toJSON(): ComponentJson {
    return { type: 'Prepend', prepend: this.prefix }
  }
}
