import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mobyJson } from '../../__fixtures__/reference.js'
import { sentencePieceAnswers, unzipped } from '../../__fixtures__/sentencepiece.js'
import { codeOf, trickyText, wellFormed } from '../../__fixtures__/text.js'
import { TokenizerError } from '../../errors.js'
import { Tokenizer } from '../../tokenizer.js'
import { readModelProto } from '../sentencepiece/model-proto.js'
import { readGgufMetadata } from './file.js'
import { ggufPreTokenizers } from './pre-tokenizers.js'

const PRE = 'tokenizer.ggml.'

/** GPT-2's kind of vocabulary, from the tokenizer.json of the fixtures. */
function byteLevel(extra: Record<string, unknown> = {}): Record<string, unknown> {
  const { vocab, merges } = mobyJson()['model'] as { vocab: Record<string, number>; merges: [string, string][] }
  const tokens = Object.keys(vocab).sort((a, b) => vocab[a]! - vocab[b]!)
  return {
    [`${PRE}model`]: 'gpt2',
    [`${PRE}pre`]: 'gpt-2',
    [`${PRE}tokens`]: tokens,
    [`${PRE}token_type`]: tokens.map((token) => (token === '<|endoftext|>' ? 3 : 1)),
    [`${PRE}merges`]: merges.map((pair) => pair.join(' ')),
    [`${PRE}eos_token_id`]: vocab['<|endoftext|>'],
    ...extra,
  }
}

/** A SentencePiece model as a converter writes it. */
function pieces(name: string, model: 'llama' | 't5', extra: Record<string, unknown> = {}): Map<string, unknown> {
  const proto = readModelProto(unzipped(sentencePieceAnswers()[name]!.model))
  const text = new TextDecoder()
  return new Map(
    Object.entries({
      [`${PRE}model`]: model,
      [`${PRE}tokens`]: Array.from(proto.types, (_, id) => text.decode(proto.text.subarray(proto.starts[id], proto.starts[id + 1]))),
      [`${PRE}scores`]: proto.scores,
      [`${PRE}token_type`]: Int32Array.from(proto.types),
      [`${PRE}unknown_token_id`]: 0,
      [`${PRE}bos_token_id`]: 1n,
      [`${PRE}eos_token_id`]: 2,
      [`${PRE}add_space_prefix`]: proto.normalizer.addDummyPrefix,
      [`${PRE}remove_extra_whitespaces`]: proto.normalizer.removeExtraWhitespaces,
      // Arrays of signed bytes come so.
      ...(proto.normalizer.charsmap === undefined ? {} : { [`${PRE}precompiled_charsmap`]: Int8Array.from(proto.normalizer.charsmap) }),
      ...extra,
    }),
  )
}

function inItself(): Record<string, unknown> {
  const metadata: Record<string, unknown> = {}
  metadata[`${PRE}model`] = metadata
  return metadata
}

