import fc from 'fast-check'

const atoms = [
  'a', 'B', 'z', ' ', '  ', '\t', '\n', '\r\n', '\r', '\u0085', '\u00a0', '\u3000', '\ufeff', '\u200b', "'", "'s", "'LL", "'re", "'\u017f", "'v", '1', '23', '4567', '\u0663',
  '\u00bd', '\u2167', 'é', 'e\u0301', '\u0301', '\u20dd', '\u{e0101}', 'ABC', 'aB', 'ǅ', 'ʰ', '\u{10428}', '/', 'ß', '中文', 'ไทย', '한', '\u{10400}', '\u{20000}', '\u{1f600}', '\u{1f44d}\u{1f3fd}', '.', '!?', '--', '_', '/', '\u2026', '\ud800', '\udc00', '\0',
  'the', ' and', '<|endoftext|>', '<s>',
]

/** Text with what trips tokenizers: contractions, odd white space, numbers, marks, emoji, lone surrogates. */
export const trickyText = (maxLength = 24) =>
  fc.array(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...atoms) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) }), { maxLength }).map((parts) => parts.join(''))

/** Lone surrogates replaced by U+FFFD. */
export const wellFormed = (text: string) => text.replace(/[\ud800-\udfff]/gu, '\ufffd')

/** The code of the Tesserae error that an action throws. */
export function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    const code = (error as { code?: unknown }).code
    if (typeof code === 'string') return code
    throw error
  }
  return 'nothing thrown'
}
