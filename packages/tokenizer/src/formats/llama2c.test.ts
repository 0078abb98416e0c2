import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { llama2cFile as file } from '../__fixtures__/llama2c.js'
import { codeOf, trickyText, wellFormed } from '../__fixtures__/text.js'
import { TokenizerError } from '../errors.js'
import { Tokenizer } from '../tokenizer.js'

const vocabulary = [' t', 'he', ' the', 'ab', 'abc', 'bc', ' ', 't', 'h', 'e', 'a', 'b', 'c', 'é', '中']
const small = Tokenizer.fromLlama2c(file(vocabulary))
const id = (token: string) => 259 + vocabulary.indexOf(token)

/** llama2.c's algorithm as its source describes it: look at every pair, merge the best, begin again. */
function encodeNaively(text: string): number[] {
  const scores = new Map(vocabulary.map((token, i) => [token, -i]))
  let symbols = [...(text === '' ? '' : ` ${text}`)].flatMap((char): (string | number)[] =>
    scores.has(char) ? [char] : [...new TextEncoder().encode(char)].map((byte) => byte + 3),
  )
  for (;;) {
    let best = -Infinity
    let at = -1
    for (let i = 0; i + 1 < symbols.length; i++) {
      const [left, right] = [symbols[i]!, symbols[i + 1]!]
      if (typeof left === 'number' || typeof right === 'number') continue
      const score = scores.get(left + right)
      if (score !== undefined && score > best) [best, at] = [score, i]
    }
    if (at < 0) return [1, ...symbols.map((symbol) => (typeof symbol === 'number' ? symbol : id(symbol)))]
    symbols = [...symbols.slice(0, at), `${symbols[at]}${symbols[at + 1]}`, ...symbols.slice(at + 2)]
  }
}

describe('a llama2.c tokenizer', () => {
  it('merges by score from characters, with a blank and token 1 in front', () => {
    expect([...small.encode('the')]).toEqual([1, id(' the')])
    // "ab" scores higher than "bc", so "abc" is reached through it.
    expect([...small.encode('abc', { addSpecial: false })]).toEqual([id(' '), id('abc')])
    expect([...small.encode('')]).toEqual([1])
    expect([...small.encode('x\u{1f600}', { addSpecial: false })]).toEqual([id(' '), 0x78 + 3, 0xf0 + 3, 0x9f + 3, 0x98 + 3, 0x80 + 3])
  })

  it('agrees with the plain algorithm on any text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: fc.constantFrom(' ', 't', 'h', 'e', 'a', 'b', 'c', 'é', 'x'), maxLength: 200 }), trickyText()),
        (text) => {
          expect([...small.encode(text, { special: 'text' })]).toEqual(encodeNaively(wellFormed(text)))
        },
      ),
    )
  })

  it('merges the leftmost of equal scores first', () => {
    const even = Tokenizer.fromLlama2c(
      file([
        ['aa', 1],
        [' ', 0],
        ['a', 0],
        ['aaa', 1],
      ]),
    )
    expect(even.tokenBytes(even.encode('aaa')[2]!)).toEqual(new TextEncoder().encode('aaa'))
    expect([...even.encode('aaaaa', { addSpecial: false })].map((token) => even.tokenBytes(token).length)).toEqual([1, 3, 2])
  })

  it('gives back any text when decoding, dropping the blank after token 1', () => {
    fc.assert(
      fc.property(trickyText(), (text) => {
        const ids = small.encode(text, { special: 'text' })
        expect(small.decode(ids, { skipSpecial: true })).toBe(wellFormed(text))
        const stream = small.decoder({ skipSpecial: true })
        expect([...ids].map((token) => stream.push(token)).join('') + stream.flush()).toBe(wellFormed(text))
      }),
    )
    expect(small.decode(small.encode('the'))).toBe('<s>the')
    expect(small.decode([id(' the')])).toBe(' the')
  })

  it('names its special tokens', () => {
    expect(small.specialTokens).toEqual(
      new Map([
        ['<unk>', 0],
        ['<s>', 1],
        ['</s>', 2],
      ]),
    )
    expect([small.bosId, small.eosId, small.vocabSize]).toEqual([1, 2, 259 + vocabulary.length])
    expect(codeOf(() => small.encode('a <s> b'))).toBe('SPECIAL_TOKEN')
    expect(codeOf(() => small.toJSON())).toBe('UNSUPPORTED')
  })

  it.each([
    ['an empty file', new Uint8Array(0), /too short for its header, got 0 bytes \(at byte 0\)/],
    ['a longest token of 0', Uint8Array.of(0, 0, 0, 0), /token length from 1 to 128, got 0/],
    ['a longest token of 2^31 − 1', Uint8Array.of(255, 255, 255, 127), /token length from 1 to 128, got 2147483647/],
    ['a cut header', file(vocabulary).slice(0, 9), /ends inside the header of token 0 \(at byte 4\)/],
    ['a cut token', file(vocabulary).slice(0, 14), /ends inside token 0 \(at byte 12\)/],
    ['too few tokens', file([]).slice(0, 4 + 8 + 5), /should hold 259 control and byte tokens at least, got 1 tokens/],
    ['a negative length', Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255), /a length from 0 to 7, got -1 \(at byte 8\)/],
    ['a token longer than the longest', file(['longer than it says'], 8), /length from 0 to 8, got 19/],
    ['a score that is not a number', file([['a', NaN]]), /score that is not a number for token 259/],
  ])('refuses %s', (_, bytes, message) => {
    expect(codeOf(() => Tokenizer.fromLlama2c(bytes))).toBe('FILE')
    expect(() => Tokenizer.fromLlama2c(bytes)).toThrow(message)
  })

  it('loads or is refused with a typed error, whatever bytes change or are cut', () => {
    const whole = file(vocabulary)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 3 }),
        fc.option(fc.nat(whole.length)),
        (changes, cut) => {
          const bytes = whole.slice(0, cut ?? undefined)
          for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
          try {
            const tokenizer = Tokenizer.fromLlama2c(bytes)
            expect(tokenizer.decode(tokenizer.encode('the abc'), { skipSpecial: true })).toBe('the abc')
          } catch (error) {
            if (!(error instanceof TokenizerError)) throw error
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

const data = new URL('../../../../../shared/data/', import.meta.url)
describe.skipIf(!existsSync(new URL('tok512.bin', data)))('tok512.bin (needs ../shared/data)', () => {
  it('gives the ids that llama2.c gives', () => {
    const tokenizer = Tokenizer.fromLlama2c(readFileSync(new URL('tok512.bin', data)))
    const expected = JSON.parse(readFileSync(new URL('stories260K.expected.json', data), 'utf8')) as {
      prompt: string
      prompt_ids: number[]
      greedy_ids: number[]
    }[]
    expect(tokenizer.vocabSize).toBe(512)
    for (const { prompt, prompt_ids: ids, greedy_ids: generated } of expected) {
      expect([...tokenizer.encode(prompt)]).toEqual(ids)
      const story = tokenizer.decode([...ids, ...generated], { skipSpecial: true })
      expect(story.startsWith(prompt === '' ? 'Once upon a time' : prompt)).toBe(true)
    }
  })
})
