import { describe, expect, it } from 'vitest'
import { lowercase } from '../normalizers/lowercase.js'
import { toForm, type UnicodeForm } from '../normalizers/unicode-form.js'
import { AlignedText } from './aligned.js'

const of = (text: string) => AlignedText.of(text, { track: true })
/** Each unit with the range of the original that it stands for. */
const ranges = (text: AlignedText) =>
  [...text.text].length === text.length ? [...text.text].map((unit, i) => `${unit}${text.starts![i]}-${text.ends![i]}`).join(' ') : ''

describe('text that remembers its places', () => {
  it('keeps both halves of a pair together', () => {
    const text = of('a𝒳b')
    expect(text.range(1, 2)).toEqual({ start: 1, end: 3 })
    expect(text.slice(3, 4).range(0, 1)).toEqual({ start: 3, end: 4 })
  })

  it('gives what replaces a stretch the place of its last character', () => {
    const text = of('ab  cd').replaced([{ start: 2, end: 4, replacement: '<>' }])
    expect(ranges(text)).toBe('a0-1 b1-2 <3-4 >3-4 c4-5 d5-6')
  })

  it('gives what stands in front the place of the first character', () => {
    expect(ranges(of('ab').prepended('__'))).toBe('_0-1 _0-1 a0-1 b1-2')
    expect(of('').prepended('_').text).toBe('')
  })

  it.each<[UnicodeForm, string, string]>([
    ['NFD', 'é', 'e0-1 \u03010-1'],
    // Marks change places, and take the places that they find.
    ['NFD', 'a\u0301\u0323', 'a0-1 \u03231-2 \u03012-3'],
    ['NFC', 'e\u0301x', 'é0-1 x2-3'],
    ['NFKC', 'ﬁx', 'f0-1 i0-1 x1-2'],
    ['NFC', '\u1112\u1161\u11ab!', '한0-1 !3-4'],
  ])('follows %s of %j', (form, given, expected) => {
    expect(ranges(toForm(of(given), form))).toBe(expected)
  })

  it('follows lower case, where a sigma at the end of a word is like any other', () => {
    expect(lowercase(of('ΣΑΣ')).text).toBe('σασ')
    expect(ranges(lowercase(of('İx')))).toBe('i0-1 \u03070-1 x1-2')
  })

  it('knows whether it begins where the text began', () => {
    const text = of('  ab')
    expect([text.atOrigin, text.slice(2, 4).atOrigin, text.prepended('_').slice(1, 4).atOrigin]).toEqual([true, false, true])
    const untracked = AlignedText.of('  ab', { track: false })
    expect([untracked.atOrigin, untracked.slice(2, 4).atOrigin]).toEqual([true, false])
  })
})