describe('fromGGUF', () => {
  it('reads byte-level BPE, the same as from tokenizer.json', () => {
    const fromJson = Tokenizer.fromJSON(mobyJson())
    const tokenizer = Tokenizer.fromGGUF(byteLevel())
    fc.assert(
      fc.property(trickyText(), (text) => {
        const ids = tokenizer.encode(text, { special: 'text' })
        expect(ids).toEqual(fromJson.encode(text, { special: 'text' }))
        expect(tokenizer.decode(ids)).toBe(wellFormed(text))
      }),
    )
    expect(tokenizer.eosId).toBe(fromJson.specialTokens.get('<|endoftext|>'))
  })

  it('adds the tokens that the file or its kind asks for', () => {
    const end = Tokenizer.fromGGUF(byteLevel()).eosId!
    const bos = { [`${PRE}bos_token_id`]: end }
    const ids = (extra: Record<string, unknown>): number[] => [...Tokenizer.fromGGUF(byteLevel({ ...bos, ...extra })).encode('a')]
    const [a] = ids({})
    expect(ids({})).toEqual([a])
    expect(ids({ [`${PRE}add_bos_token`]: true, [`${PRE}add_eos_token`]: true })).toEqual([end, a, end])
    expect(ids({ [`${PRE}pre`]: 'llama-bpe' })).toEqual([end, a])
    expect(ids({ [`${PRE}pre`]: 'llama-bpe', [`${PRE}add_bos_token`]: false })).toEqual([a])
  })

  it.each([...ggufPreTokenizers.keys()])('cuts text by %s without loss', (name) => {
    const tokenizer = Tokenizer.fromGGUF(byteLevel({ [`${PRE}pre`]: name }))
    const text = 'Call me Ishmael.\r\n\n  It\u2019s 12345 \u00e9t\u00e9s, \u4e2d\u6587\u3002 \u{1f600}!?  '
    expect(tokenizer.decode(tokenizer.encode(text, { addSpecial: false }))).toBe(text)
  })

  it.each([
    ['bpe-llama', 'llama'],
    ['unigram-rules', 't5'],
    ['unigram-bytes', 't5'],
  ] as const)('reads the pieces of %s, the same as from the model file', (name, model) => {
    const { cases } = sentencePieceAnswers()[name]!
    const tokenizer = Tokenizer.fromGGUF(pieces(name, model))
    for (const { text, ids } of cases) {
      expect([...tokenizer.encode(text, { special: 'text', addSpecial: false })], JSON.stringify(text)).toEqual(ids)
    }
    const [first, second] = [tokenizer.encode('whale'), tokenizer.encode('whale', { addSpecial: false })]
    expect([...first]).toEqual(model === 'llama' ? [1, ...second] : [...second, 2])
  })

  it.each([
    ['bpe-llama', 'llama'],
    ['unigram-bytes', 't5'],
  ] as const)('writes the pieces of %s as a tokenizer.json', (name, model) => {
    const given = pieces(name, model)
    const tokens = given.get(`${PRE}tokens`) as string[]
    const withSymbol = (id: number): Tokenizer => {
      const types = [...(given.get(`${PRE}token_type`) as Int32Array)]
      types[id] = 4
      return Tokenizer.fromGGUF(new Map([...given, [`${PRE}token_type`, types]]))
    }
    const id = tokens.findIndex((token, at) => at > 260 && /^[a-z]{2,}$/.test(token))
    const tokenizer = withSymbol(id)
    const written = Tokenizer.fromJSON(JSON.stringify(tokenizer))
    const symbol = tokens[id]!
    for (const text of ['the whale', '  two </s> three', `${symbol} and${symbol}${symbol} <s>`, '\u4e2d\u{1f600} unknown', '']) {
      expect(written.encode(text, { special: 'allow' }), text).toEqual(tokenizer.encode(text, { special: 'allow' }))
    }
    expect(tokenizer.encode(`the ${symbol}`)).toContain(id)
    if (model === 'llama')
      expect(codeOf(() => withSymbol(tokens.findIndex((token) => /^\u2581[a-z]/.test(token))).toJSON())).toBe('UNSUPPORTED')
  })

  it('writes control tokens out, unlike SentencePiece, and leaves them out on demand', () => {
    const tokenizer = Tokenizer.fromGGUF(pieces('bpe-llama', 'llama'))
    const ids = tokenizer.encode('the whale')
    expect(tokenizer.decode(ids)).toBe('<s> the whale')
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('the whale')
  })

  it('lets Phi-3’s tokens take the white space behind them', () => {
    const types = [...(pieces('bpe-llama', 'llama').get(`${PRE}token_type`) as Int32Array)]
    const encode = (name: string, text: string): number[] => {
      const tokenizer = Tokenizer.fromGGUF(pieces('bpe-llama', 'llama', { 'general.name': name, [`${PRE}token_type`]: types }))
      return [...tokenizer.encode(text, { special: 'allow', addSpecial: false })]
    }
    expect(encode('Phi-3 mini', '</s>\n\n the')).toEqual(encode('Phi-3 mini', '</s>the'))
    expect(encode('another', '</s>\n\n the')).not.toEqual(encode('another', '</s>the'))
  })

  it('reads BERT’s WordPiece', () => {
    const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '\u2581whale', '\u2581the', 's', '\u2581,']
    const tokenizer = Tokenizer.fromGGUF({
      [`${PRE}model`]: 'bert',
      [`${PRE}tokens`]: tokens,
      [`${PRE}token_type`]: tokens.map((token) => (token.startsWith('[') ? 3 : 1)),
    })
    expect([...tokenizer.encode('The WHALES, whaler')]).toEqual([2, 5, 4, 6, 7, 1, 3])
    expect(tokenizer.decode([5, 4, 6])).toBe('the whales')
  })

  it.each([
    ['nothing', null, 'VALUE', /as a Map or an object, got null/],
    ['a model in itself', inItself(), 'FILE', /model should be a string, got an object that cannot be written/],
    ['no model', {}, 'FILE', /tokenizer\.ggml\.model should be a string/],
    ['another model', { [`${PRE}model`]: 'rwkv' }, 'UNSUPPORTED', /"rwkv"; 'gpt2', 'llama', 't5' and 'bert' are supported/],
    ['no tokens', { [`${PRE}model`]: 'llama' }, 'FILE', /tokens should be an array of strings, got nothing/],
    ['an unknown split', byteLevel({ [`${PRE}pre`]: 'x' }), 'UNSUPPORTED', /pre is "x"; known are gpt-2,/],
    ['no split', byteLevel({ [`${PRE}pre`]: undefined }), 'UNSUPPORTED', /pre is missing/],
    ['merges of one', byteLevel({ [`${PRE}merges`]: ['ab'] }), 'FILE', /merges\[0\] should be two tokens/],
    ['few types', byteLevel({ [`${PRE}token_type`]: [1] }), 'FILE', /token_type should be an array of \d+ numbers/],
    ['a strange type', pieces('bpe-llama', 'llama', { [`${PRE}token_type`]: new Float64Array(732).fill(9) }), 'FILE', /token_type/],
    ['no scores', pieces('bpe-llama', 'llama', { [`${PRE}scores`]: undefined }), 'FILE', /scores should be an array/],
    ['an id that is none', byteLevel({ [`${PRE}eos_token_id`]: 2 ** 40 }), 'FILE', /eos_token_id should be an id below/],
    ['a text for a flag', byteLevel({ [`${PRE}add_bos_token`]: 'yes' }), 'FILE', /add_bos_token should be true or false, got "yes"/],
  ])('refuses %s', (_, metadata, code, problem) => {
    expect(codeOf(() => Tokenizer.fromGGUF(metadata as never))).toBe(code)
    expect(() => Tokenizer.fromGGUF(metadata as never)).toThrow(problem)
  })
})

