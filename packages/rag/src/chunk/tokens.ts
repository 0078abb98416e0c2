import { RagError } from '../errors.js'

/** A tokenizer as far as chunking needs one: that of `@tesserae/tokenizer`, or any other with either method. */
export type TokenCounter = { encode(text: string): ArrayLike<number> } | { count(text: string): number }

/** The counting function of a tokenizer. Without one, {@link estimateTokenCount}. */
export function counterOf(tokenizer: TokenCounter | undefined): (text: string) => number {
  if (tokenizer === undefined) return estimateTokenCount
  if ('count' in tokenizer && typeof tokenizer.count === 'function') return (text) => tokenizer.count(text)
  if ('encode' in tokenizer && typeof tokenizer.encode === 'function') return (text) => tokenizer.encode(text).length
  throw new RagError('OPTION', 'A tokenizer for chunking needs the method encode(text), which gives ids, or count(text)')
}

// What a character is; one of a script without spaces is a token of its own, and a letter or digit too.
const [space, letter, digit, alone, unknown] = [1, 2, 4, 8, 255]

const kindOf = (character: string): number =>
  (/\s/.test(character) ? space : 0) |
  (/\p{L}/u.test(character) ? letter : 0) |
  (/\p{N}/u.test(character) ? digit : 0) |
  (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(character) ? alone : 0)

/** Kinds of the characters up to U+FFFF, found as they come: chunking counts each text several times, for which expressions are too slow. */
const kinds = new Uint8Array(65_536).fill(unknown)

/**
 * About as many tokens as tokenizers of large models make of a text, rather more than fewer: one for every four letters begun of a word, three
 * digits, a sign, and one for every character of scripts without spaces.
 */
export function estimateTokenCount(text: string): number {
  let count = 0
  let lettersLeft = 0
  let digitsLeft = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    let kind: number
    if (unit >= 0xd800 && unit < 0xdc00 && text.codePointAt(i)! > 0xffff) {
      kind = kindOf(text.slice(i, i + 2))
      i++
    } else {
      kind = kinds[unit]!
      if (kind === unknown) kind = kinds[unit] = kindOf(text[i]!)
    }
    if (lettersLeft > 0 && (kind & letter) !== 0) lettersLeft--
    else if (digitsLeft > 0 && (kind & digit) !== 0) digitsLeft--
    else {
      if (kind !== space) count++
      lettersLeft = (kind & (letter | alone)) === letter ? 3 : 0
      digitsLeft = (kind & (digit | alone)) === digit ? 2 : 0
    }
    // A run ends where another kind begins.
    if ((kind & letter) === 0) lettersLeft = 0
    if ((kind & digit) === 0) digitsLeft = 0
  }
  return count
}
