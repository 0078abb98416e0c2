import type { DecoderRun } from '../pipeline/components.js'
import { chained } from './runs.js'
import { stringReplacer } from './string-replacer.js'

/** Spaces that tokenization put before punctuation and English contractions, in the order in which they are taken away. */
const replacements: readonly (readonly [string, string])[] = [
  [' .', '.'],
  [' ?', '?'],
  [' !', '!'],
  [' ,', ','],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [' do not', " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
]

export const cleanUp = (text: string): string =>
  replacements.reduce((cleaned, [pattern, replacement]) => cleaned.replaceAll(pattern, () => replacement), text)

/** The same for a text in fragments. */
export const cleaningRun = (): DecoderRun => chained(replacements.map(([pattern, replacement]) => stringReplacer(pattern, replacement)))
