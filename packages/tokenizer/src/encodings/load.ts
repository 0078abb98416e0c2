import { TokenizerError } from '../errors.js'
import type { EncodingData, EncodingName } from './encoding-data.js'

/** Loads an encoding's data when it is asked for, so that bundlers keep each in a file of its own. */
export async function loadEncoding(name: EncodingName): Promise<EncodingData> {
  switch (name) {
    case 'gpt2':
      return (await import('./gpt2.js')).gpt2
    case 'r50k_base':
      return (await import('./r50k_base.js')).r50k_base
    case 'p50k_base':
      return (await import('./p50k_base.js')).p50k_base
    case 'p50k_edit':
      return (await import('./p50k_edit.js')).p50k_edit
    case 'cl100k_base':
      return (await import('./cl100k_base.js')).cl100k_base
    case 'o200k_base':
      return (await import('./o200k_base.js')).o200k_base
    case 'o200k_harmony':
      return (await import('./o200k_harmony.js')).o200k_harmony
  }
  throw new TokenizerError(
    'VALUE',
    `Encodings are gpt2, r50k_base, p50k_base, p50k_edit, cl100k_base, o200k_base and o200k_harmony, got ${String(name)}`,
  )
}