/** A GGUF file of these keys; enough of the format for tests. */
function gguf(entries: readonly (readonly [string, number, (bytes: number[]) => void])[]): Uint8Array {
  const bytes: number[] = [0x47, 0x47, 0x55, 0x46, 3, 0, 0, 0, ...u64(0), ...u64(entries.length)]
  for (const [key, type, value] of entries) {
    bytes.push(...text(key), ...u32(type))
    value(bytes)
  }
  return Uint8Array.from(bytes)
}
const u32 = (value: number): number[] => [...new Uint8Array(Uint32Array.of(value).buffer)]
const u64 = (value: number): number[] => [...new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)]
const text = (value: string): number[] => [...u64(new TextEncoder().encode(value).length), ...new TextEncoder().encode(value)]

describe('a GGUF file', () => {
  const whole = gguf([
    [`${PRE}model`, 8, (bytes) => bytes.push(...text('bert'))],
    [`${PRE}tokens`, 9, (bytes) => bytes.push(...u32(8), ...u64(3), ...text('[UNK]'), ...text('\u2581whale'), ...text('\ufeff'))],
    ['a.flag', 7, (bytes) => bytes.push(1)],
    ['a.float', 6, (bytes) => bytes.push(...new Uint8Array(Float32Array.of(0.5).buffer))],
    ['a.large', 10, (bytes) => bytes.push(255, 255, 255, 255, 255, 255, 255, 255)],
    ['a.small', 11, (bytes) => bytes.push(255, 255, 255, 255, 255, 255, 255, 255)],
    ['a.list', 9, (bytes) => bytes.push(...u32(1), ...u64(2), 255, 7)],
  ])

  it('gives its metadata', () => {
    expect(readGgufMetadata(whole)).toEqual(
      new Map<string, unknown>([
        [`${PRE}model`, 'bert'],
        [`${PRE}tokens`, ['[UNK]', '\u2581whale', '\ufeff']],
        ['a.flag', true],
        ['a.float', 0.5],
        ['a.large', 2n ** 64n - 1n],
        ['a.small', -1],
        ['a.list', Int8Array.of(-1, 7)],
      ]),
    )
    expect([...Tokenizer.fromGGUF(whole).encode('whale', { addSpecial: false })]).toEqual([1])
  })

  const many = (bytes: number[]): void => void bytes.push(...u32(8), ...u64(2 ** 40))
  const deep = (bytes: number[]): void => void bytes.push(...Array.from({ length: 50 }, () => [...u32(9), ...u64(1)]).flat())
  it.each([
    ['nothing', new Uint8Array(0), /too few for a header/],
    ['another format', new Uint8Array(40), /does not begin with "GGUF"/],
    ['version 1', Uint8Array.from(whole, (byte, i) => (i === 4 ? 1 : byte)), /version 1; 2 and 3/],
    ['more keys than bytes', Uint8Array.from(whole, (byte, i) => (i === 18 ? 255 : byte)), /should hold \d+ keys, which its/],
    [
      'a text beyond the end',
      gguf([['k', 8, (bytes) => bytes.push(...u64(99))]]),
      /should hold 99 bytes of k, which its 0 bytes left cannot/,
    ],
    ['an array beyond the end', gguf([['k', 9, many]]), /elements of k/],
    ['an unknown type', gguf([['k', 13, (bytes) => bytes.push(0)]]), /gives k the type 13/],
    ['arrays in arrays', gguf([['k', 9, deep]]), /more than 4 deep/],
    ['a cut number', gguf([['k', 4, (bytes) => bytes.push(0)]]), /ends inside k/],
  ])('is refused: %s', (_, file, problem) => {
    expect(codeOf(() => readGgufMetadata(file))).toBe('FILE')
    expect(() => readGgufMetadata(file)).toThrow(problem)
  })

  it('loads or is refused, whatever bytes change or are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.option(fc.nat(whole.length)),
        (changes, cut) => {
          const bytes = whole.slice(0, cut ?? undefined)
          for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte
          try {
            Tokenizer.fromGGUF(bytes).encode('the whale')
          } catch (error) {
            if (!(error instanceof TokenizerError)) throw error
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})

const data = new URL('../../../../../../shared/data/vocab/', import.meta.url)
describe.skipIf(!existsSync(new URL('ggml-vocab-gpt-2.gguf', data)))('real vocabularies in GGUF (needs ../shared/data)', () => {
  it.each(['gpt-2', 'llama-spm', 'phi-3', 'bert-bge'])('%s gives the ids of llama.cpp’s cases', (name) => {
    const path = `ggml-vocab-${name}.gguf`
    const tokenizer = Tokenizer.fromGGUF(readFileSync(new URL(path, data)))
    const inputs = readFileSync(new URL(`${path}.inp`, data), 'utf8').split('\n__ggml_vocab_test__\n')
    const outputs = readFileSync(new URL(`${path}.out`, data), 'utf8').split('\n')
    expect(inputs.length).toBeGreaterThanOrEqual(46)
    for (const [i, input] of inputs.entries()) {
      expect([...tokenizer.encode(input, { special: 'text', addSpecial: false })].join(' '), JSON.stringify(input)).toBe(outputs[i]!.trim())
    }
  })
})
