import { describe, expect, it } from 'vitest'
import { sentencePieceAnswers, unzipped } from '../../__fixtures__/sentencepiece.js'
import { codeOf } from '../../__fixtures__/text.js'
import { Tokenizer } from '../../tokenizer.js'
import { readModelProto } from './model-proto.js'

const answers = sentencePieceAnswers()
const tokenizerOf = (name: string): Tokenizer => Tokenizer.fromSentencePiece(unzipped(answers[name]!.model))
/** Names of control tokens and bytes, which Hugging Face's models find in any text. */
const named = /<(s|\/s|unk|0x[0-9A-F]{2})>/

describe('toJSON of a SentencePiece tokenizer', () => {
  it.each(['unigram', 'unigram-bytes', 'unigram-cf', 'unigram-bare', 'unigram-phrases', 'bpe', 'bpe-llama', 'bpe-phrases'])(
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
    expect(steps('bpe-phrases')).toEqual(['Precompiled', 'Replace', 'Replace', 'Replace', 'Prepend', 'Replace'])
    expect(steps('bpe-llama')).toEqual(['Prepend', 'Replace'])
    expect(steps('unigram-bare')).toEqual(['Replace'])
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

describe('user-defined symbols in a tokenizer.json', () => {
  /** A vocabulary of single letters and one symbol. */
  const model = (kind: 'unigram' | 'bpe', flags: { readonly prefix: boolean }): Uint8Array => {
    const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)])
    const message = (field: number, body: readonly number[]): number[] => [...varint(field * 8 + 2), ...varint(body.length), ...body]
    const piece = (text: string, type: number, score: number): number[] =>
      message(1, [...message(1, [...new TextEncoder().encode(text)]), 21, ...new Uint8Array(Float32Array.of(score).buffer), 24, type])
    return Uint8Array.from([
      ...piece('<unk>', 2, 0),
      ...piece('<sep>', 4, 0),
      ...['\u2581', 'a', 'b', '<', 's', 'e', 'p', '>', 'ab', 'p>'].flatMap((text, i) => piece(text, 1, -1 - i)),
      ...message(2, [24, kind === 'unigram' ? 1 : 2]),
      ...message(3, [24, flags.prefix ? 1 : 0, 32, 0, 40, 1]),
    ])
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
