import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hfTokenizer } from '../__fixtures__/hf-cases.js'
import { mobyJson } from '../__fixtures__/reference.js'
import { sentencePieceAnswers, unzipped } from '../__fixtures__/sentencepiece.js'
import { codeOf, trickyText, wellFormed } from '../__fixtures__/text.js'
import { Tokenizer } from '../tokenizer.js'

const tokenizers: readonly (readonly [string, Tokenizer])[] = [
  ['moby', Tokenizer.fromJSON(mobyJson())],
  ['gpt2', await Tokenizer.fromEncoding('r50k_base')],
  ['cl100k', await Tokenizer.fromEncoding('cl100k_base')],
  ['o200k', await Tokenizer.fromEncoding('o200k_base')],
]
const hfNames = ['bert', 'bert-cased', 'llama2', 'llama3', 'mistral', 'roberta', 't5', 'xlm-roberta', 'subword-bpe'] as const
const pieceModels = Object.entries(sentencePieceAnswers()).map(
  ([name, { model }]) => [`SentencePiece ${name}`, Tokenizer.fromSentencePiece(unzipped(model))] as const,
)
const options = { special: 'text' } as const
const words = fc.array(
  fc.oneof(
    trickyText(6),
    fc.constantFrom(' the', " they'll", '\n', '  ', ' 12345', '日本語。', '好，', "'s", 'ABʰCD', ' \n \n', 'éa\u0301', '🐋'),
  ),
  { maxLength: 10 },
)
const text = words.map((parts) => parts.join(''))

/** Beginnings or ends in whole characters, the longest first. */
function candidates(whole: string, side: 'left' | 'right'): string[] {
  const points = [...whole]
  return points.map((_, i) => (side === 'right' ? points.slice(0, points.length - i) : points.slice(i)).join('')).concat('')
}

