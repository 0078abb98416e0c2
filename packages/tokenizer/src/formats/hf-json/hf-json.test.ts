import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mobyJson } from '../../__fixtures__/reference.js'
import { codeOf } from '../../__fixtures__/text.js'
import { TokenizerError } from '../../errors.js'
import { Tokenizer } from '../../tokenizer.js'
import { trainBpe } from '../../train/bpe.js'
import { bytesOf, byteToChar, byteOrder, writtenForm } from './byte-chars.js'
import type { TokenizerJson } from './schema.js'

const moby = () => structuredClone(mobyJson()) as unknown as TokenizerJson & Record<string, unknown>

/** A copy of the fixture with one place changed. */
function changed(path: string, value: unknown): unknown {
  const copy = moby() as unknown as Record<string, unknown>
  const keys = path.split('.')
  let at = copy
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>
  at[keys.at(-1)!] = value
  return copy
}

describe('the written form of bytes', () => {
  it('is GPT-2’s', () => {
    expect([0x20, 0x0a, 0x00, 0x41, 0xad, 0xff].map((byte) => byteToChar[byte])).toEqual(['Ġ', 'Ċ', 'Ā', 'A', 'Ń', 'ÿ'])
    expect(new Set(byteToChar).size).toBe(256)
    expect(byteOrder.slice(0, 2)).toEqual([0x21, 0x22])
    expect(byteOrder[188]).toBe(0)
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    expect(bytesOf(writtenForm(all))).toEqual(all)
    expect(bytesOf('a b')).toBeUndefined()
  })
})

describe('tokenizer.json', () => {
  it('comes back as it was read, from text or value', () => {
    expect(Tokenizer.fromJSON(moby()).toJSON()).toEqual(moby())
    expect(JSON.parse(JSON.stringify(Tokenizer.fromJSON(JSON.stringify(moby()))))).toEqual(moby())
  })

  it.each(['gpt2', 'cl100k', 'llama3'] as const)('keeps the %s split', async (pattern) => {
    const text = "One'S  two\n\n  three 12345\n  "
    const tokenizer = await trainBpe([text.repeat(3)], { vocabSize: 300, pattern })
    const again = Tokenizer.fromJSON(JSON.stringify(tokenizer))
    expect(again.encode(text)).toEqual(tokenizer.encode(text))
  })

  it('keeps a split of one’s own, which runs in bounded time or must be trusted', async () => {
    const tokenizer = await trainBpe(['ab12ab12'], { vocabSize: 260, pattern: /\d+/g })
    const json = JSON.stringify(tokenizer)
    expect(Tokenizer.fromJSON(json).encode('ab12')).toEqual(tokenizer.encode('ab12'))
    const unbounded = json.replace(String.raw`\\d+`, String.raw`(\\d)\\1`)
    expect(codeOf(() => Tokenizer.fromJSON(unbounded))).toBe('UNSUPPORTED')
    expect(Tokenizer.fromJSON(unbounded, undefined, { trustPattern: true }).encode('ab12').length).toBeGreaterThan(0)
    const broken = json.replace(String.raw`\\d+`, '(')
    expect(codeOf(() => Tokenizer.fromJSON(broken, undefined, { trustPattern: true }))).toBe('FILE')
  })

  it('reads merges written as one string', () => {
    const old = changed(
      'model.merges',
      moby().model.merges!.map((pair) => pair.join(' ')),
    )
    expect(Tokenizer.fromJSON(old).toJSON()).toEqual(moby())
  })

  it('takes whole pieces first where the file ignores merges', () => {
    const json = changed('model.ignore_merges', true) as TokenizerJson
    json.model.merges = []
    const ids = Tokenizer.fromJSON(json).encode(' the')
    expect(ids).toHaveLength(1)
    expect(Tokenizer.fromJSON(changed('model.merges', [])).encode(' the')).toHaveLength(4)
  })

  it('always finds added tokens that are not special', () => {
    const json = moby()
    json.added_tokens.push({
      id: 1024,
      content: 'Ishmael',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: true,
      special: false,
    })
    const tokenizer = Tokenizer.fromJSON(json)
    expect([...tokenizer.encode('Ishmael')]).toEqual([1024])
    expect([...tokenizer.encode('Ishmael', { special: 'text' })]).toEqual([1024])
    expect(tokenizer.vocabSize).toBe(1025)
    expect(tokenizer.decode([1024], { skipSpecial: true })).toBe('Ishmael')
  })

  it('may leave ids without a token', () => {
    const json = moby()
    json.added_tokens.push({
      id: 1030,
      content: '<|x|>',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })
    const tokenizer = Tokenizer.fromJSON(json)
    expect(tokenizer.vocabSize).toBe(1031)
    expect(() => tokenizer.decode([1027])).toThrow(/No token has the id 1027 at index 0; ids are below 1031, with gaps/)
    expect(Tokenizer.fromJSON(tokenizer.toJSON()).vocabSize).toBe(1031)
  })

  it('takes names that JavaScript objects have', async () => {
    const tokenizer = await trainBpe('', { vocabSize: 258, specialTokens: ['__proto__', 'constructor'] })
    const again = Tokenizer.fromJSON(JSON.stringify(tokenizer))
    expect([...again.encode('constructor__proto__', { special: 'allow' })]).toEqual([257, 256])
  })
})

