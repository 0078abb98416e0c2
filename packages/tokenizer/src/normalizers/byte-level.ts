import { byteToChar } from '../formats/hf-json/byte-chars.js'
import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'
import { rewriteCharacters } from './per-character.js'

/** Writes the bytes of the text as characters, as byte-level vocabularies do. */
export class ByteLevelNormalizer implements Normalizer {
  normalize(text: AlignedText): AlignedText {
    return toByteChars(text)
  }

  toJSON(): ComponentJson {
    return { type: 'ByteLevel' }
  }
}

/** The text with each character as the characters of its UTF-8 bytes. */
export function toByteChars(text: AlignedText): AlignedText {
  const { text: source } = text
  let ascii = 0
  while (ascii < source.length && source.charCodeAt(ascii) < 0x80) ascii++
  if (ascii < source.length) return rewriteCharacters(text, byteChars)
  // A byte a character: the same number of units, and all but blanks and control characters as they are.
  let written = ''
  let done = 0
  for (let at = 0; at < source.length; at++) {
    const unit = source.charCodeAt(at)
    if (unit > 0x20 && unit < 0x7f) continue
    written += source.slice(done, at) + byteToChar[unit]!
    done = at + 1
  }
  return done === 0 ? text : text.respelled(written + source.slice(done))
}

function byteChars(char: string, point: number): string {
  if (point < 0x80) return byteToChar[point]!
  const last = byteToChar[0x80 | (point & 0x3f)]!
  if (point < 0x800) return byteToChar[0xc0 | (point >> 6)]! + last
  const middle = byteToChar[0x80 | ((point >> 6) & 0x3f)]!
  // Lone surrogates have become U+FFFD before they come here.
  if (point < 0x10000) return byteToChar[0xe0 | (point >> 12)]! + middle + last
  return byteToChar[0xf0 | (point >> 18)]! + byteToChar[0x80 | ((point >> 12) & 0x3f)]! + middle + last
}
