import { describe, expect, it } from 'vitest'
import { precompiledCases, unzipped } from '../__fixtures__/sentencepiece.js'
import { codeOf } from '../__fixtures__/text.js'
import { AlignedText } from '../text/aligned.js'
import { Precompiled } from './precompiled.js'

const { rules, cases } = precompiledCases()
const written = Buffer.from(unzipped(rules)).toString('base64')
const normalizer = new Precompiled(written, 'the fixture')

describe('Precompiled', () => {
  it('rewrites as Hugging Face’s, and knows where every character comes from', () => {
    expect(cases.some(([text, normalized]) => text !== normalized)).toBe(true)
    for (const [text, normalized, places] of cases) {
      const result = normalizer.normalize(AlignedText.of(text, { track: true }))
      expect(result.text, JSON.stringify(text)).toBe(normalized)
      // Here in units, there in characters.
      const chars = [...text].flatMap((char, i) => new Array<number>(char.length).fill(i))
      chars.push([...text].length)
      let at = 0
      const found = [...result.text].flatMap((char) => {
        const { start, end } = result.range(at, (at += char.length))
        return [chars[start]!, chars[end]!]
      })
      expect(found, JSON.stringify(text)).toEqual(places)
    }
  })

  it('is written as it was read', () => {
    expect(normalizer.toJSON()).toEqual({ type: 'Precompiled', precompiled_charsmap: written })
  })

  it.each([
    ['no base64', 'AAAA*', /base64/],
    ['too short', 'AAA=', /too few for the size/],
    ['a trie that is not there', 'CAAAAAA=', /says its trie has 8 bytes, but only 1 follow/],
  ])('is refused: %s', (_, text, problem) => {
    expect(codeOf(() => new Precompiled(text, 'normalizer'))).toBe('FILE')
    expect(() => new Precompiled(text, 'normalizer')).toThrow(problem)
  })
})
