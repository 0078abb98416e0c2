import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mobyJson, reference } from './__fixtures__/reference.js'
import { codeOf, trickyText, wellFormed } from './__fixtures__/text.js'
import { TokenizerError } from './errors.js'
import { Tokenizer } from './tokenizer.js'
import { trainBpe } from './train/bpe.js'

const moby = Tokenizer.fromJSON(mobyJson(), { eos_token: '<|endoftext|>', bos_token: { content: '<|endoftext|>' } })
const END = 1023

describe('Tokenizer', () => {
  it('encodes and decodes as Hugging Face tokenizers does', () => {
    for (const { text, ids, decoded } of reference().cases) {
      expect([...moby.encode(text, { special: 'allow' })], JSON.stringify(text)).toEqual(ids)
      expect(moby.decode(ids)).toBe(decoded)
    }
  })

  it('gives back any text, with U+FFFD for lone surrogates', () => {
    fc.assert(
      fc.property(trickyText(), (text) => {
        for (const special of ['text', 'allow'] as const) expect(moby.decode(moby.encode(text, { special }))).toBe(wellFormed(text))
        expect(moby.count(text, { special: 'text' })).toBe(moby.encode(text, { special: 'text' }).length)
      }),
      { numRuns: 500 },
    )
  })

  it('gives the same ids with an empty and a warm cache, in any order of calls', () => {
    fc.assert(
      fc.property(fc.array(trickyText(8), { maxLength: 6 }), (texts) => {
        const warm = moby.encodeBatch(texts, { special: 'text' })
        for (const [i, text] of texts.entries()) {
          expect(Tokenizer.fromJSON(mobyJson()).encode(text, { special: 'text' })).toEqual(warm[i])
        }
      }),
      { numRuns: 15 },
    )
  })

  it('keeps a byte order mark', () => {
    expect(moby.decode(moby.encode('\ufeffa'))).toBe('\ufeffa')
    const stream = moby.decoder()
    expect([...moby.encode('\ufeffa')].map((id) => stream.push(id)).join('')).toBe('\ufeffa')
  })

  it('encodes long runs', async () => {
    const runs = await trainBpe(['a'.repeat(5000), 'ab'.repeat(5000)], { vocabSize: 280 })
    for (const run of ['a'.repeat(100_000), 'ab'.repeat(50_000), ' '.repeat(100_000)]) {
      const ids = runs.encode(run)
      expect(runs.decode(ids)).toBe(run)
    }
  })

  it('outlives texts that fill its cache', async () => {
    const tokenizer = await trainBpe(['some words'], { vocabSize: 260 })
    const many = Array.from({ length: 70_000 }, (_, i) => `x${i.toString(36).replace(/\d/g, (digit) => 'ABCDEFGHIJ'[+digit]!)}`).join(' ')
    const once = tokenizer.encode(many)
    expect(tokenizer.encode(many)).toEqual(once)
    expect(tokenizer.decode(once)).toBe(many)
  })

  it('shows what it is made of', () => {
    expect(moby.vocabSize).toBe(1024)
    expect(moby.specialTokens).toEqual(new Map([['<|endoftext|>', END]]))
    expect([moby.bosId, moby.eosId]).toEqual([END, END])
    expect(new TextDecoder().decode(moby.tokenBytes(moby.encode(' the')[0]!))).toBe(' the')
    const bytes = moby.tokenBytes(0)
    bytes[0] = 0
    expect(moby.tokenBytes(0)).toEqual(Uint8Array.of(0x21))
  })
})

describe('special tokens', () => {
  const text = 'Fine.<|endoftext|>More'

  it('are rejected unless the call says otherwise, with the place', () => {
    let error: unknown
    try {
      moby.encode(text)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(TokenizerError)
    expect(error).toMatchObject({ code: 'SPECIAL_TOKEN', token: '<|endoftext|>', position: 5 })
    expect((error as Error).message).toContain("special: 'text'")
    // The failed call leaves nothing behind.
    expect(moby.decode(moby.encode('next'))).toBe('next')
  })

  it('become ids where allowed, and plain text where asked', () => {
    const allowed = moby.encode(text, { special: 'allow' })
    expect([...allowed].filter((id) => id === END)).toHaveLength(1)
    expect(moby.encode(text, { special: ['<|endoftext|>'] })).toEqual(allowed)
    const plain = moby.encode(text, { special: 'text' })
    expect(plain).not.toContain(END)
    expect(moby.decode(plain)).toBe(text)
    expect(moby.decode(allowed)).toBe(text)
    expect(moby.decode(allowed, { skipSpecial: true })).toBe('Fine.More')
    expect(moby.encode('', { special: 'allow' })).toEqual(new Uint32Array(0))
    expect([...moby.encode('<|endoftext|><|endoftext|>', { special: 'allow' })]).toEqual([END, END])
  })

  it('are rejected when a list does not name them, and lists may only name special tokens', () => {
    expect(codeOf(() => moby.encode(text, { special: [] }))).toBe('SPECIAL_TOKEN')
    expect(codeOf(() => moby.encode('a', { special: ['<|other|>'] }))).toBe('VALUE')
    expect(codeOf(() => moby.encode('a', { special: 'none' as 'text' }))).toBe('VALUE')
  })

  it('are found longest first', async () => {
    const tokenizer = await trainBpe('', { vocabSize: 260, specialTokens: ['<|a|>', '<|a|><|b|>', '<|b|>'] })
    expect([...tokenizer.encode('<|a|><|b|><|a|>', { special: 'allow' })]).toEqual([257, 256])
  })
})

describe('decoder', () => {
  it('gives, token by token, what decoding all at once gives', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(END), { maxLength: 40 }), fc.boolean(), (ids, skipSpecial) => {
        const stream = moby.decoder({ skipSpecial })
        for (let repeat = 0; repeat < 2; repeat++) {
          const parts = ids.map((id) => stream.push(id))
          expect(parts.join('') + stream.flush()).toBe(moby.decode(ids, { skipSpecial }))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('never gives a part of a character, and keeps streams apart', () => {
    const emoji = [...moby.encode('\u{1f600}')]
    expect(emoji.length).toBeGreaterThan(1)
    const [a, b] = [moby.decoder(), moby.decoder()]
    expect(a.push(emoji[0]!)).toBe('')
    expect(b.push(moby.encode('x')[0]!)).toBe('x')
    expect(
      emoji
        .slice(1)
        .map((id) => a.push(id))
        .join(''),
    ).toBe('\u{1f600}')
    a.push(emoji[0]!)
    expect(a.flush()).toBe('\ufffd')
    expect(a.push(moby.encode('x')[0]!)).toBe('x')
  })
})

describe('ids that are none', () => {
  it.each([1024, -1, 1.5, NaN, 2 ** 32 + 1])('%d is refused with its place', (id) => {
    expect(codeOf(() => moby.tokenBytes(id))).toBe('TOKEN_ID')
    expect(codeOf(() => moby.decoder().push(id))).toBe('TOKEN_ID')
    expect(() => moby.decode([0, id])).toThrow(/at index 1; ids are integers from 0 to 1023/)
  })
})
