import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { differences, type HfFixture } from '../../__fixtures__/hf-cases.js'
import { codeOf } from '../../__fixtures__/text.js'
import { TokenizerError } from '../../errors.js'
import { Tokenizer } from '../../tokenizer.js'

const folder = new URL('../../__fixtures__/hf/', import.meta.url)
const fixtures = readdirSync(folder).map((file) => ({
  name: file.replace('.json', ''),
  fixture: JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as HfFixture,
}))
const of = (name: string): Record<string, unknown> => structuredClone(fixtures.find((entry) => entry.name === name)!.fixture.tokenizer)

/** The fixture's file with one place changed; a key of `path` may be an index. */
function changed(name: string, path: string, value: unknown): Record<string, unknown> {
  const copy = of(name)
  const keys = path.split('.')
  let at: Record<string, unknown> = copy
  for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>
  at[keys.at(-1)!] = value
  return copy
}

describe.each(fixtures)('$name', ({ fixture }) => {
  it('gives the ids, tokens, offsets, words, pairs and texts of Hugging Face tokenizers', () => {
    expect(fixture.cases.length).toBeGreaterThan(30)
    expect(differences(fixture)).toEqual([])
  })

  it('comes back as it was read, and works the same', () => {
    const written = JSON.parse(JSON.stringify(Tokenizer.fromJSON(fixture.tokenizer))) as Record<string, unknown>
    for (const part of ['truncation', 'padding', 'added_tokens', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder']) {
      expect(written[part], part).toEqual(fixture.tokenizer[part])
    }
    expect(differences({ ...fixture, tokenizer: written })).toEqual([])
  })

  it('streams what it decodes, whatever the ids', () => {
    const tokenizer = Tokenizer.fromJSON(fixture.tokenizer)
    const ids = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => {
      try {
        return tokenizer.decode([id]) !== undefined
      } catch {
        return false
      }
    })
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ids), { maxLength: 30 }), fc.boolean(), (some, skipSpecial) => {
        const decoder = tokenizer.decoder({ skipSpecial })
        const streamed = some.map((id) => decoder.push(id)).join('') + decoder.flush()
        expect(streamed).toBe(tokenizer.decode(some, { skipSpecial }))
      }),
      { numRuns: 60 },
    )
  })
})

describe('special tokens in a text', () => {
  it('are refused with their place, also where they are found after normalization', () => {
    for (const name of ['bert', 'llama3', 'clip']) {
      const tokenizer = Tokenizer.fromJSON(of(name))
      const [token] = [...tokenizer.specialTokens.keys()]
      expect(codeOf(() => tokenizer.encode(`é ab ${token} c`))).toBe('SPECIAL_TOKEN')
      expect(() => tokenizer.encode(`é ab ${token} c`)).toThrow(/at position 5\./)
    }
    const json = changed('bert-cased', 'normalizer.lowercase', false)
    const tokenizer = Tokenizer.fromJSON(json)
    // Found in the normalized text; the accents before it are gone there.
    expect(() => tokenizer.encode('e\u0301e\u0301 [X] c')).toThrow(/"\[X\]" at position 5\./)
    expect(tokenizer.encode('[X]', { special: 'text', addSpecial: false })).not.toEqual(
      tokenizer.encode('[X]', { special: 'allow', addSpecial: false }),
    )
    expect(codeOf(() => tokenizer.encode('x', { special: ['[Y]'] }))).toBe('VALUE')
  })
})

describe('the bytes of a token', () => {
  it.each([
    ['llama2', '\u2581the', ' the'],
    ['bert', 'the', ' the'],
    ['bert', '##s', 's'],
    ['suffix-bpe', 'the</w>', 'the '],
    ['t5', '\u2581the', ' the'],
    ['gpt2', '\u0120the', ' the'],
    ['wav2vec', '|', ' '],
  ])('of %s: %j is %j inside a text', (name, form, text) => {
    const json = of(name)
    const { vocab } = json['model'] as { vocab: Record<string, number> | [string, number][] }
    const id = Array.isArray(vocab) ? vocab.findIndex(([token]) => token === form) : vocab[form]!
    expect(new TextDecoder().decode(Tokenizer.fromJSON(json).tokenBytes(id))).toBe(text)
  })

  it('that stands for a byte is that byte', () => {
    const json = of('llama2')
    const id = (json['model'] as { vocab: Record<string, number> }).vocab['<0xC3>']!
    expect([...Tokenizer.fromJSON(json).tokenBytes(id)]).toEqual([0xc3])
  })
})

