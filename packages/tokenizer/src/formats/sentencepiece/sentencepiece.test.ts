import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sentencePieceAnswers, unitOfByte, unzipped } from '../../__fixtures__/sentencepiece.js'
import { codeOf, trickyText, wellFormed } from '../../__fixtures__/text.js'
import { TokenizerError } from '../../errors.js'
import { Tokenizer } from '../../tokenizer.js'
import { readSentencePiece } from './read.js'

const answers = sentencePieceAnswers()
const fileOf = (name: string): Uint8Array => unzipped(answers[name]!.model)
const tokenizerOf = (name: string): Tokenizer => Tokenizer.fromSentencePiece(fileOf(name))

describe.each(Object.keys(answers))('the model %s', (name) => {
  const { cases, decodings, size, bos, eos } = answers[name]!
  const tokenizer = tokenizerOf(name)
  const pipeline = readSentencePiece(fileOf(name)).pipeline!

  it('gives the ids of Python’s sentencepiece', () => {
    expect([tokenizer.vocabSize, tokenizer.bosId ?? -1, tokenizer.eosId ?? -1]).toEqual([size, bos, eos])
    for (const { text, ids } of cases) expect([...tokenizer.encode(text, { special: 'text' })], JSON.stringify(text)).toEqual(ids)
  })

  it('gives its pieces and their places', () => {
    for (const { text, ids, pieces, spans } of cases) {
      const tokens = pipeline.tokenize(text, 'text')
      expect([...tokens.ids]).toEqual(ids)
      expect(tokens.forms, JSON.stringify(text)).toEqual(pieces)
      const units = unitOfByte(text)
      for (const [i, [start, end]] of spans.entries()) {
        // Here all bytes of a character have its place; there only the last one does.
        const ofByte = start === end && /^<0x..>$/.test(pieces[i]!)
        expect(tokens.starts[i], `${JSON.stringify(text)} ${i}`).toBe(units[start])
        if (!ofByte) expect(tokens.ends[i], `${JSON.stringify(text)} ${i}`).toBe(units[end])
      }
    }
  })

  it('decodes as it does, whole and token by token, also what no text gives', () => {
    for (const { ids, decoded } of [...cases, ...decodings]) {
      expect(tokenizer.decode(ids), ids.join(' ')).toBe(decoded)
      const stream = tokenizer.decoder()
      expect(ids.map((id) => stream.push(id)).join('') + stream.flush(), ids.join(' ')).toBe(decoded)
    }
  })
})

describe('a SentencePiece tokenizer', () => {
  it('gives back any text when it falls back to bytes and drops nothing', () => {
    const tokenizer = tokenizerOf('bpe-llama')
    fc.assert(
      fc.property(trickyText(), (text) => {
        // A blank symbol in the text cannot be told from a blank.
        const ids = tokenizer.encode(text, { special: 'text' })
        expect(tokenizer.decode(ids)).toBe(wellFormed(text).replaceAll('\u2581', ' '))
      }),
    )
  })

  it('takes lone surrogates for U+FFFD', () => {
    const tokenizer = tokenizerOf('unigram-bytes')
    expect(tokenizer.encode('a\ud800b')).toEqual(tokenizer.encode('a\ufffdb'))
  })

  it('never lets text become a control token unless allowed', () => {
    const tokenizer = tokenizerOf('bpe')
    expect(codeOf(() => tokenizer.encode('one </s> two'))).toBe('SPECIAL_TOKEN')
    expect(tokenizer.encode('one</s>', { special: 'text' })).not.toContain(tokenizer.eosId)
    expect(tokenizer.encode('one</s>', { special: 'allow' }).at(-1)).toBe(tokenizer.eosId)
  })

  it('puts tokens around a text on demand', () => {
    const plain = tokenizerOf('bpe')
    const framed = Tokenizer.fromSentencePiece(fileOf('bpe'), { addBos: true, addEos: true })
    expect([...framed.encode('Call me')]).toEqual([plain.bosId, ...plain.encode('Call me'), plain.eosId])
    expect(framed.encode('Call me', { addSpecial: false })).toEqual(plain.encode('Call me'))
  })

  it('names the id without a token', () => {
    const tokenizer = tokenizerOf('unigram')
    expect(() => tokenizer.decode([1, tokenizer.vocabSize])).toThrow(/index 1/)
    expect(codeOf(() => tokenizer.decode([-1]))).toBe('TOKEN_ID')
    expect(codeOf(() => tokenizer.decode([1.5]))).toBe('TOKEN_ID')
  })

  it('gives the bytes of tokens', () => {
    const tokenizer = tokenizerOf('bpe-llama')
    const text = 'Call me \u4e2d\u{1f600}'
    const bytes = [...tokenizer.encode(text)].flatMap((id) => [...tokenizer.tokenBytes(id)])
    expect(new TextDecoder().decode(Uint8Array.from(bytes))).toBe(` ${text}`)
  })

  it.each(['unigram-bytes', 'unigram-phrases', 'bpe-llama', 'bpe-phrases', 'bpe-unused', 'char', 'word', 'unigram-rules'])(
    'takes time in proportion to the text: %s',
    (name) => {
      const tokenizer = tokenizerOf(name)
      for (const unit of ['a', ' ', '\u2581', 'ab ', '\u4e2d', 'Ishmael']) {
        tokenizer.decode(tokenizer.encode(unit.repeat(200_000 / unit.length)))
        // A quadratic step would take minutes.
      }
    },
  )
})

