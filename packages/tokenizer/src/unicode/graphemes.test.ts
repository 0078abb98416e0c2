import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { graphemeEnd } from './graphemes.js'

function graphemes(text: string): string[] {
  const parts: string[] = []
  for (let at = 0; at < text.length;) {
    const end = graphemeEnd(text, at)
    parts.push(text.slice(at, end))
    at = end
  }
  return parts
}

describe('graphemeEnd', () => {
  it.each([
    ['a\u0308b', ['a\u0308', 'b']],
    ['\r\n\n', ['\r\n', '\n']],
    ['\u1100\u1161\u11a8\u1100', ['\u1100\u1161\u11a8', '\u1100']],
    ['\uac01\u11a8\uac00\u1161', ['\uac01\u11a8', '\uac00\u1161']],
    ['\u{1f1e9}\u{1f1ea}\u{1f1eb}', ['\u{1f1e9}\u{1f1ea}', '\u{1f1eb}']],
    ['\u{1f468}\u{1f3fd}\u200d\u{1f469}a', ['\u{1f468}\u{1f3fd}\u200d\u{1f469}', 'a']],
    ['a\u200d\u{1f469}', ['a\u200d', '\u{1f469}']],
    ['\u0915\u094d\u0937\u0915', ['\u0915\u094d\u0937', '\u0915']],
    ['\u0915\u094d\u200c\u0937', ['\u0915\u094d\u200c', '\u0937']],
    ['\u0600a\u0903', ['\u0600a\u0903']],
    ['\ud800a', ['\ud800', 'a']],
  ])('ends where a reader sees an end: %j', (text, expected) => {
    expect(graphemes(text)).toEqual(expected)
  })

  it('agrees with the engine on characters that have long been there', () => {
    const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
    const atoms = [
      'a',
      '\r',
      '\n',
      '\u0308',
      '\u0301',
      '\u200d',
      '\u0903',
      '\u0600',
      '\u1100',
      '\u1161',
      '\u11a8',
      '\uac00',
      '\uac01',
      '\u{1f1e9}',
      '\u{1f468}',
      '\u{1f3fd}',
      '\u2764',
      '\ufe0f',
      '\u00a9',
      '\u0e33',
      '\u200b',
      '\u4e2d',
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...atoms), { maxLength: 12 }), (parts) => {
        const text = parts.join('')
        expect(graphemes(text)).toEqual([...segmenter.segment(text)].map(({ segment }) => segment))
      }),
      { numRuns: 2000 },
    )
  })
})
