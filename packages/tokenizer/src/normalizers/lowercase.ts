import { rewriteCharacters } from './per-character.js'
import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'

/**
 * Lower case, character by character: Σ is σ wherever it stands, other than in `toLowerCase` of a whole text. The mapping is that of the
 * engine's version of Unicode; mappings of assigned characters are stable, so only characters younger than the engine differ.
 */
export class Lowercase implements Normalizer {
  readonly wordwise = true

  normalize(text: AlignedText): AlignedText {
    return lowercase(text)
  }

  toJSON(): ComponentJson {
    return { type: 'Lowercase' }
  }
}

export function lowercase(text: AlignedText): AlignedText {
  const lower = text.text.toLowerCase()
  if (lower === text.text) return text
  // Of equal length, with no capital sigma whose form depends on its place: the same as character by character.
  if (lower.length === text.length && !text.text.includes('Σ')) return text.respelled(lower)
  return rewriteCharacters(text, (char, point) => (point < 0x80 ? char.toLowerCase() : lowerOf(char)))
}

const lowerOf = (char: string): string => (char === 'Σ' ? 'σ' : char.toLowerCase())
