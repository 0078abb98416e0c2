import { RagError } from '../errors.js'

/** A tokenizer as far as chunking needs one: that of `@tesserae/tokenizer`, or any other with either method. */
export type TokenCounter =
  | { encode(text: string, options?: { readonly special: 'text' }): ArrayLike<number> }
  | { count(text: string, options?: { readonly special: 'text' }): number }

/** The counting function of a tokenizer; names of special tokens in documents are ordinary text. Without one, {@link estimateTokenCount}. */
export function counterOf(tokenizer: TokenCounter | undefined): (text: string) => number {
  if (tokenizer === undefined) return estimateTokenCount
  if ('count' in tokenizer && typeof tokenizer.count === 'function') return (text) => tokenizer.count(text, { special: 'text' })
  if ('encode' in tokenizer && typeof tokenizer.encode === 'function') return (text) => tokenizer.encode(text, { special: 'text' }).length
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
 * For each state and kind of the next character, at 16 · state + kind, twice the state after it, plus 1 if a token begins. A state is how many letters
 * (1 to 3) or digits (4 and 5 for 1 and 2) the current token has room for, else 0.
 */
const transitions = Uint8Array.from({ length: 6 * 16 }, (_, i) => {
  const [state, kind] = [i >> 4, i & 15]
  const [letters, digits] = state > 3 ? [0, state - 3] : [state, 0]
  if (letters > 0 && (kind & letter) !== 0) return 2 * (letters - 1)
  if (digits > 0 && (kind & digit) !== 0) return digits === 1 ? 0 : 2 * (digits - 1 + 3)
  if (kind === space) return 0
  return 1 + 2 * ((kind & alone) !== 0 ? 0 : (kind & letter) !== 0 ? 3 : (kind & digit) !== 0 ? 5 : 0)
})

/** Added to the kind of a character that is a pair of units. */
const pair = 16

function kindAt(text: string, i: number): number {
  const unit = text.charCodeAt(i)
  const known = kinds[unit]!
  if (known !== unknown) return known
  const character = String.fromCodePoint(text.codePointAt(i)!)
  const kind = kindOf(character)
  if (character.length === 2) return kind + pair
  // Halves of pairs are not kept: what they are depends on their neighbours.
  if ((unit & 0xf800) !== 0xd800) kinds[unit] = kind
  return kind
}

/**
 * About as many tokens as tokenizers of large models make of a text, rather more than fewer: one for every four letters begun of a word, three
 * digits, a sign, and one for every character of scripts without spaces.
 */
export function estimateTokenCount(text: string): number {
  let count = 0
  let state = 0
  for (let i = 0; i < text.length; i++) {
    let kind = kindAt(text, i)
    if (kind >= pair) {
      kind -= pair
      i++
    }
    const next = transitions[16 * state + kind]!
    count += next & 1
    state = next >> 1
  }
  return count
}

/** {@link estimateTokenCount} of `text.slice(start, end)`, for any number of them: the text is read once. */
export function estimatedSpans(text: string): (start: number, end: number) => number {
  const inPair = 255
  // At each place the tokens begun before it, and the state there.
  const begun = new Uint32Array(text.length + 1)
  const states = new Uint8Array(text.length + 1)
  let count = 0
  let state = 0
  for (let i = 0; i < text.length; i++) {
    let kind = kindAt(text, i)
    if (kind >= pair) {
      kind -= pair
      i++
      states[i] = inPair
    }
    const next = transitions[16 * state + kind]!
    count += next & 1
    state = next >> 1
    begun[i + 1] = count
    states[i + 1] = state
  }
  return (start, end) => {
    if (states[start] === inPair || states[end] === inPair) return estimateTokenCount(text.slice(start, end))
    // Counting afresh agrees with counting from the text's start as soon as both are in the same state, at the latest after the first word.
    let own = 0
    let at = 0
    let i = start
    for (; i < end && at !== states[i]; i++) {
      let kind = kindAt(text, i)
      if (kind >= pair) {
        kind -= pair
        i++
      }
      const next = transitions[16 * at + kind]!
      own += next & 1
      at = next >> 1
    }
    return own + begun[end]! - begun[i]!
  }
}
