import type { Tokenizer } from '@tesserae/tokenizer'

const LENGTH = 100_000
const run = (unit: string): string => unit.repeat(Math.ceil(LENGTH / unit.length)).slice(0, LENGTH)

/** Letters without a blank between them, by a fixed rule. */
function letters(): string {
  let state = 12_345
  let text = ''
  while (text.length < LENGTH) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    text += String.fromCharCode(97 + ((state >>> 16) % 26))
  }
  return text
}

/** Texts of 100,000 UTF-16 units that nothing cuts, or that everything cuts. */
export const hostileTexts: Readonly<Record<string, (tokenizer: Tokenizer) => string>> = {
  a: () => run('a'),
  blanks: () => run(' '),
  'blanks and an end': () => `${run(' ').slice(1)}x`,
  'combining marks': () => run('\u0301'),
  'marks of two classes': () => run('\u0301\u0323'),
  emoji: () => run('\u{1f600}'),
  families: () => run('\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d'),
  'lone surrogates': () => run('\ud800'),
  specials: ({ specialTokens }) => run([...specialTokens.keys()].filter((name) => name.length < 1000).join('') || '<s>'),
  'line breaks': () => run('\r\n'),
  letters: () => letters(),
  ideographs: () => run('\u4e2d\u6587'),
  'a and b': () => run('ab'),
  digits: () => run('1'),
  capitals: () => run('A\u0130'),
  ligatures: () => run('\ufdfa'),
  punctuation: () => run("'"),
  controls: () => run('\0\u0085\ufeff'),
}
