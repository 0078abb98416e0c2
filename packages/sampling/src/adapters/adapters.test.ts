/** What can be told without the libraries: `tests/consumers/adapters.test.ts` generates with them. */
import { describe, expect, it } from 'vitest'
import { codeOf } from '../__fixtures__/helpers.js'
import {
  llamaGenerate,
  llamaVocabulary,
  transformersProcessor,
  transformersVocabulary,
  type NodeLlamaModel,
  type NodeLlamaSequence,
} from '../adapters.js'
import * as grammar from '../grammar/grammar.js'
import { Vocabulary } from '../grammar/vocabulary.js'
import { topK } from '../index.js'
import { samplerChain } from '../chain.js'
import { byteLevelBytes } from './token-bytes.js'

const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : new TextDecoder().decode(bytes))

/** Single letters from a to h, and an end. */
const letters = new Vocabulary([...Array.from('abcdefgh', (letter) => Uint8Array.of(letter.charCodeAt(0))), undefined], { end: [8] })
const END = 8
const idsOf = (word: string): bigint[] => Array.from(word, (letter) => BigInt(letter.charCodeAt(0) - 97))

describe('the alphabet of byte-level tokens', () => {
  it('has a character for each byte, printable ones themselves', () => {
    const points = Array.from({ length: 0x144 }, (_, point) => point).filter(
      (point) => (point > 0x20 && point < 0x7f) || (point > 0xa0 && point !== 0xad),
    )
    const bytes = points.map((point) => byteLevelBytes(String.fromCharCode(point)))
    expect(bytes.every(({ length }) => length === 1)).toBe(true)
    expect(new Set(bytes.map(([byte]) => byte)).size).toBe(256)
    for (const [i, point] of points.entries()) if (point < 0x100) expect(bytes[i]![0]).toBe(point)
    expect(text(byteLevelBytes('ĠÃ©Ċ!'))).toBe(' é\n!')
    expect(text(byteLevelBytes('a b日'))).toBe('a b日')
  })
})

describe('a vocabulary of transformers.js', () => {
  const tokenizer = (decoder: object | null, added: readonly (readonly [number, string, boolean])[] = []) => ({
    get_vocab: () =>
      new Map<string | undefined, number>([
        ['Ġa', 0],
        ['<0x41>', 1],
        ['\u2581b', 2],
        [undefined, 3],
        ['x', 5],
      ]),
    get_added_tokens_decoder: () => new Map(added.map(([id, content, special]) => [id, { content, special }])),
    decoder: decoder === null ? null : { config: decoder },
  })

  it('is written as its decoder reads it, with gaps, without special tokens', () => {
    const bytes = (decoder: object) =>
      transformersVocabulary(
        tokenizer(decoder, [
          [5, '</s>', true],
          [6, '<Ġ>', false],
        ]),
        { end: [5] },
      ).tokens.map(text)
    expect(bytes({ type: 'ByteLevel' })).toEqual([' a', '<0x41>', '\u2581b', undefined, undefined, undefined, '<Ġ>'])
    expect(bytes({ type: 'Sequence', decoders: [{ type: 'Replace' }, { type: 'ByteFallback' }] })).toEqual([
      'Ġa',
      'A',
      ' b',
      undefined,
      undefined,
      undefined,
      '<Ġ>',
    ])
    expect(bytes({ type: 'Metaspace' })[1]).toBe('<0x41>')
  })

  it('is refused where tokens are no bytes, and where nothing ends a text', () => {
    for (const decoder of [{ type: 'WordPiece' }, { type: 'Sequence', decoders: [{ type: 'Replace' }, { type: 'BPEDecoder' }] }, null])
      expect(codeOf(() => transformersVocabulary(tokenizer(decoder), { end: [0] }))).toBe('VALUE')
    expect(codeOf(() => transformersVocabulary({ _tokenizer: tokenizer({ type: 'ByteLevel' }), eos_token_id: undefined }))).toBe('VALUE')
    expect(transformersVocabulary({ _tokenizer: tokenizer({ type: 'ByteLevel' }), eos_token_id: 5 }).end).toEqual([5])
  })
})

