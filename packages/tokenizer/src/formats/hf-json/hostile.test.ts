import { describe, expect, it } from 'vitest'
import { codeOf } from '../../__fixtures__/text.js'
import { Tokenizer } from '../../tokenizer.js'

type Json = Record<string, unknown>
const vocab = { a: 0, b: 1, ' ': 2, '<unk>': 3 }
const file = (extra: Json = {}, model: Json = {}): Json => ({
  version: '1.0',
  model: { type: 'BPE', vocab, merges: [], unk_token: '<unk>', ...model },
  ...extra,
})
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
const replace = (content: string, pattern: Json = { String: 'a' }): Json => ({ type: 'Replace', pattern, content })
const token = (id: number, content: string): Json => ({ id, content, special: true })
const template = (single: unknown[], special_tokens: Json = {}): Json =>
  file({ post_processor: { type: 'TemplateProcessing', single, pair: [], special_tokens } })
const padding = (strategy: unknown, multiple: number | null = null): Json =>
  file({ padding: { strategy, direction: 'Right', pad_to_multiple_of: multiple, pad_id: 0, pad_type_id: 0, pad_token: 'a' } })

/** Each would take seconds or gigabytes, or end in an error of the engine. */
const hostile: readonly (readonly [string, unknown, 'FILE' | 'UNSUPPORTED', RegExp])[] = [
  ['lists too deep to be shown', `{"model":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'FILE', /model should be an object, got a list that cannot be written/],
  ['a number beyond doubles', '{"model":{"type":"BPE","merges":[],"vocab":{"a":1e999}}}', 'FILE', /model\.vocab\["a"\] should be an integer from 0 to 2097151, got Infinity/],
  ['an id of 2^24', file({}, { vocab: { ...vocab, x: 2 ** 24 } }), 'FILE', /model\.vocab\["x"\]/],
  ['ids without tokens', file({}, { vocab: { ...vocab, x: 2 ** 20 } }), 'UNSUPPORTED', /model\.vocab with the id 1048576 for one of 5 tokens/],
  ['added ids without tokens', file({ added_tokens: [token(2 ** 20, 'x')] }), 'UNSUPPORTED', /added_tokens with the id 1048576/],
  ['added tokens of megabytes', file({ added_tokens: [token(4, 'x'.repeat(2 ** 20)), token(5, 'y')] }), 'UNSUPPORTED', /added_tokens of 1048577 characters/],
  ['a long piece of Unigram', { model: { type: 'Unigram', unk_id: 0, vocab: [['<unk>', 0], ['é'.repeat(129), -1]] } }, 'UNSUPPORTED', /model\.vocab\[1\], a piece of Unigram with more than 256 bytes/],
  ['a long token of WordPiece', { model: { type: 'WordPiece', unk_token: 'a', continuing_subword_prefix: '##', max_input_chars_per_word: 1000, vocab: { a: 0, [`##${'a'.repeat(300)}`]: 1 } } }, 'UNSUPPORTED', /"##a+…" of 302 characters in words of up to 1000/],
  ['60 forms of Unicode', file({ normalizer: { type: 'Sequence', normalizers: times(60, () => ({ type: 'NFKD' })) } }), 'UNSUPPORTED', /beyond 64 components/],
  ['20 regular expressions', file({ normalizer: { type: 'Sequence', normalizers: times(20, () => replace('b', { Regex: 'a+' })) } }), 'UNSUPPORTED', /beyond 64 components/],
  ['bytes of bytes', file({ normalizer: { type: 'Sequence', normalizers: times(4, () => ({ type: 'ByteLevel' })) } }), 'UNSUPPORTED', /beyond 64 components/],
  ['a text that a template repeats', template(times(5, () => ({ Sequence: { id: 'A', type_id: 0 } }))), 'UNSUPPORTED', /post_processor\.single, which has a text 5 times/],
  ['special tokens by thousands', template(times(9, () => ({ SpecialToken: { id: 'x', type_id: 0 } })), { x: { id: 'x', ids: times(1000, () => 0), tokens: times(1000, () => 'a') } }), 'UNSUPPORTED', /adds 9000 special tokens/],
  ['padding to 2^31', padding({ Fixed: 2 ** 31 - 1 }), 'FILE', /padding\.strategy\.Fixed/],
  ['padding to a multiple of 2^31', padding('BatchLongest', 2 ** 31 - 1), 'FILE', /padding\.pad_to_multiple_of/],
] // prettier-ignore

describe('a tokenizer.json that means harm', () => {
  it.each(hostile)('is refused: %s', (_, given, code, problem) => {
    expect(codeOf(() => Tokenizer.fromJSON(given))).toBe(code)
    expect(() => Tokenizer.fromJSON(given)).toThrow(problem)
  })

  it('may name words that no text has, for they are never looked for', () => {
    const model = {
      type: 'WordPiece',
      unk_token: '<unk>',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: { ...vocab, ['a'.repeat(300)]: 4 },
    }
    expect([...Tokenizer.fromJSON({ model }).encode('a')]).toEqual([0])
    expect([...Tokenizer.fromJSON({ model }).encode('a'.repeat(300))]).toEqual([3])
  })

  it('may have gaps between ids, and pieces and tokens as long as real ones', () => {
    expect([...Tokenizer.fromJSON(file({ added_tokens: [token(60_000, 'x')] })).encode('ax', { special: 'allow' })]).toEqual([0, 60_000])
    const long = 'é'.repeat(128)
    const unigram = {
      type: 'Unigram',
      unk_id: 0,
      vocab: [
        ['<unk>', 0],
        [long, -1],
      ],
    }
    expect([...Tokenizer.fromJSON({ model: unigram }).encode(long)]).toEqual([1])
  })

  it('is stopped where replacements make a text ever longer', () => {
    const doubling = (count: number) =>
      Tokenizer.fromJSON(file({ normalizer: { type: 'Sequence', normalizers: times(count, () => replace('aa')) } }))
    const text = 'a'.repeat(20_000)
    expect(doubling(2).encode(text)).toHaveLength(80_000)
    expect(codeOf(() => doubling(5).encode(text))).toBe('UNSUPPORTED')
    expect(() => Tokenizer.fromJSON(file({ normalizer: replace('b'.repeat(1000)) })).encodeWithOffsets(text)).toThrow(
      /more than 8 times as long/,
    )
  })
})

describe('a replacement of a string', () => {
  it.each([
    ['aa', 'b'],
    ['a', 'bb'],
    ['ab', ''],
    ['b', 'xyz'],
    ['😀', 'b'],
    ['😀a', ' '],
  ])('of %s by %j is the same with places and without', (pattern, content) => {
    const tokenizer = Tokenizer.fromJSON(
      file({
        normalizer: replace(content, { String: pattern }),
        pre_tokenizer: { type: 'Metaspace', replacement: 'a', prepend_scheme: 'first', split: true },
      }),
    )
    for (const text of ['', 'aa', 'aaa', 'abab', 'b', 'ba', '😀a😀', ' aab aa']) {
      expect([...tokenizer.encode(text)], text).toEqual([...tokenizer.encodeWithOffsets(text).ids])
    }
  })
})

describe('what would be written without end', () => {
  it('is refused: tokens of runs, which merge in as many ways as they have places', () => {
    const runs = times(600, (i) => 'a'.repeat(i + 2))
    const line = (bytes: Uint8Array | string, rank: number) => `${Buffer.from(bytes as string).toString('base64')} ${rank}`
    const file = [...times(256, (byte) => line(Uint8Array.of(byte), byte)), ...runs.map((run, i) => line(run, 256 + i))].join('\n')
    const tokenizer = Tokenizer.fromTiktoken(file, { pattern: 'gpt2' })
    expect([...tokenizer.encode('a'.repeat(601))]).toEqual([855])
    expect(codeOf(() => tokenizer.toJSON())).toBe('UNSUPPORTED')
  })
})
