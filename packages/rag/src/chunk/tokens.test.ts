import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { counterOf, estimatedSpans, estimateTokenCount } from './tokens.js'

/** The definition. */
const byExpression = (text: string): number =>
  (text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]|\p{L}{1,4}|\p{N}{1,3}|[^\s\p{L}\p{N}]/gu) ?? []).length

describe('estimateTokenCount', () => {
  it('counts letters by fours, digits by threes, signs and ideographs one by one', () => {
    const counts = {
      '': 0,
      ' \n\t\u3000': 0,
      wing: 1,
      wings: 2,
      '1851': 2,
      a1b2: 4,
      'x == y;': 5,
      你好: 2,
      größer: 2,
      '👩‍👧': 3,
      '\ud800': 1,
    }
    for (const [text, count] of Object.entries(counts)) expect(estimateTokenCount(text), text).toBe(count)
  })

  it('agrees with its definition for any text and all its parts', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        'word',
        '12345',
        '〇',
        '一二',
        'a漢b',
        '1〇2345',
        'ｶﾅ',
        'é',
        'e\u0301',
        '\ud83d',
        '\udc00',
        '𠀀',
        '𝟘𝟙𝟚𝟛',
        '𝒜𝒷',
        '½',
        ' ',
        '\u00a0',
        '\ufeff',
      ),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('')
        expect(estimateTokenCount(text)).toBe(byExpression(text))
        const spans = estimatedSpans(text)
        for (let start = 0; start <= text.length; start += 3)
          for (let end = start; end <= text.length; end += 5) expect(spans(start, end)).toBe(byExpression(text.slice(start, end)))
      }),
      { numRuns: 500 },
    )
  })
})

describe('counterOf', () => {
  it('counts names of special tokens in documents as ordinary text', () => {
    // As @tesserae/tokenizer does: names are refused unless the call says what they are.
    const encode = (text: string, options?: { readonly special: 'text' }): number[] => {
      if (text.includes('<|endoftext|>') && options?.special !== 'text') throw new Error('special token')
      return Array.from(text, (_, i) => i)
    }
    const text = 'a<|endoftext|>'
    expect(counterOf({ encode })(text)).toBe(text.length)
    expect(counterOf({ count: (given, options) => encode(given, options).length })(text)).toBe(text.length)
  })
})
