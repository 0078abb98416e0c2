import { describe, expect, it } from 'vitest'
import { isSafeCut } from '../../encoding/safe-cuts.js'
import { Tokenizer } from '../../tokenizer.js'
import { partEnd } from './byte-level.js'

const filler = (unit: string): string => unit.repeat(Math.ceil(20_000 / unit.length))

describe('the parts of a long text', () => {
  it('end where splits cut whatever stands around', () => {
    // Every unit but halves of characters.
    const units = Array.from({ length: 0xf7e0 }, (_, i) => String.fromCharCode(0x20 + (i < 0xd7e0 ? i : i + 0x800)))
    const text = filler('!') + units.flatMap((unit) => [' ', '\u3001', '\u3002', 'x'].map((next) => `${unit}${next}a`)).join('')
    let places = 0
    for (let end = partEnd(text, 0); end < text.length; end = partEnd(text, end + 1 - 16_384)) {
      places++
      expect(isSafeCut(text, end), JSON.stringify(text.slice(end - 2, end + 1))).toBe(true)
    }
    expect(places).toBeGreaterThan(30_000)
  })

  it.each(['gpt2', 'cl100k_base', 'o200k_base'] as const)('give the ids of the whole text by %s', async (name) => {
    const tokenizer = await Tokenizer.fromEncoding(name)
    const texts = [
      'The whale, ',
      'Кит плывёт. ',
      '鯨は海で、泳ぐ。',
      '고래가 헤엄친다 ',
      'x1 23 456 ',
      "don't  \n\t",
      'no_place_to_cut',
      '👩‍🚀 ',
    ]
    for (const text of texts) {
      const whole = filler(text).repeat(2)
      const ids = tokenizer.encode(whole)
      expect(tokenizer.decode(ids)).toBe(whole)
      // Cut by another rule, at another place.
      let at = 30_001
      while (at < whole.length && !isSafeCut(whole, at)) at++
      expect([...tokenizer.encode(whole.slice(0, at)), ...tokenizer.encode(whole.slice(at))]).toEqual([...ids])
    }
  })
})
