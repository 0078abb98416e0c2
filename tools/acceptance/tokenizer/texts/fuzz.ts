/** Numbers in [0, 1) from a seed: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const words =
  "the and of to a in that is was he for it with as his on be at by I this had not are but from or have an they which one you were all her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many off before must well back through years much where your way down should because long each just state those people too mister Mr. don't we'll I'VE they're She'd WON'T o'clock Ça naïve Über façade".split(
    ' ',
  )
const code = ['function ', 'const x = ', '=> {', '});', '\n\t', '\n    ', '\n\n', 'return', '_id', 'camelCaseName', 'SCREAMING_CASE', 'HTTPServer', '0x1F', '1e-9', '3.14159', '12345678', '/* */', '// ', '#include <', '&&', '||', '!==', '::', '->', '"\\n"', '${', '<div class="', '</p>', '\r\n', '[]', '{}', '\t\t', '   ', ';\n\n\n', '/', '/*\n', '.\n/', '--', '++i', '@a', '\\u00e9'] // prettier-ignore
const emoji = ['😀', '👍🏽', '👩‍👩‍👧‍👦', '🏳️‍🌈', '🇩🇪', '☃️', '❤️', '✍🏿', '🧑🏻‍🚀', '1️⃣', '🫠', '©', '™', '⚡️'] // prettier-ignore
const marks = ['\u0301', '\u0308', '\u0323', '\u20dd', '\u0345', '\ufe0f', '\u200d', '\u{e0101}', '\u093f', '\u094d', '\u0e31', '\u05b0', '\u064b', '\u3099'] // prettier-ignore
const letters = ['ß', 'İ', 'ı', 'ſ', 'ǅ', 'ʰ', 'Ω', 'ж', 'Ж', 'ª', 'ﬁ', 'ﷺ', '𐐀', '𐐨', '𝒜', 'ⅷ', '²', '½', '٣', '१', 'ไ', 'ท', 'ย', 'न', 'म', 'ע', 'ب', 'ა', 'Ა', '한', '글', 'か', 'カ', 'ｶ', 'Ａ', 'ǆ', 'Ǆ', 'Ꭰ', 'ꭰ', '\u{1e921}'] // prettier-ignore
const controls = ['\0', '\x01', '\x07', '\x0b', '\x0c', '\x1b', '\x1c', '\x7f', '\x80', '\u0085', '\u009f', '\ufeff', '\u200b', '\u2028', '\u2029', '\u00a0', '\u1680', '\u3000', '\u00ad', '\u202e', '\ufffd', '\uffff', '\u{e0001}', '\u{10ffff}', '\u180e'] // prettier-ignore
const special = ['<|endoftext|>', '<|endofprompt|>', '<|fim_prefix|>', '<|start|>', '<|message|>', '<|reserved_200018|>', '<|endoftext', '|>', '<|', '<s>', '<|endoftext|><|endoftext|>'] // prettier-ignore

type Class = (random: () => number) => string
const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)]!
const point = (random: () => number, first: number, last: number) => String.fromCodePoint(first + Math.floor(random() * (last - first + 1)))
const times = (random: () => number, most: number, make: Class) =>
  Array.from({ length: 1 + Math.floor(random() * most) }, () => make(random)).join('')

/** The kinds of text that trip tokenizers, each a maker of short stretches. */
export const classes: Readonly<Record<string, Class>> = {
  ascii: (random) => times(random, 12, () => point(random, 0x20, 0x7e)),
  words: (random) => times(random, 6, () => pick(random, words) + pick(random, [' ', ' ', ' ', ', ', '. ', '\n', '  ', "'s ", "'S", ' - '])),
  code: (random) => times(random, 6, () => pick(random, code)),
  digits: (random) => times(random, 9, () => point(random, 0x30, 0x39)),
  cjk: (random) => times(random, 8, () => pick(random, [point(random, 0x4e00, 0x9fff), point(random, 0x3041, 0x30ff), '。', '，', point(random, 0xac00, 0xd7a3)])),
  letters: (random) => times(random, 6, () => pick(random, [...letters, point(random, 0xc0, 0x24f), point(random, 0x370, 0x58f)])),
  emoji: (random) => times(random, 3, () => pick(random, emoji)),
  marks: (random) => times(random, 4, () => pick(random, ['e', 'A', 'न', ' ', '', '.']) + pick(random, marks)),
  controls: (random) => times(random, 4, () => pick(random, controls)),
  spaces: (random) => times(random, 5, () => pick(random, [' ', '  ', '\t', '\n', '\r', '\r\n', '\u00a0', '\u3000', '\u0085', ' \n'])),
  surrogates: (random) => times(random, 2, () => pick(random, ['\ud83d', '\ude00', '\ud800', '\udfff', '\ud83da', ' \udc00'])),
  runs: (random) => pick(random, ['a', 'A', '_', ' ', '\n', '-', '=', '0', 'é', '中', '😀', '\u0301', "'", '/', 'ab', ' a', '.\n']).repeat(2 + Math.floor(random() ** 4 * 300)),
  special: (random) => pick(random, special),
  any: (random) => times(random, 4, () => point(random, 0, 0x2ffff)),
} // prettier-ignore

/** `count` texts of 1 to 8 stretches each, of every class in turn and mixed; the same for the same seed. */
export function fuzzTexts(count: number, seed: number): string[] {
  const random = randomFrom(seed)
  const makers = Object.values(classes)
  return Array.from({ length: count }, (_, index) => {
    let text = makers[index % makers.length]!(random)
    for (let more = Math.floor(random() * 8); more > 0; more--) text += pick(random, makers)(random)
    return text
  })
}

/** The text with U+FFFD for lone surrogates, which have no form that both sides read. */
export const wellFormed = (text: string): string => text.replace(/[\ud800-\udfff]/gu, '\ufffd')
