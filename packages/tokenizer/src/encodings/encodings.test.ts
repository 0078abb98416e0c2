import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { codeOf, wellFormed } from '../__fixtures__/text.js'
import { Tokenizer } from '../tokenizer.js'
import { cl100k_base } from './cl100k_base.js'
import type { EncodingName } from './encoding-data.js'

/** What Python's tiktoken made of texts; see tools/tokenizer/tiktoken-cases.py. */
interface Cases {
  readonly texts: readonly string[]
  readonly encodings: Record<
    EncodingName,
    {
      vocabSize: number
      special: Record<string, number>
      ordinary: readonly (readonly number[])[]
      allowed: readonly (readonly number[])[]
    }
  >
}
const cases = JSON.parse(readFileSync(new URL('../__fixtures__/tiktoken.json', import.meta.url), 'utf8')) as Cases
const names = Object.keys(cases.encodings) as EncodingName[]

describe("OpenAI's encodings", () => {
  it.each(names)('%s gives the ids of tiktoken, and the text back', async (name) => {
    const tokenizer = await Tokenizer.fromEncoding(name)
    const expected = cases.encodings[name]
    expect(tokenizer.vocabSize).toBe(expected.vocabSize)
    for (const [content, id] of Object.entries(expected.special)) expect(tokenizer.specialTokens.get(content), content).toBe(id)
    for (const [i, text] of cases.texts.entries()) {
      // Twice: the second time from the caches.
      for (let repeat = 0; repeat < 2; repeat++) {
        const ids = tokenizer.encode(text, { special: 'text' })
        expect([...ids], JSON.stringify(text)).toEqual(expected.ordinary[i])
        expect([...tokenizer.encode(text, { special: 'allow' })], JSON.stringify(text)).toEqual(expected.allowed[i])
        expect(tokenizer.decode(ids)).toBe(wellFormed(text))
      }
    }
  })

  it('has all tokens of the harmony format, two names for one of them', async () => {
    const tokenizer = await Tokenizer.fromEncoding('o200k_harmony')
    expect(tokenizer.specialTokens.size).toBe(1091)
    expect([...tokenizer.encode('<|endofprompt|><|reserved_200018|>', { special: 'allow' })]).toEqual([200018, 200018])
    expect(tokenizer.decode([200006, 200018])).toBe('<|start|><|endofprompt|>')
  })

  it('is made at once from imported data', () => {
    const tokenizer = Tokenizer.fromEncodingData(cl100k_base)
    const ids = [791, 4701, 4351, 15592, 16192, 33992, 11084, 15592, 7512, 13]
    expect([...tokenizer.encode('The Agentic AI Academy teaches advanced AI skills.')]).toEqual(ids)
    expect(tokenizer.eosId).toBe(100257)
    expect(codeOf(() => tokenizer.decode([100256]))).toBe('TOKEN_ID')
    expect(codeOf(() => tokenizer.encode('a <|endoftext|>'))).toBe('SPECIAL_TOKEN')
  })

  it('is written as a tokenizer.json that gives the same ids', async () => {
    const tokenizer = await Tokenizer.fromEncoding('r50k_base')
    const again = Tokenizer.fromJSON(JSON.parse(JSON.stringify(tokenizer)))
    for (const text of cases.texts) expect(again.encode(text, { special: 'text' })).toEqual(tokenizer.encode(text, { special: 'text' }))
  })

  it('refuses unknown names and damaged data', async () => {
    await expect(Tokenizer.fromEncoding('cl100k' as EncodingName)).rejects.toMatchObject({
      code: 'VALUE',
      message: expect.stringContaining('o200k_base') as string,
    })
    const damaged = { ...cl100k_base, tokens: [{ first: 256, pairs: '}'.repeat(6) }] }
    expect(codeOf(() => Tokenizer.fromEncodingData(damaged))).toBe('FILE')
  })

  it('takes long runs of whatever it may be', () => {
    const tokenizer = Tokenizer.fromEncodingData(cl100k_base)
    for (const run of ['a', '_', ' ', '\n', '中', 'ab', '\u0301']) {
      const text = run.repeat(200_000 / run.length)
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    }
  })
})
