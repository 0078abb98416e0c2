import type { ComponentJson, Normalizer } from '../pipeline/components.js'
import type { AlignedText } from '../text/aligned.js'
import { rewriteCharacters } from './per-character.js'

/** SentencePiece's clean-up before its rule tables: control characters go, unusual white space and some marks become blanks. */
export class Nmt implements Normalizer {
  readonly wordwise = true

  normalize(text: AlignedText): AlignedText {
    return rewriteCharacters(text, clean)
  }

  toJSON(): ComponentJson {
    return { type: 'Nmt' }
  }
}

function clean(char: string, point: number): string {
  if (point >= 0x20 && point < 0x7f) return char
  if (point < 0x20) return point === 0 ? char : point === 9 || point === 10 || point === 12 || point === 13 ? ' ' : ''
  if (point === 0x7f || point === 0x8f || point === 0x9f) return ''
  if ((point >= 0x200b && point <= 0x200f) || point === 0x2028 || point === 0x2029) return ' '
  return point === 0x1680 || point === 0x2581 || point === 0xfeff || point === 0xfffd ? ' ' : char
}
