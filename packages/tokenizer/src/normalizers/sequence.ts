import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'
import { checkGrowth, TIMES_REPLACED } from '../text/growth.js'
import { Replace } from './replace.js'

/** One normalizer after another. */
export class NormalizerSequence implements Normalizer {
  readonly wordwise: boolean
  readonly characterwise: boolean

  constructor(private readonly normalizers: readonly Normalizer[]) {
    this.wordwise = normalizers.every((normalizer) => normalizer.wordwise === true)
    this.characterwise = normalizers.every((normalizer) => normalizer.characterwise === true)
  }

  normalize(text: AlignedText): AlignedText {
    let added = 0
    return this.normalizers.reduce((before, normalizer) => {
      const rewritten = normalizer.normalize(before)
      if (normalizer instanceof Replace) added += Math.max(0, rewritten.length - before.length)
      checkGrowth('normalizer', text.length, text.length + added, TIMES_REPLACED)
      checkGrowth('normalizer', text.length, rewritten.length)
      return rewritten
    }, text)
  }

  toJSON(): ComponentJson {
    return { type: 'Sequence', normalizers: this.normalizers.map((normalizer) => normalizer.toJSON()) }
  }
}