describe('malformed SentencePiece models', () => {
  const encoder = new TextEncoder()
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)])
  const message = (field: number, body: readonly number[]): number[] => [...varint(field * 8 + 2), ...varint(body.length), ...body]
  const piece = (text: string, type: number, score = 0): number[] =>
    message(1, [...message(1, [...encoder.encode(text)]), 21, ...new Uint8Array(Float32Array.of(score).buffer), 24, type])
  const file = (...parts: number[][]): Uint8Array => Uint8Array.from(parts.flat())
  const unknown = piece('<unk>', 2)
  const charsmap = (...bytes: number[]): number[] => message(3, message(2, bytes))

  it('is what these tests are built from', () => {
    const tokenizer = Tokenizer.fromSentencePiece(file(unknown, piece('\u2581', 1), piece('a', 1)))
    expect([...tokenizer.encode('aab')]).toEqual([1, 2, 2, 0])
  })

  it.each([
    ['an empty file', new Uint8Array(0), /no pieces/],
    ['a length beyond the end', file([10, 200, 1]), /a length of 200 bytes, but 0 are left \(at byte 3\)/],
    ['a cut number', file([10, 200]), /ends inside a number \(at byte 1\)/],
    ['a number that goes on', file([8, ...new Array<number>(12).fill(255)]), /more than ten bytes \(at byte 1\)/],
    ['an unknown wire type', file([11]), /wire type 3/],
    ['field 0', file([2, 0]), /field numbered 0/],
    ['a piece without text', file(message(1, [24, 1])), /piece 0 should have a text of 1 to 1024 bytes, got 0/],
    ['a piece that is not UTF-8', file(message(1, message(1, [255]))), /piece 0 has text in field 1 that is not UTF-8/],
    ['a huge piece', file(piece('a'.repeat(1025), 1)), /got 1025/],
    ['an unknown type', file(piece('a', 7)), /has the type 7/],
    ['a score that is none', file(piece('a', 1, NaN)), /has the score NaN/],
    ['a text for a number', file(message(1, message(2, [65]))), /wire type 5 in field 2, got 2/],
    ['no unknown token', file(piece('a', 1)), /no unknown token/],
    ['two unknown tokens', file(unknown, piece('<unk2>', 2)), /two unknown tokens, pieces 0 and 1/],
    ['a piece twice', file(unknown, piece('a', 1), piece('a', 4)), /"a" as piece 2 and before/],
    ['a byte that is none', file(unknown, piece('<0xZZ>', 6)), /should look like <0x0A>/],
    ['too few bytes', file(unknown, piece('<0x00>', 6), message(2, [152, 2, 1])), /lacks a token for byte 1/],
    [
      'a long text for the unknown',
      file(unknown, message(2, message(44, new Array<number>(300).fill(97)))),
      /at most 256 characters for the unknown, got 300/,
    ],
    ['an unknown kind of model', file(unknown, message(2, [24, 9])), /model type 9/],
    ['a charsmap of a byte', file(unknown, charsmap(1)), /too few for the size of its trie/],
    ['a trie beyond the end', file(unknown, charsmap(8, 0, 0, 0, 1)), /says its trie has 8 bytes, but only 1 follow/],
    ['a trie of broken units', file(unknown, charsmap(3, 0, 0, 0, 1, 2, 3)), /no multiple of 4/],
    ['replacements that are not UTF-8', file(unknown, charsmap(0, 0, 0, 0, 255)), /not UTF-8/],
    ['an endless replacement', file(unknown, charsmap(0, 0, 0, 0, ...new Array<number>(2000).fill(65))), /a replacement of 2000 bytes/],
  ])('are refused: %s', (_, bytes, problem) => {
    expect(codeOf(() => Tokenizer.fromSentencePiece(bytes))).toBe('FILE')
    expect(() => Tokenizer.fromSentencePiece(bytes)).toThrow(problem)
  })

  it.each(['unigram-rules', 'bpe-llama', 'bpe-unused', 'char'])(
    'load or are refused in time, whatever bytes change or are cut: %s',
    (name) => {
      const whole = fileOf(name)
      const text = 'Call me \u2126 Ishmael! \u4e2d fi char A\u00ad \u2581'
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
          fc.option(fc.nat(whole.length)),
          (changes, cut) => {
            const bytes = whole.slice(0, cut ?? undefined)
            for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
            try {
              const tokenizer = Tokenizer.fromSentencePiece(bytes)
              tokenizer.decode(tokenizer.encode(text, { special: 'text' }))
            } catch (error) {
              if (!(error instanceof TokenizerError)) throw error
            }
          },
        ),
        { numRuns: 300 },
      )
    },
  )
})

const real = new URL('../../../../../../shared/data/vocab/', import.meta.url)
describe.skipIf(!existsSync(new URL('sentencepiece-unigram.model', real)))('a real Unigram model (needs ../shared/data)', () => {
  it('gives the ids and text of Python’s sentencepiece for a book', async () => {
    const tokenizer = Tokenizer.fromSentencePiece(readFileSync(new URL('sentencepiece-unigram.model', real)))
    const ids = readFileSync(new URL('botchan.txt', real), 'utf8')
      .split('\n')
      .map((line) => tokenizer.encode(line, { special: 'text' }))
    expect(await sha256(ids.map((line) => line.join(' ')).join('\n'))).toBe(
      'f8c9f177adc80a5431dd687f815fe17e128ae3c7f4e68c3fc06e75f04d5a6935',
    )
    expect(await sha256(ids.map((line) => tokenizer.decode(line)).join('\n'))).toBe(
      '4c251de239b8aa61e85fd3ec2e7a4c5b7c9a82e451ef1e41484c0ff5d16500e7',
    )
  })
})

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Buffer.from(hash).toString('hex')
}
