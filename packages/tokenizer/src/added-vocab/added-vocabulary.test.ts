import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AddedVocabulary, type AddedTokenRule } from './added-vocabulary.js'
import { KeyAutomaton } from './automaton.js'

describe('the automaton of keys', () => {
  it('finds the longest key at every place', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 })
    const keys = fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 6 }), {
      minLength: 1,
      maxLength: 8,
    })
    fc.assert(
      fc.property(text, keys, (given, some) => {
        const expected: number[] = []
        for (let at = given.length - 1; at >= 0; at--) {
          const here = some.filter((key) => given.startsWith(key, at)).sort((a, b) => b.length - a.length)
          if (here.length > 0) expected.push(at, some.indexOf(here[0]!))
        }
        expect(new KeyAutomaton(some).find(given)).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  it('takes linear time when a long key almost stands everywhere', () => {
    const automaton = new KeyAutomaton(['a', `${'a'.repeat(20_000)}b`])
    expect(automaton.find('a'.repeat(200_000))).toHaveLength(400_000)
    // A search from every place would take 4 · 10⁹ steps.
  })
})

const rule = (content: string, id: number, rest: Partial<AddedTokenRule> = {}): AddedTokenRule => ({
  content,
  id,
  special: false,
  singleWord: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  ...rest,
})

function parts(tokens: readonly AddedTokenRule[], text: string, policy: 'allow' | 'text' = 'allow'): string[] {
  const found: string[] = []
  new AddedVocabulary(tokens, undefined).split(text, policy, true, {
    text: (part) => found.push(part.text),
    added: (token, part) => found.push(`${token.id}:${part.text}`),
  })
  return found
}

describe('added tokens', () => {
  it('leftmost, then longest, win', () => {
    expect(parts([rule('ab', 1), rule('abc', 2), rule('bcd', 3)], 'xabcdab')).toEqual(['x', '2:abc', 'd', '1:ab'])
  })

  it('take white space where they are told to', () => {
    expect(parts([rule('<m>', 1, { lstrip: true, rstrip: true })], 'a \u3000<m> \n<m>b')).toEqual(['a', '1: \u3000<m> \n', '1:<m>', 'b'])
  })

  it('stand alone where they are told to', () => {
    expect(parts([rule('sea', 1, { singleWord: true })], 'sea, seas, é\u0301sea 𝒳sea sea')).toEqual([
      '1:sea',
      ', seas, é\u0301sea 𝒳sea ',
      '1:sea',
    ])
  })

  it('that are special are text where the policy says so', () => {
    expect(parts([rule('<s>', 1, { special: true }), rule('s', 2)], 'a<s>s', 'text')).toEqual(['a<s>', '2:s'])
  })

  it('with a run of blanks each take linear time', () => {
    expect(parts([rule(' ', 1, { rstrip: true })], ' '.repeat(50_000)).length).toBe(50_000)
  })
})
