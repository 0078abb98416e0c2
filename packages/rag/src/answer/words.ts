import type { SourceSpan } from './types.js'

/** A word of a text: its comparable form and where it stands. */
export interface Word extends SourceSpan {
  readonly form: string
}

// Scripts that do not put blanks between words are compared character by character. A number keeps its separators inside.
const wordPattern =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|\p{N}+(?:[.,:]\p{N}+)*|[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*/gu

/** The words of a text in order, in lower case, numbers without thousands separators. */
export function wordsOf(text: string): Word[] {
  const words: Word[] = []
  for (const match of text.matchAll(wordPattern)) {
    const raw = match[0]
    const form = /^\p{N}/u.test(raw)
      ? raw.normalize('NFKC').replace(/(?<=\d),(?=\d{3}(?!\d))/g, '')
      : raw.normalize('NFKC').toLowerCase().replaceAll('’', "'")
    words.push({ form, start: match.index, end: match.index + raw.length })
  }
  return words
}

export const isNumber = (form: string): boolean => /^\p{N}/u.test(form)

const negations = new Set(['not', 'no', 'never', 'none', 'neither', 'nor', 'without', 'cannot', 'nicht', 'kein', 'keine', 'nie'])

/** Words that turn a statement around: a copy that gains or loses one is not a near copy. */
export const isNegation = (form: string): boolean => negations.has(form) || form.endsWith("n't")

/**
 * `text` with typographic variants unified: quotation marks, dashes and white space. `offsets[i]` is where character `i` of
 * the result begins in `text`; the last entry is the end of `text`.
 */
export function unify(text: string): { readonly text: string; readonly offsets: readonly number[] } {
  let out = ''
  const offsets: number[] = []
  const put = (piece: string, at: number): void => {
    out += piece
    for (let i = 0; i < piece.length; i++) offsets.push(at)
  }
  let at = 0
  for (const character of text) {
    if (/\s/u.test(character)) {
      if (!out.endsWith(' ')) put(' ', at)
    } else if (!/[\u00ad\u200b-\u200d\ufeff]/.test(character)) {
      put(variants.get(character) ?? character.normalize('NFKC'), at)
    }
    at += character.length
  }
  offsets.push(text.length)
  return { text: out, offsets }
}

const variants = new Map([
  ...Array.from('‘’‚‛′', (character) => [character, "'"] as const),
  ...Array.from('“”„‟″«»', (character) => [character, '"'] as const),
  ...Array.from('‐‑‒–—−', (character) => [character, '-'] as const),
  ['…', '...'] as const,
])