describe('tokenizer_config.json', () => {
  it('names tokens and may add them where the file adds none', () => {
    const config = { bos_token: '<|endoftext|>', eos_token: { content: '<|endoftext|>' }, add_bos_token: true, add_eos_token: true }
    const tokenizer = Tokenizer.fromJSON(of('gpt2'), JSON.stringify(config))
    const end = tokenizer.specialTokens.get('<|endoftext|>')!
    expect([tokenizer.bosId, tokenizer.eosId]).toEqual([end, end])
    const plain = [...tokenizer.encode('Ahab', { addSpecial: false })]
    expect([...tokenizer.encode('Ahab')]).toEqual([end, ...plain, end])
    expect([...Tokenizer.fromJSON(tokenizer.toJSON()).encode('Ahab')]).toEqual([end, ...plain, end])
    // Llama 3's file adds the token itself; once is enough.
    const llama = { bos_token: '<|begin_of_text|>', add_bos_token: true }
    expect(Tokenizer.fromJSON(of('llama3'), llama).encode('Ahab')).toEqual(Tokenizer.fromJSON(of('llama3')).encode('Ahab'))
  })

  it.each([
    [{ bos_token: '<nothing>' }, /bos_token of the configuration should be a token of the vocabulary/],
    [{ add_bos_token: true }, /because it is to be added/],
    [{ chat_template: 7 }, /chat_template of the configuration should be a string or a list/],
    ['{', /tokenizer_config\.json is not JSON/],
  ])('%j is refused', (config, message) => {
    expect(() => Tokenizer.fromJSON(of('gpt2'), config as never)).toThrow(message)
  })
})

