import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { reference } from '../__fixtures__/reference.js'
import { codeOf, trickyText, wellFormed } from '../__fixtures__/text.js'
import { IdList } from '../id-list.js'
import { preTokenizer } from './create.js'
import type { PatternName } from './pretokenizer.js'

function pieces(pattern: PatternName | RegExp, text: string): string[] {
  const bytes = new TextEncoder().encode(text)
  const ends = new IdList()
  preTokenizer(pattern).split(text, bytes, bytes.length, ends)
  const result: string[] = []
  let start = 0
  for (const end of ends.toArray()) {
    result.push(new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes.subarray(start, end)))
    start = end
  }
  expect(start).toBe(bytes.length)
  return result
}

// The published expressions for JavaScript: White_Space in place of \s, letters in both cases in place of (?i:).
const space = String.raw`\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`
const tail = String.raw`[${space}]*[\r\n]+|[${space}]+(?![^${space}])|[${space}]+`
const contraction = String.raw`'(?:[sS\u017f]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])`
const head = (digits: string) => String.raw`${contraction}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^${space}\p{L}\p{N}]+[\r\n]*|`
const cl100kHead = head(String.raw`\p{N}{1,3}`)
const upper = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
const lower = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
// On the engine's own regular expressions, which share nothing with this package.
const expressions: Record<PatternName, RegExp> = {
  gpt2: new RegExp(
    String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^${space}\p{L}\p{N}]+|[${space}]+(?![^${space}])|[${space}]+`,
    'gu',
  ),
  llama3: new RegExp(cl100kHead + tail, 'gu'),
  cl100k: new RegExp(`${cl100kHead}[${space}]+$|${tail}`, 'gu'),
  qwen2: new RegExp(head(String.raw`\p{N}`) + tail, 'gu'),
  o200k: new RegExp(
    String.raw`[^\r\n\p{L}\p{N}]?${upper}*${lower}+(?:${contraction})?|[^\r\n\p{L}\p{N}]?${upper}+${lower}*(?:${contraction})?|\p{N}{1,3}| ?[^${space}\p{L}\p{N}]+[\r\n/]*|${tail}`,
    'gu',
  ),
}
const names = Object.keys(expressions) as PatternName[]

describe('splits', () => {
  it('agree with Hugging Face tokenizers and tiktoken', () => {
    for (const { text, gpt2, llama3, cl100k } of reference().cases) {
      const characters = (piece: string) => [...piece].length
      expect(pieces('gpt2', text).map(characters), JSON.stringify(text)).toEqual(gpt2)
      expect(pieces('llama3', text).map(characters), JSON.stringify(text)).toEqual(llama3)
      const byteLength = (piece: string) => new TextEncoder().encode(piece).length
      expect(pieces('cl100k', text).map(byteLength), JSON.stringify(text)).toEqual(cl100k)
    }
  })

  const old = new Set('ไทย中文한ǅʰ\u0301\u0345\u20dd\u0663\u2167\u{10400}\u{10428}\u{20000}\u{e0101}')
  it.each(names)('%s agrees with its regular expression on any text', (name) => {
    fc.assert(
      fc.property(trickyText(), (text) => {
        // Letters, marks and numbers that are newer than the table would differ on a newer engine.
        const known = [...wellFormed(text)]
          .filter((char) => char < '\u0250' || !/^[\p{L}\p{M}\p{N}]$/u.test(char) || old.has(char))
          .join('')
        expect(pieces(name, known)).toEqual(known.match(expressions[name]) ?? [])
      }),
      { numRuns: 3000 },
    )
  })

  it('take time in proportion to the text, also for long runs', () => {
    for (const name of names) {
      for (const run of ['a', 'A', 'aB', '中A', '\u0301', '\u0301A', '1', '.', ' ', '\n', '\n ', "'", ' \u3000', '.\n/']) {
        const text = run.repeat(200_000)
        const bytes = new TextEncoder().encode(text)
        preTokenizer(name).split(text, bytes, bytes.length, new IdList())
      }
    }
  })

  it('by a regular expression keep what lies between matches and replace lone surrogates', () => {
    expect(pieces(/\d+/, 'ab12c3')).toEqual(['ab', '12', 'c', '3'])
    expect(pieces(/b*/gy, 'abbc')).toEqual(['a', 'bb', 'c'])
    expect(pieces(/\ufffd/, 'é\ud800\u{1f600}')).toEqual(['é', '\ufffd', '\u{1f600}'])
    expect(pieces(new RegExp(String.raw`[\p{L}--[abc]]`, 'v'), 'abcd')).toEqual(['abc', 'd'])
  })

  it('refuse unknown names', () => {
    expect(codeOf(() => preTokenizer('p50k' as PatternName))).toBe('VALUE')
  })
})
