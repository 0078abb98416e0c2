import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'

/** One normalizer after another. */
export class NormalizerSequence implements Normalizer {
  constructor(private readonly normalizers: readonly Normalizer[]) {}

  normalize(text: AlignedText): AlignedText {
    return this.normalizers.reduce((rewritten, normalizer) => normalizer.normalize(rewritten), text)
  }

  toJSON(): ComponentJson {
    return { type: 'Sequence', normalizers: this.normalizers.map((normalizer) => normalizer.toJSON()) }
  }
}