describe('a component that is malformed', () => {
  const nested = (depth: number): unknown => (depth === 0 ? { type: 'NFC' } : { type: 'Sequence', normalizers: [nested(depth - 1)] })
  it.each([
    ['an unknown normalizer', changed('bert', 'normalizer.type', 'Rot13'), 'UNSUPPORTED', /normalizer Rot13/],
    [
      'an unknown step',
      changed('clip', 'pre_tokenizer.pretokenizers.1.type', 'Magic'),
      'UNSUPPORTED',
      /pre_tokenizer\.pretokenizers\[1\] Magic/,
    ],
    ['an unknown decoder', changed('llama2', 'decoder.decoders.2.type', 'X'), 'UNSUPPORTED', /decoder\.decoders\[2\] X/],
    ['an inherited name', changed('bert', 'decoder.type', 'constructor'), 'UNSUPPORTED', /decoder constructor/],
    ['an unknown model', changed('bert', 'model.type', 'Oracle'), 'UNSUPPORTED', /model Oracle/],
    ['chance', changed('llama2', 'model.dropout', 0.1), 'UNSUPPORTED', /model\.dropout/],
    ['depth', changed('bert', 'normalizer', nested(9)), 'UNSUPPORTED', /a Sequence in more than 8 others/],
    [
      'breadth',
      changed('bert', 'normalizer', { type: 'Sequence', normalizers: Array.from({ length: 100 }, () => nested(0)) }),
      'UNSUPPORTED',
      /beyond 64 components/,
    ],
    [
      'two frames',
      changed('llama3', 'post_processor.processors.0', of('bert')['post_processor']),
      'UNSUPPORTED',
      /more than one post-processor/,
    ],
    ['an expression that refers back', changed('clip', 'normalizer.normalizers.1.pattern.Regex', '(a)\\1'), 'UNSUPPORTED', /pattern/],
    [
      'a field that is missing',
      changed('bert', 'normalizer.lowercase', undefined),
      'FILE',
      /normalizer\.lowercase should be true or false, got nothing/,
    ],
    ['a sign of two', changed('t5', 'pre_tokenizer.replacement', 'ab'), 'FILE', /pre_tokenizer\.replacement should be one character/],
    [
      'contrary schemes',
      changed('t5', 'pre_tokenizer.add_prefix_space', false),
      'FILE',
      /should be never, because add_prefix_space is false/,
    ],
    ['a length of nothing', changed('wav2vec', 'pre_tokenizer.length', 0), 'FILE', /pre_tokenizer\.length should be an integer from 1/],
    [
      'a behavior of its own',
      changed('subword-bpe', 'pre_tokenizer.pretokenizers.2.behavior', 'Sideways'),
      'FILE',
      /should be Removed, Isolated/,
    ],
    [
      'a token without ids',
      changed('bert', 'post_processor.special_tokens', {}),
      'FILE',
      /post_processor\.single\[0\]\.SpecialToken\.id should be one of special_tokens/,
    ],
    ['a pair in a single', changed('bert', 'post_processor.single.1.Sequence.id', 'B'), 'FILE', /should be A, the only text/],
    ['a score that is none', changed('t5', 'model.vocab.5.1', 'high'), 'FILE', /model\.vocab\[5\]\[1\] should be a number/],
    ['an unknown id beyond', changed('t5', 'model.unk_id', 10_000), 'FILE', /model\.unk_id should be an integer from 0 to/],
    ['a negative length', changed('word-level', 'truncation.max_length', -1), 'FILE', /truncation\.max_length should be an integer/],
    ['a version to come', changed('bert', 'version', '2.0'), 'FILE', /version should be 1\.0/],
    [
      'a prefix without end',
      changed('llama2', 'normalizer.normalizers.0.prepend', 'x'.repeat(5000)),
      'UNSUPPORTED',
      /prepend of 5000 characters/,
    ],
    ['a merge without its prefix', changed('subword-bpe', 'model.merges.0', ['a', 'b']), 'FILE', /the second with the prefix "##"/],
  ])('%s: says where', (_, json, code, message) => {
    expect(() => Tokenizer.fromJSON(json)).toThrow(message)
    expect(codeOf(() => Tokenizer.fromJSON(json))).toBe(code)
  })

  it('is refused with a typed error or works, whatever is changed anywhere', () => {
    const values = [
      null,
      true,
      0,
      -1,
      0.5,
      1e9,
      '',
      'a',
      '\ud800',
      [],
      {},
      [null],
      'Sequence',
      'ByteLevel',
      { type: 'Fuse' },
      { Regex: '(' },
      undefined,
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...fixtures),
        fc.array(fc.nat(), { maxLength: 8 }),
        fc.constantFrom(...values),
        ({ name }, way, value) => {
          const json = of(name)
          let at = json as Record<string, unknown>
          for (const [i, step] of way.entries()) {
            const keys = Object.keys(at)
            if (keys.length === 0) break
            const key = keys[step % keys.length]!
            if (i === way.length - 1 || typeof at[key] !== 'object' || at[key] === null) {
              at[key] = value
              break
            }
            at = at[key] as Record<string, unknown>
          }
          try {
            const tokenizer = Tokenizer.fromJSON(json)
            tokenizer.decode(tokenizer.encode('Call me  Ishmael. 12 é 中 <s>', { special: 'text' }))
            JSON.stringify(tokenizer)
          } catch (error) {
            if (!(error instanceof TokenizerError)) throw error
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('that doubles a text again and again is not run', () => {
    const twice = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' }
    const normalizer = { type: 'Sequence', normalizers: Array.from({ length: 40 }, () => twice) }
    expect(() => Tokenizer.fromJSON(changed('t5', 'normalizer', normalizer)).encode('a')).toThrow(
      /The normalizer makes \d+ characters of \d+; a file that makes a text more than 8 times/,
    )
    const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false, trim_offsets: false }
    const splits = { type: 'Sequence', pretokenizers: Array.from({ length: 40 }, () => bytes) }
    expect(codeOf(() => Tokenizer.fromJSON(changed('bert', 'pre_tokenizer', splits)).encode('ß'))).toBe('UNSUPPORTED')
    const decoder = { type: 'Sequence', decoders: Array.from({ length: 40 }, () => twice) }
    const decoding = Tokenizer.fromJSON(changed('bert', 'decoder', decoder))
    const [id] = decoding.encode('a', { addSpecial: false })
    expect(codeOf(() => decoding.decode([id!]))).toBe('UNSUPPORTED')
  })

  it('lacks an unknown token only when it is needed', () => {
    const json = changed('bert', 'model.unk_token', '[GONE]')
    const tokenizer = Tokenizer.fromJSON(json)
    expect(tokenizer.encode('the').length).toBeGreaterThan(2)
    expect(codeOf(() => tokenizer.encode('\u{1f600}'))).toBe('UNSUPPORTED')
    expect(() => tokenizer.encode('\u{1f600}')).toThrow(/lacks the unknown token "\[GONE\]"/)
  })
})

describe('hostile text', () => {
  const long = [
    'a'.repeat(100_000), // letters
    ' '.repeat(100_000), // blanks
    `e${'\u0301\u0323'.repeat(50_000)}`, // marks
    '\u{1f600}'.repeat(50_000), // characters nobody knows
    '<|endoftex'.repeat(10_000), // added tokens that almost come
    '\u2581'.repeat(100_000), // signs
  ]
  it.each(fixtures)(
    'is taken by $name, however long',
    ({ fixture }) => {
      const tokenizer = Tokenizer.fromJSON(fixture.tokenizer)
      for (const text of long) {
        const ids = tokenizer.encode(text, { special: 'text' })
        expect(tokenizer.count(text, { special: 'text' })).toBe(ids.length)
      }
    },
    60_000,
  )
})