describe.each(tokenizers)('limits of %s', (_, tokenizer) => {
  it('cut to the longest text that fits, as trying all does', () => {
    fc.assert(
      fc.property(text, fc.nat(14), fc.constantFrom('left' as const, 'right' as const), (whole, limit, side) => {
        const best = candidates(whole, side).find((each) => tokenizer.count(each, options) <= limit)!
        expect(tokenizer.truncateToTokens(whole, limit, { ...options, side })).toBe(best)
      }),
      { numRuns: 60 },
    )
  })

  it('tell whether a text fits', () => {
    fc.assert(
      fc.property(text, fc.nat(20), fc.nat(300), (part, limit, times) => {
        const whole = part.repeat(times)
        const count = tokenizer.count(whole, options)
        expect(tokenizer.isWithinLimit(whole, limit, options)).toBe(count <= limit)
        expect(tokenizer.isWithinLimit(whole, count, options)).toBe(true)
        if (count > 0) expect(tokenizer.isWithinLimit(whole, count - 1, options)).toBe(false)
      }),
      { numRuns: 40 },
    )
  })

  it('count a text that grows, however it is split', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(5), { minLength: 1 }), (whole, sizes) => {
        const counter = tokenizer.counter(options)
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = 1 + sizes[i % sizes.length]!
          expect(counter.push(whole.slice(at, at + size))).toBe(tokenizer.count(whole.slice(0, at + size), options))
          at += size
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe.each([...hfNames.map((name) => [name, hfTokenizer(name)] as const), ...pieceModels])('limits of %s', (_, tokenizer) => {
  it('are those of trying all, and counts those of the whole, however it is split', () => {
    const policy = fc.constantFrom('text' as const, 'allow' as const)
    const mixed = fc
      .array(fc.oneof(text, fc.constantFrom('whale ', 'a', ' ', '[MASK] ', '<s>', ' Queequeg', '1 ')), { maxLength: 5 })
      .map((parts) => parts.join(''))
    fc.assert(
      fc.property(mixed, fc.array(fc.nat(5), { minLength: 1 }), policy, fc.nat(14), (whole, sizes, special, limit) => {
        const counter = tokenizer.counter({ special })
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = 1 + sizes[i % sizes.length]!
          const shown = JSON.stringify([whole, at + size])
          expect(counter.push(whole.slice(at, at + size)), shown).toBe(tokenizer.count(whole.slice(0, at + size), { special }))
          at += size
        }
        const count = tokenizer.count(whole, { special })
        expect(tokenizer.isWithinLimit(whole, limit, { special })).toBe(count <= limit)
        const best = candidates(whole, 'right').find((each) => tokenizer.count(each, { special }) <= limit) ?? ''
        expect(tokenizer.truncateToTokens(whole, limit, { special }), JSON.stringify([whole, limit])).toBe(best)
      }),
      { numRuns: 12 },
    )
  })

  it('are told of long texts piece by piece', () => {
    const whole = 'Call me Ishmael. Some years ago -- never mind how long precisely -- having little money. '.repeat(130)
    const count = tokenizer.count(whole, options)
    expect(tokenizer.isWithinLimit(whole, count, options)).toBe(true)
    expect(tokenizer.isWithinLimit(whole, count - 1, options)).toBe(false)
  })
})

describe('limits', () => {
  it('hold for tokenizers with normalizers and special tokens around texts', () => {
    for (const name of ['bert', 'llama2', 't5', 'roberta']) {
      const tokenizer = hfTokenizer(name)
      const whole = 'Call me Ishmael. Some years ago, never mind how long precisely.'
      for (const side of ['left', 'right'] as const) {
        for (let limit = 0; limit < 24; limit++) {
          const best = candidates(whole, side).find((each) => tokenizer.count(each, options) <= limit) ?? ''
          expect(tokenizer.truncateToTokens(whole, limit, { ...options, side }), `${name} ${side} ${limit}`).toBe(best)
        }
      }
      const counter = tokenizer.counter(options)
      expect([...whole].map((each) => counter.push(each)).at(-1)).toBe(tokenizer.count(whole, options))
    }
  })

  it('take little time for long texts', () => {
    const tokenizer = tokenizers[2]![1]
    const long = 'Call me Ishmael. '.repeat(60_000)
    expect(tokenizer.isWithinLimit(long, 10, options)).toBe(false)
    expect(tokenizer.count(tokenizer.truncateToTokens(long, 200_001, options), options)).toBe(200_001)
    const counter = tokenizer.counter(options)
    let count = 0
    for (let at = 0; at < 200_000; at += 3) count = counter.push(long.slice(at, at + 3))
    expect(count).toBe(tokenizer.count(long.slice(0, 200_001), options))
  })

  it.each(['left', 'right'] as const)('find the place from the %s where unknown characters are one token or one run of bytes', (side) => {
    const bytes = Array.from({ length: 256 }, (_, byte) => [`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, -9] as const)
    const fallback = Tokenizer.fromJSON({
      normalizer: { type: 'Prepend', prepend: '▁' },
      added_tokens: [],
      model: { type: 'Unigram', unk_id: 0, byte_fallback: true, vocab: [['<unk>', 0], ['▁', -2], ['a', -3], ...bytes] },
    })
    // An added token that is normalized: this text cannot be counted as it grows.
    const json = JSON.parse(JSON.stringify(fallback)) as { added_tokens: object[] }
    json.added_tokens = [{ id: 259, content: 'Ahab', single_word: false, lstrip: false, rstrip: false, normalized: true, special: false }]
    for (const tokenizer of [fallback, Tokenizer.fromJSON(json)]) {
      const whole = '\u{1f600}'.repeat(20_000)
      const kept = tokenizer.truncateToTokens(whole, 102, { ...options, side })
      expect(kept).toBe('\u{1f600}'.repeat(25))
    }
  })

  it('hold for a vocabulary with a token so long that growing texts are counted as a whole', () => {
    const vocab = { a: 0, b: 1, ab: 2, ['b'.repeat(2000)]: 3 }
    const tokenizer = Tokenizer.fromJSON({ added_tokens: [], model: { type: 'BPE', vocab, merges: [['a', 'b']], unk_token: 'a' } })
    const whole = 'abb'.repeat(700)
    const counter = tokenizer.counter()
    expect(counter.push(whole.slice(0, 1500))).toBe(1000)
    expect(counter.push(whole.slice(1500))).toBe(1400)
    expect(tokenizer.truncateToTokens(whole, 1001)).toBe(`${whole.slice(0, 1500)}ab`)
  })

  it('refuse special tokens by the policy, and wrong limits', () => {
    const tokenizer = tokenizers[0]![1]
    const counter = tokenizer.counter()
    const before = counter.push('a')
    expect(codeOf(() => counter.push('<|endoftext|>'))).toBe('SPECIAL_TOKEN')
    expect(counter.push('')).toBe(before)
    expect(codeOf(() => tokenizer.truncateToTokens('a', -1))).toBe('VALUE')
    expect(codeOf(() => tokenizer.isWithinLimit('a', 0.5))).toBe('VALUE')
  })
})

describe('heal', () => {
  it('takes off the most tokens whose bytes another token goes on from', () => {
    const tokenizer = tokenizers[0]![1]
    const vocabulary = Array.from({ length: 1023 }, (_, id) => Buffer.from(tokenizer.tokenBytes(id)).toString('latin1'))
    fc.assert(
      fc.property(trickyText(), (given) => {
        const ids = tokenizer.encode(wellFormed(given), options)
        const { ids: kept, prefixBytes } = tokenizer.heal(ids)
        const written = Array.from(ids, (id) => vocabulary[id]!)
        let taken = 0
        for (let k = 1; k <= Math.min(ids.length, 40); k++) {
          const tail = written.slice(-k).join('')
          if (vocabulary.some((token) => token.length > tail.length && token.startsWith(tail))) taken = k
        }
        expect(kept).toEqual(ids.slice(0, ids.length - taken))
        expect(Buffer.from(prefixBytes).toString('latin1')).toBe(taken === 0 ? '' : written.slice(-taken).join(''))
      }),
      { numRuns: 12 },
    )
  })

  it('mends a prompt that ends inside a token, and leaves special tokens', async () => {
    const tokenizer = tokenizers[2]![1]
    const healed = tokenizer.heal(tokenizer.encode('Look at http:'))
    expect(tokenizer.decode(healed.ids) + new TextDecoder().decode(healed.prefixBytes)).toBe('Look at http:')
    expect(healed.prefixBytes.length).toBeGreaterThan(0)
    const end = tokenizer.specialTokens.get('<|endoftext|>')!
    expect([...tokenizer.heal([end]).ids]).toEqual([end])
    expect(codeOf(() => tokenizer.heal([2 ** 30]))).toBe('TOKEN_ID')
  })
})
