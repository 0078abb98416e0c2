import type { Span } from '../document.js'

/** A word of a text: its comparable form and where it stands. */
export interface Word extends Span {
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
 * `text` with typographic variants unified: quotation marks, dashes and white space. Character `i` of the result stands for
 * `text.slice(starts[i], ends[i])`.
 */
export function unify(text: string): { readonly text: string; readonly starts: readonly number[]; readonly ends: readonly number[] } {
  let out = ''
  const starts: number[] = []
  const ends: number[] = []
  let at = 0
  for (const character of text) {
    const end = at + character.length
    let piece = ''
    if (/\s/u.test(character)) piece = out.endsWith(' ') ? '' : ' '
    else if (!/[\u00ad\u200b-\u200d\ufeff]/.test(character)) piece = variants.get(character) ?? character.normalize('NFKC')
    out += piece
    for (let i = 0; i < piece.length; i++) {
      starts.push(at)
      ends.push(end)
    }
    at = end
  }
  return { text: out, starts, ends }
}

const variants = new Map([
  ...Array.from('‘’‚‛′', (character) => [character, "'"] as const),
  ...Array.from('“”„‟″«»', (character) => [character, '"'] as const),
  ...Array.from('‐‑‒–—−', (character) => [character, '-'] as const),
  ['…', '...'] as const,
])
