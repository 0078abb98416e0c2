import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mobyJson } from '../../__fixtures__/reference.js'
import { codeOf, trickyText } from '../../__fixtures__/text.js'
import { Tokenizer } from '../../tokenizer.js'
import type { TiktokenOptions } from './read.js'

const moby = Tokenizer.fromJSON(mobyJson())
const special = Object.fromEntries(moby.specialTokens)
const lines = Array.from({ length: moby.vocabSize }, (_, id) => id)
  .filter((id) => !Object.values(special).includes(id))
  .map((id) => `${btoa(String.fromCharCode(...moby.tokenBytes(id)))} ${id}`)
const file = `${lines.join('\n')}\n`

describe('rank files', () => {
  it('give the ids of the merges that they stand for', () => {
    const tokenizer = Tokenizer.fromTiktoken(file, { pattern: 'gpt2', special })
    expect(tokenizer.vocabSize).toBe(moby.vocabSize)
    expect(tokenizer.eosId).toBe(special['<|endoftext|>'])
    fc.assert(
      fc.property(trickyText(60), (text) => {
        expect(tokenizer.encode(text, { special: 'allow' })).toEqual(moby.encode(text, { special: 'allow' }))
      }),
      { numRuns: 300 },
    )
    const long = 'ahoyahoy'.repeat(100)
    expect(tokenizer.encode(long)).toEqual(moby.encode(long))
  })

  it('are taken as bytes, with any order of lines, empty lines and CRLF', () => {
    const mixed = new TextEncoder().encode(`\r\n${lines.toReversed().join('\r\n\n')}`)
    const tokenizer = Tokenizer.fromTiktoken(mixed, { pattern: 'gpt2', special })
    expect(tokenizer.encode('Call me Ishmael.')).toEqual(moby.encode('Call me Ishmael.'))
  })

  it('are split by tiktoken’s expressions and by ones that are not known', () => {
    const known = Tokenizer.fromTiktoken(file, {
      pattern: String.raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s`,
    })
    const other = Tokenizer.fromTiktoken(file, {
      pattern: String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s`,
    })
    fc.assert(
      fc.property(trickyText(30), (text) => {
        const ids = moby.encode(text, { special: 'text' })
        expect(known.encode(text)).toEqual(ids)
        expect(other.encode(text)).toEqual(ids)
      }),
      { numRuns: 200 },
    )
  })

  it('are written as a tokenizer.json that gives the same ids', () => {
    const again = Tokenizer.fromJSON(JSON.stringify(Tokenizer.fromTiktoken(file, { pattern: 'gpt2', special })))
    fc.assert(
      fc.property(trickyText(30), (text) => {
        expect(again.encode(text, { special: 'text' })).toEqual(moby.encode(text, { special: 'text' }))
      }),
    )
  })

  it.each<[string, string, string]>([
    ['no rank', `${lines[0]}\nYWI=\n`, 'line 2 should hold base64, a blank and a rank'],
    ['a rank that is no number', `${lines[0]}\nYWI= x\n`, 'line 2 should end with a rank'],
    ['a rank that is too high', `${lines[0]}\nYWI= 99999999999999999999\n`, 'line 2 should end with a rank'],
    ['a negative rank', `YWI= -1\n`, 'line 1 should end with a rank'],
    ['a third column', `${lines[0]} 3\n`, 'line 1 should end with a rank'],
    ['bad base64', `${lines[0]}\nYW*= 5\n`, 'line 2 should begin with a token in base64'],
    ['base64 without padding', `${lines[0]}\nYWI 5\n`, 'line 2 should begin with a token in base64'],
    ['base64 with bits beyond its bytes', `${lines[0]}\nYWJ= 5\n`, 'line 2 should begin with a token in base64'],
    ['an empty token', `${lines[0]}\n 5\n`, 'line 2 should begin with a token in base64'],
    ['a token twice', `${lines[0]}\n${lines[0]!.split(' ')[0]} 7\n`, 'line 2 repeats a token'],
    ['a rank twice', `${lines[0]}\nYWI= ${lines[0]!.split(' ')[1]}\n`, 'to two tokens'],
    ['a very long token', `${btoa('a'.repeat(2000))} 5\n`, 'line 1 has a token of more than 1024 bytes'],
    ['bytes that are missing', `${lines.slice(1).join('\n')}\n`, 'lacks byte 33'],
    ['nothing', '', 'lacks byte 0'],
  ])('with %s are refused', (_, text, message) => {
    expect(() => Tokenizer.fromTiktoken(text, { pattern: 'gpt2' })).toThrow(message)
    expect(codeOf(() => Tokenizer.fromTiktoken(text, { pattern: 'gpt2' }))).toBe('FILE')
  })

  it('refuse options that do not fit', () => {
    const code = (options: unknown) => codeOf(() => Tokenizer.fromTiktoken(file, options as TiktokenOptions))
    expect(code({ pattern: /a/ })).toBe('VALUE')
    expect(code({ pattern: '(' })).toBe('VALUE')
    expect(code({ pattern: 'gpt2', special: { '<s>': 3 } })).toBe('VALUE')
    expect(code({ pattern: 'gpt2', special: { '<s>': 1.5 } })).toBe('VALUE')
    expect(code({ pattern: 'gpt2', special: { '<s>': 2 ** 21 } })).toBe('VALUE')
    expect(code({ pattern: 'gpt2', special: { '': 5000 } })).toBe('VALUE')
    expect(code({ pattern: 'gpt2', special: { '\ud800': 5000 } })).toBe('VALUE')
    expect(codeOf(() => Tokenizer.fromTiktoken(5 as unknown as string, { pattern: 'gpt2' }))).toBe('VALUE')
  })

  it('may leave gaps in the ids, and special tokens may fill them', () => {
    const shifted = `${lines.slice(0, 256).join('\n')}\nYWI= 300\n`
    const tokenizer = Tokenizer.fromTiktoken(shifted, { pattern: 'gpt2', special: { '<a>': 260, '<b>': 310, '<c>': 258 } })
    expect([...tokenizer.encode('<a>ab<b><c>', { special: 'allow' })]).toEqual([260, 300, 310, 258])
    expect(tokenizer.decode([260, 300, 310, 258])).toBe('<a>ab<b><c>')
    for (const id of [256, 259, 299, 301, 309, 311])
      expect(
        codeOf(() => tokenizer.decode([id])),
        String(id),
      ).toBe('TOKEN_ID')
    expect(tokenizer.vocabSize).toBe(311)
  })
})