describe('a logits processor', () => {
  const allowed = (logits: Float32Array): string => Array.from('abcdefgh.?', (name, id) => (logits[id]! > -Infinity ? name : '')).join('')
  /** What may come next in each sequence; logits are of one token more than the vocabulary has. */
  const call = (processor: ReturnType<typeof transformersProcessor>, ...words: readonly string[]): string[] => {
    const data = Float32Array.from({ length: words.length * 10 }, (_, i) => i)
    const ids = words.map((word) => word.split('.').flatMap((part, i) => [...(i > 0 ? [BigInt(END)] : []), ...idsOf(part)]))
    const logits = { data, dims: [words.length, 10] }
    expect(processor(ids, logits)).toBe(logits)
    return words.map((_, i) => allowed(data.subarray(i * 10, i * 10 + 10)))
  }

  it('follows each sequence behind its prompt, also where one becomes another', () => {
    const processor = transformersProcessor(grammar.fromRegex('^(ab*c|de?)$'), letters)
    expect(call(processor, 'hh', 'gg')).toEqual(['ad', 'ad'])
    expect(call(processor, 'hha', 'ggd')).toEqual(['bc', 'e.'])
    expect(call(processor, 'hhab', 'ggde')).toEqual(['bc', '.'])
    // The second sequence goes on from the first; the first is finished.
    expect(call(processor, 'hhabc', 'ggabb')).toEqual(['.', 'bc'])
    expect(call(processor, 'hhabc.', 'ggabbc')).toEqual(['.', '.'])
    processor.reset()
    expect(call(processor, 'c')).toEqual(['ad'])
  })

  it('says where it was called for another generation, or with what it cannot read', () => {
    const processor = transformersProcessor(grammar.fromRegex('^a*$'), letters)
    call(processor, 'h')
    expect(codeOf(() => call(processor, 'h'))).toBe('STATE')
    expect(codeOf(() => call(processor, 'haa'))).toBe('STATE')
    expect(codeOf(() => call(processor, 'ha', 'ha'))).toBe('STATE')
    expect(codeOf(() => processor([idsOf('ha')], { data: new Uint16Array(10), dims: [1, 10] }))).toBe('VALUE')
    expect(codeOf(() => processor([idsOf('ha')], { data: new Float32Array(10), dims: [1, 1, 10] }))).toBe('VALUE')
    expect(codeOf(() => call(processor, 'hb'))).toBe('GRAMMAR')
  })
})

describe('node-llama-cpp', () => {
  const model = (kind: string, end: number, detokenize: (id: number) => string): NodeLlamaModel => ({
    fileInfo: {
      metadata: { tokenizer: { ggml: { model: kind, tokens: ['Ġabc', '<0x41>', 'Ġde', '<end>', '<call>'], token_type: [1, 6, 1, 3, 4] } } },
    },
    isEogToken: (id) => (id as number) === end,
    detokenize: (ids) => (ids as number[]).map(detokenize).join(''),
  })
  const right = ['abc', 'A', ' de', '', '<call>']

  it('has vocabularies that are what the model says they are', () => {
    const vocabulary = llamaVocabulary(model('gpt2', 3, (id) => right[id]!))
    expect(vocabulary.tokens.map(text)).toEqual([' abc', 'A', ' de', undefined, '<call>'])
    expect(vocabulary.end).toEqual([3])
    expect(() => llamaVocabulary(model('bert', 3, (id) => ['abc', 'A', 'de', '', ''][id]!))).toThrow('The vocabulary is of the kind "bert"')
    expect(codeOf(() => llamaVocabulary(model('gpt2', -1, (id) => right[id]!)))).toBe('VALUE')
  })

  /** Prefers later letters. */
  const sequence: NodeLlamaSequence<number> = {
    nextTokenIndex: 0,
    controlledEvaluate: (input) =>
      Promise.resolve(
        input.map((one) =>
          typeof one === 'number' ? undefined : { next: { logits: new Map(Array.from({ length: 9 }, (_, id) => [id, id])) } },
        ),
      ),
    eraseContextTokenRanges: () => Promise.resolve(),
  }
  const generate = async (options: object): Promise<string> => {
    const ids: number[] = []
    const all = { grammar: grammar.fromRegex('^[ab]{3}c?$'), vocabulary: letters, ...options }
    for await (const id of llamaGenerate(sequence, [7], all)) ids.push(id)
    return ids.map((id) => 'abcdefgh'[id]).join('')
  }

  it('generates until the text ends, or there are enough tokens', async () => {
    expect(await generate({})).toBe('bbb')
    expect(await generate({ maxTokens: 2 })).toBe('bb')
    expect(await generate({ maxTokens: 0 })).toBe('')
    expect(await generate({ sampler: samplerChain([topK(1)]) })).toBe('bbb')
  })

  it('refuses what is no prompt and no limit, and stops at a signal', async () => {
    await expect(generate({ maxTokens: -1 })).rejects.toMatchObject({ code: 'VALUE' })
    await expect(generate({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    const empty = llamaGenerate(sequence, [], { grammar: grammar.choice(['a']), vocabulary: letters })
    await expect(empty.next()).rejects.toMatchObject({ code: 'VALUE' })
  })
})