describe('a malformed tokenizer.json', () => {
  it.each([
    ['not JSON', '{', /not JSON/],
    ['another value', '[1]', /the file should be an object, got \[1\]/],
    ['no model', changed('model', null), /model should be an object/],
    ['a vocabulary that is a list', changed('model.vocab', []), /model\.vocab should be an object/],
    ['an id that is text', changed('model.vocab.zz', '7'), /model\.vocab\["zz"\] should be an integer/],
    ['an id beyond memory', changed('model.vocab.zz', 2 ** 31), /model\.vocab\["zz"\] should be an integer from 0 to 2097151/],
    ['an id given twice', changed('model.vocab.zz', 3), /model\.vocab\["zz"\] should be an id of its own/],
    ['a merge of three', changed('model.merges.0', ['a', 'b', 'c']), /model\.merges\[0\] should be two tokens/],
    ['a merge of numbers', changed('model.merges.0', [1, 2]), /model\.merges\[0\] should be two tokens/],
    ['a merge of strangers', changed('model.merges.5', ['zq', 'b']), /model\.merges\[5\] should be tokens of the vocabulary/],
    ['a merge into nothing', changed('model.merges.5', ['Q', 'Z']), /whose join "QZ" is in the vocabulary/],
    ['added tokens that are no list', changed('added_tokens', {}), /added_tokens should be an array/],
    ['an added token without text', changed('added_tokens.0.content', ''), /added_tokens\[0\]\.content/],
    ['an added token with another id', changed('added_tokens.0.id', 5), /should be 1023 as in model\.vocab, got 5/],
    ['half a surrogate pair', changed('added_tokens.0.content', 'x\ud800'), /lone surrogates/],
    ['merges that are missing', changed('model.merges', undefined), /model\.merges should be an array, got nothing/],
  ])('%s: says where', (_, json, message) => {
    expect(codeOf(() => Tokenizer.fromJSON(json))).toBe('FILE')
    expect(() => Tokenizer.fromJSON(json)).toThrow(message)
  })

  it('whose vocabulary lacks a byte loses that byte, as Hugging Face’s library does', () => {
    const json = moby()
    delete json.model.vocab['Q']
    json.model.merges = json.model.merges!.filter((pair) => !pair.join('').includes('Q'))
    const tokenizer = Tokenizer.fromJSON(json)
    expect(tokenizer.decode(tokenizer.encode('The Quay'))).toBe('The uay')
  })

  it('either loads and works or is refused with a typed error, whatever is changed', () => {
    const places = [
      'version',
      'added_tokens',
      'added_tokens.0',
      'added_tokens.0.id',
      'added_tokens.0.special',
      'normalizer',
      'pre_tokenizer',
      'pre_tokenizer.type',
      'post_processor',
      'decoder',
      'decoder.type',
      'model',
      'model.type',
      'model.vocab',
      'model.vocab.the',
      'model.vocab.A',
      'model.merges',
      'model.merges.3',
      'model.merges.766',
      'model.ignore_merges',
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.oneof(fc.jsonValue(), fc.nat(1100), fc.constantFrom('ByteLevel', 'BPE', 'Sequence', 'a b')),
        (path, value) => {
          try {
            const tokenizer = Tokenizer.fromJSON(changed(path, value))
            // What it decodes to is the file's business by now; that both ways end, and agree with each other, is not.
            const ids = tokenizer.encode('Call me Ishmael.', { special: 'text' })
            const decoder = tokenizer.decoder()
            expect([...ids].map((id) => decoder.push(id)).join('') + decoder.flush()).toBe(tokenizer.decode(ids))
          } catch (error) {
            if (!(error instanceof TokenizerError)) throw error
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('or cut anywhere is refused with a typed error', () => {
    const text = JSON.stringify(moby())
    fc.assert(
      fc.property(fc.nat(text.length - 1), (length) => {
        expect(codeOf(() => Tokenizer.fromJSON(text.slice(0, length)))).toBe('FILE')
      }),
      { numRuns: 50 },
    )
  })

  it('and its configuration names tokens that exist', () => {
    expect(codeOf(() => Tokenizer.fromJSON(moby(), { eos_token: '</s>' }))).toBe('FILE')
    expect(Tokenizer.fromJSON(moby(), { eos_token: null }).eosId).toBeUndefined()
  })
})
