import { describe, expect, it } from 'vitest'
import { precompiledCases, sentencePieceAnswers, unzipped } from '../../__fixtures__/sentencepiece.js'
import { codeOf } from '../../__fixtures__/text.js'
import { Tokenizer } from '../../tokenizer.js'
import { readModelProto } from './model-proto.js'

const answers = sentencePieceAnswers()
const tokenizerOf = (name: string): Tokenizer => Tokenizer.fromSentencePiece(unzipped(answers[name]!.model))
/** Names of control tokens and bytes, which Hugging Face's models find in any text. */
const named = /<(s|\/s|unk|0x[0-9A-F]{2})>/

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)])
const message = (field: number, body: readonly number[]): number[] => [...varint(field * 8 + 2), ...varint(body.length), ...body]
const piece = (text: string, type: number, score: number): number[] =>
  message(1, [...message(1, [...new TextEncoder().encode(text)]), 21, ...new Uint8Array(Float32Array.of(score).buffer), 24, type])

describe('toJSON of a SentencePiece tokenizer', () => {
  it.each(['unigram', 'unigram-bytes', 'unigram-cf', 'unigram-bare', 'unigram-phrases', 'bpe', 'bpe-llama'])(
    'says the same as the model: %s',
    (name) => {
      const original = tokenizerOf(name)
      const { cases } = answers[name]!
      const written = Tokenizer.fromJSON(JSON.stringify(original), { bos_token: '<s>', eos_token: '</s>' })
      expect([written.vocabSize, written.bosId, written.eosId]).toEqual([original.vocabSize, original.bosId, original.eosId])
      const texts = cases.filter(({ text }) => !named.test(text))
      expect(texts.length).toBeGreaterThan(10)
      for (const { text, ids, decoded } of texts) {
        expect([...written.encode(text)], JSON.stringify(text)).toEqual(ids)
        // What SentencePiece writes for unknown text has a blank before it, which at the beginning cannot be told from one that was added.
        if (!ids.slice(0, 3).includes(0)) expect(written.decode(ids), JSON.stringify(text)).toBe(decoded)
      }
      const long = 'the whale, '.repeat(40)
      expect(written.encode(long)).toEqual(original.encode(long))
      expect(written.encode('</s>', { special: 'allow' })).toEqual(original.encode('</s>', { special: 'allow' }))
    },
  )

  it('puts tokens around texts where the tokenizer does', () => {
    const framed = Tokenizer.fromSentencePiece(unzipped(answers['bpe']!.model), { addBos: true, addEos: true })
    expect(Tokenizer.fromJSON(framed.toJSON()).encode('Call me')).toEqual(framed.encode('Call me'))
  })

  it('writes the steps of normalization as components', () => {
    const steps = (name: string) =>
      (tokenizerOf(name).toJSON().normalizer as { normalizers: { type: string }[] }).normalizers.map(({ type }) => type)
    expect(steps('unigram-cf')).toEqual(['Replace', 'Replace', 'Replace', 'Prepend', 'Replace'])
    expect(steps('bpe-llama')).toEqual(['Prepend', 'Replace'])
    expect(steps('unigram-bare')).toEqual(['Replace'])
  })

  it('writes rules of normalization that look at one user-perceived character at a time', () => {
    const rules = unzipped(precompiledCases().rules)
    const normalizer = message(3, [...message(2, [...rules]), 24, 0, 32, 0, 40, 0])
    const file = Uint8Array.from([...piece('<unk>', 2, 0), ...piece('a', 1, -1), ...piece('\u00e9', 1, -2), ...normalizer])
    const json = Tokenizer.fromSentencePiece(file).toJSON()
    expect(json.normalizer).toEqual({
      type: 'Sequence',
      normalizers: [{ type: 'Precompiled', precompiled_charsmap: Buffer.from(rules).toString('base64') }],
    })
    expect([...Tokenizer.fromJSON(json).encode('ae\u0301')]).toEqual([1, 2])
  })

  it('writes every way to join two pieces, by falling score', () => {
    const model = tokenizerOf('bpe-llama').toJSON().model
    const proto = readModelProto(unzipped(answers['bpe-llama']!.model))
    const scores = model.merges!.map(([left, right]) => proto.scores[model.vocab[left + right]!]!)
    expect(scores.length).toBeGreaterThan(100)
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
  })

  it.each([
    ['unigram-suffix', /a blank that is put behind texts/],
    ['bpe-suffix', /a blank that is put behind texts/],
    ['unigram-rules', /rules of denormalization/],
    ['bpe-phrases', /a rule of normalization for more than one user-perceived character, "[^"]+"/],
    ['unigram-unused', /unused pieces such as "/],
    ['bpe-unused', /unused pieces such as "/],
    ['unigram-nfkc-symbols', /the user-defined symbol "foo bar", which normalization would change/],
    ['word', /a model of type word/],
    ['char', /a model of type char|user-defined/],
  ])('names what cannot be said: %s', (name, problem) => {
    const tokenizer = tokenizerOf(name)
    expect(codeOf(() => tokenizer.toJSON())).toBe('UNSUPPORTED')
    expect(() => tokenizer.toJSON()).toThrow(problem)
  })
})

const modelOf = (kind: 'unigram' | 'bpe', prefix: boolean, ...pieces: readonly (readonly number[])[]): Uint8Array => {
  const trained = message(2, [24, kind === 'unigram' ? 1 : 2])
  return Uint8Array.from([piece('<unk>', 2, 0), ...pieces, trained, message(3, [24, prefix ? 1 : 0, 32, 0, 40, 1])].flat())
}

describe('merges', () => {
  it('grow runs of one character from the left where scores are equal, as SentencePiece does', () => {
    const runs = ['\u2581', ...[2, 3, 4, 8, 16].map((count) => '\u2581'.repeat(count))]
    const file = modelOf('bpe', true, ...runs.map((run) => piece(run, 1, -5)), piece('a', 1, -6))
    const tokenizer = Tokenizer.fromSentencePiece(file)
    const written = Tokenizer.fromJSON(JSON.stringify(tokenizer))
    for (let count = 0; count < 40; count++) {
      const text = `a${' '.repeat(count)}a`
      expect(written.encode(text), String(count)).toEqual(tokenizer.encode(text))
    }
  })

  it.each([
    [
      'pieces of one score',
      [piece('a', 1, -1), piece('b', 1, -2), piece('ab', 1, -3), piece('ba', 1, -3)],
      /two pieces of one score, "ab" and "ba"/,
    ],
    ['characters that are no pieces', [piece('a', 1, -1), piece('ab', 1, -3)], /the piece "ab", whose character "b" is no piece/],
    ['two tokens of one name', [piece('a', 1, -1), piece('a', 3, 0)], /two tokens that are written "a"/],
    [
      'merges without end',
      Array.from({ length: 1000 }, (_, i) => piece('a'.repeat(i + 1), 1, -i)),
      /499500 merges with 333333000 characters; at most 2097152/,
    ],
  ])('cannot say %s', (_, pieces, problem) => {
    const tokenizer = Tokenizer.fromSentencePiece(modelOf('bpe', false, ...pieces))
    let thrown: unknown
    try {
      tokenizer.toJSON()
    } catch (error) {
      thrown = error
    }
    expect(thrown).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringMatching(problem) as unknown })
  })
})

