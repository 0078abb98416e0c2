import { describe, expect, it } from 'vitest'
import type { ProgressEvent } from '@tesserae/core'
import { Tokenizer } from '../../tokenizer.js'
import type { TrainUnigramOptions } from './options.js'
import { trainUnigram } from './train-unigram.js'

const lines = Array.from(
  { length: 60 },
  (_, i) =>
    `the ${i % 2 === 0 ? 'whale' : 'whales'} of the sea ${i % 3 === 0 ? 'swimming' : 'swims'} in ${i % 7} seas, über ${'nnn'.repeat(i % 4)}`,
)
const vocabOf = (tokenizer: Tokenizer) => tokenizer.toJSON().model.vocab as unknown as [string, number][]

/** The normalizer of Hugging Face's `SentencePieceUnigramTokenizer`. */
const nfkc = ['Nmt', 'NFKC', { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }]

describe('trainUnigram', () => {
  it('makes tokens of what is frequent, by falling score, with every character', async () => {
    const tokenizer = await trainUnigram(lines, { vocabSize: 44 })
    const vocab = vocabOf(tokenizer)
    expect(vocab.length).toBe(44)
    expect(vocab[0]).toEqual(['<unk>', 0])
    const scores = vocab.slice(1).map(([, score]) => score)
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
    expect(scores.every((score) => score < 0)).toBe(true)
    const forms = new Set(vocab.map(([form]) => form))
    expect(forms.size).toBe(44)
    for (const character of new Set(lines.join('').replaceAll(' ', '▁'))) expect(forms).toContain(character)
    expect(tokenizer.encodeWithOffsets('the whales').tokens).toEqual(['▁the', '▁whales'])
    const text = 'the swimming whales in 3 seas'
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  })

  it('comes out of toJSON and fromJSON as it went in', async () => {
    const options = { vocabSize: 46, specialTokens: ['<s>', '</s>'], bosToken: '<s>', eosToken: '</s>', normalizer: nfkc }
    const tokenizer = await trainUnigram(lines, options)
    const again = Tokenizer.fromJSON(JSON.stringify(tokenizer), { bos_token: '<s>', eos_token: '</s>' })
    for (const text of [...lines.slice(0, 4), 'ｗｈａｌｅ\tﬁn  sea', 'unknown ж 😀', '']) {
      expect([...again.encode(text)]).toEqual([...tokenizer.encode(text)])
    }
    expect(tokenizer.encodeWithOffsets('ｗｈａｌｅ   sea').tokens).toEqual(tokenizer.encodeWithOffsets('whale sea').tokens)
    expect([tokenizer.bosId, tokenizer.eosId]).toEqual([1, 2])
    expect([...tokenizer.specialTokens]).toEqual([
      ['<s>', 1],
      ['</s>', 2],
    ])
  })

  it('takes the unknown token from the special ones, adds it, or does without', async () => {
    const among = await trainUnigram(lines, { vocabSize: 44, specialTokens: ['[PAD]', '[UNK]'], unkToken: '[UNK]' })
    expect(
      vocabOf(among)
        .slice(0, 2)
        .map(([form]) => form),
    ).toEqual(['[PAD]', '[UNK]'])
    expect([...among.encode('ж')].at(-1)).toBe(1)
    const added = await trainUnigram(lines, { vocabSize: 44, specialTokens: ['[PAD]'] })
    expect([...added.encode('ж')].at(-1)).toBe(0)
    const without = await trainUnigram(lines, { vocabSize: 44, unkToken: null })
    expect(() => without.encode('ж')).toThrow(/unknown token/)
  })

  it('takes strings, iterables and async iterables alike, cut at special tokens', async () => {
    async function* stream() {
      yield* lines
    }
    const options = { vocabSize: 44, specialTokens: ['<|x|>'] }
    const expected = vocabOf(await trainUnigram(lines, options))
    expect(vocabOf(await trainUnigram(stream(), options))).toEqual(expected)
    expect(vocabOf(await trainUnigram(lines.join('<|x|>'), options))).toEqual(expected)
  })

  it('refuses what takes more memory than allowed', async () => {
    const words = Array.from({ length: 30_000 }, (_, i) => ((i * 2654435761) % 2 ** 32).toString(26))
    await expect(trainUnigram(words, { maxMemory: 2 ** 20 })).rejects.toMatchObject({ code: 'MEMORY' })
    await expect(trainUnigram('ab'.repeat(10_000), { maxMemory: 2 ** 20 })).rejects.toThrow(/2000\d characters of distinct words/)
    await expect(trainUnigram('a'.repeat(10_800), { maxMemory: 2 ** 20 })).rejects.toThrow(/places of 1\d pieces in distinct words/)
  })

  it('takes other components', async () => {
    const tokenizer = await trainUnigram(lines, {
      vocabSize: 60,
      normalizer: 'Lowercase',
      preTokenizer: ['WhitespaceSplit', 'Punctuation'],
      decoder: null,
    })
    expect(tokenizer.encodeWithOffsets('THE whale,').tokens).toEqual(['the', 'whale', ','])
  })

  it('gives characters of the initial alphabet a token at the end', async () => {
    const vocab = vocabOf(await trainUnigram(lines, { vocabSize: 44, initialAlphabet: ['ж', '😀', 'a'] }))
    expect(vocab.length).toBe(44)
    expect(vocab.map(([form]) => form)).toEqual(expect.arrayContaining(['ж', '😀', 'a']))
    expect(vocab.find(([form]) => form === '😀')![1]).toBeGreaterThan(vocab.find(([form]) => form === 'ж')![1])
  })

  it('gives fewer tokens than asked for where there are no more substrings, and works without any text', async () => {
    const small = await trainUnigram(['abc'], { vocabSize: 100 })
    expect(
      vocabOf(small)
        .map(([form]) => form)
        .sort(),
    ).toEqual(['<unk>', 'a', 'b', 'c', '▁'])
    expect((await trainUnigram([])).vocabSize).toBe(1)
    expect(
      vocabOf(await trainUnigram(['', ' '], { initialAlphabet: ['x'] }))
        .map(([form]) => form)
        .sort(),
    ).toEqual(['<unk>', 'x', '▁'])
  })

  it('keeps to the longest piece', async () => {
    const vocab = vocabOf(await trainUnigram(lines, { vocabSize: 44, maxPieceLength: 3 }))
    expect(Math.max(...vocab.slice(1).map(([form]) => form.length))).toBe(3)
  })

  it.each(['a', 'ab', 'abcdefghij'])('handles one word of 100,000 characters of %s', async (part) => {
    const tokenizer = await trainUnigram(part.repeat(100_000 / part.length), { vocabSize: 100 })
    expect(tokenizer.encode(part.repeat(1000)).length).toBeLessThan(part.length * 300)
  })

  it('reports progress that only grows, for both parts', async () => {
    const events: ProgressEvent[] = []
    await trainUnigram(lines, { vocabSize: 50, onProgress: (event) => events.push(event) })
    for (const task of ['count-pieces', 'train-unigram']) {
      const completed = events.filter((event) => event.task === task).map((event) => event.completed)
      expect(completed.length).toBeGreaterThan(0)
      expect(completed).toEqual(completed.toSorted((a, b) => a - b))
    }
    expect(events.at(-1)).toMatchObject({ task: 'train-unigram', unit: 'rounds' })
    expect(events.at(-1)!.completed).toBe(events.at(-1)!.total)
  })

  it('stops when its signal is aborted: before, while reading, while learning', async () => {
    await expect(trainUnigram('abc', { signal: AbortSignal.abort('no') })).rejects.toMatchObject({ code: 'ABORTED', cause: 'no' })
    async function* endless() {
      for (;;) yield 'more and more text '
    }
    await expect(trainUnigram(endless(), { signal: AbortSignal.timeout(60) })).rejects.toMatchObject({ name: 'AbortError' })
    const controller = new AbortController()
    const many = Array.from({ length: 10_000 }, (_, i) => ((i * 2654435761) % 2 ** 32).toString(26)).join(' ')
    const training = trainUnigram(many, {
      vocabSize: 100,
      signal: controller.signal,
      onProgress: ({ task }) => {
        if (task !== 'train-unigram' || controller.signal.aborted) return
        controller.abort()
      },
    })
    await expect(training).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it.each<[string, TrainUnigramOptions]>([
    ['no room for the characters of the texts', { vocabSize: 20 }],
    ['no room for the initial alphabet', { vocabSize: 40, initialAlphabet: [...'abcdefghijklmnopqrstuvwxyzABCDEFG'] }],
    ['a vocabulary that is no integer', { vocabSize: 300.5 }],
    ['a vocabulary without room for special tokens', { vocabSize: 2, specialTokens: ['<a>', '<b>'] }],
    ['a special token twice', { specialTokens: ['<a>', '<a>'] }],
    ['an empty special token', { specialTokens: [''] }],
    ['an empty unknown token', { unkToken: '' }],
    ['a special token with half a surrogate pair', { specialTokens: ['<\ud800>'] }],
    ['a begin token that is not special', { bosToken: '<s>' }],
    ['an alphabet of words', { initialAlphabet: ['ab'] }],
    ['a piece length of 0', { maxPieceLength: 0 }],
    ['a piece length of 256', { maxPieceLength: 256 }],
    ['a shrinking factor of 1', { shrinkingFactor: 1 }],
    ['no iterations', { nSubIterations: 0 }],
    ['no seeds', { seedSize: 0 }],
    ['an unknown normalizer', { normalizer: 'NFX' }],
    ['an unknown decoder', { decoder: 'Spaces' }],
    ['too little memory', { maxMemory: 10 }],
  ])('refuses %s', async (_, options) => {
    await expect(trainUnigram(lines, options)).rejects.toMatchObject({ code: 'VALUE' })
  })
})