describe('user-defined symbols in a tokenizer.json', () => {
  /** A vocabulary of single letters and one symbol. */
  const model = (kind: 'unigram' | 'bpe', { prefix }: { readonly prefix: boolean }): Uint8Array => {
    const letters = ['\u2581', 'a', 'b', '<', 's', 'e', 'p', '>', 'ab', 'p>'].map((text, i) => piece(text, 1, -1 - i))
    return modelOf(kind, prefix, piece('<sep>', 4, 0), ...letters)
  }
  const texts = ['a<sep>b', '<sep>', ' ab <sep> ab', 'p><sep>>', '<sep<sep>p>']

  it.each(['unigram', 'bpe'] as const)('are found before all else: %s', (kind) => {
    const tokenizer = Tokenizer.fromSentencePiece(model(kind, { prefix: kind === 'unigram' }))
    const written = Tokenizer.fromJSON(JSON.stringify(tokenizer))
    for (const text of texts) expect(written.encode(text), text).toEqual(tokenizer.encode(text))
    expect(tokenizer.encode('a<sep>b')).toContain(1)
  })

  it('cannot be said of BPE beside a blank in front', () => {
    const tokenizer = Tokenizer.fromSentencePiece(model('bpe', { prefix: true }))
    expect(() => tokenizer.toJSON()).toThrow(/"<sep>" beside a blank that is put in front/)
  })
})
