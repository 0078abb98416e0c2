import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { trainCase, trainedForms, trainingFixture } from '../__fixtures__/training.js'
import { codeOf } from '../__fixtures__/text.js'
import { Tokenizer } from '../tokenizer.js'
import { trainBpe, type CharacterBpeOptions } from './bpe.js'
import { trainWordPiece } from './wordpiece.js'

const { corpus, samples, trained } = trainingFixture()

describe('trainBpe on characters and trainWordPiece', () => {
  it.each(trained.map((entry) => [entry.case.name, entry] as const))(
    'make the vocabulary of Hugging Face’s trainer: %s',
    async (_, expected) => {
      const tokenizer = await trainCase(expected.case, corpus)
      const { vocab, merges } = trainedForms(tokenizer)
      expect(vocab).toEqual(expected.vocab)
      expect({ count: merges.length, sha256: createHash('sha256').update(merges.join('\n')).digest('hex') }).toEqual(expected.merges)
      for (const made of [tokenizer, Tokenizer.fromJSON(JSON.stringify(tokenizer))]) {
        const ids = samples.map((text) => [...made.encode(text, { special: 'allow' })])
        expect(ids).toEqual(expected.ids)
        expect(ids.map((of) => made.decode(of))).toEqual(expected.decoded)
      }
    },
  )

  it('number what does not depend on frequency by code points', async () => {
    const tokenizer = await trainBpe(['ba ab éa'], {
      symbols: 'characters',
      vocabSize: 20,
      minFrequency: 3,
      specialTokens: ['<s>', '<unk>'],
      bosToken: '<s>',
      unkToken: '<unk>',
      continuingSubwordPrefix: '##',
      endOfWordSuffix: '_',
    })
    expect(trainedForms(tokenizer).vocab).toEqual(['<s>', '<unk>', 'a', 'b', 'é', '##a_', '##b_'])
    expect([tokenizer.bosId, tokenizer.specialTokens.get('<unk>')]).toEqual([0, 1])
    expect([...tokenizer.encode('ba x')]).toEqual([3, 5, 1])
  })

  it('keep the most frequent characters, the lower of equals, and those that are wanted in any case', async () => {
    const train = (options: Partial<CharacterBpeOptions>) => trainBpe('dd c b a aa', { symbols: 'characters', minFrequency: 9, ...options })
    expect(trainedForms(await train({})).vocab).toEqual(['a', 'b', 'c', 'd'])
    expect(trainedForms(await train({ limitAlphabet: 3 })).vocab).toEqual(['a', 'b', 'd'])
    expect(trainedForms(await train({ limitAlphabet: 3, initialAlphabet: ['🐚', 'c'] })).vocab).toEqual(['a', 'c', '🐚'])
  })

  it('take components by name, filled in as Hugging Face’s Python library does', async () => {
    const tokenizer = await trainBpe(['Ünder the sea'], {
      symbols: 'characters',
      vocabSize: 30,
      normalizer: ['NFD', { type: 'StripAccents' }, 'Lowercase'],
      preTokenizer: ['Digits', 'Metaspace'],
    })
    const json = tokenizer.toJSON()
    expect(json.normalizer).toEqual({ type: 'Sequence', normalizers: [{ type: 'NFD' }, { type: 'StripAccents' }, { type: 'Lowercase' }] })
    expect(json.pre_tokenizer).toEqual({
      type: 'Sequence',
      pretokenizers: [
        { type: 'Digits', individual_digits: false },
        { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      ],
    })
    expect(tokenizer.decode(tokenizer.encode('Under THE sea'))).toBe('under the sea')
  })

  it('undo by default what was done to the text', async () => {
    const text = 'sea shells sea shells'
    for (const options of [
      { preTokenizer: 'ByteLevel' },
      { preTokenizer: ['Digits', { type: 'Metaspace', replacement: '_' }] },
      { preTokenizer: 'WhitespaceSplit', endOfWordSuffix: '</w>' },
      { preTokenizer: 'WhitespaceSplit', continuingSubwordPrefix: '@@' },
    ] satisfies Partial<CharacterBpeOptions>[]) {
      const tokenizer = await trainBpe([text], { symbols: 'characters', vocabSize: 30, ...options })
      expect(tokenizer.decode(tokenizer.encode('sea shells')).trim()).toBe('sea shells')
    }
    const bare = await trainBpe([text], { symbols: 'characters', vocabSize: 30, decoder: null })
    expect(bare.toJSON().decoder).toBeNull()
  })

  it('make a tokenizer like BERT’s by default', async () => {
    const tokenizer = await trainWordPiece(['Low, LOWER, lówest; low lower lowest'], { vocabSize: 40 })
    expect([...tokenizer.specialTokens.keys()]).toEqual(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'])
    expect(tokenizer.encodeWithOffsets('lowest low, Löw ☃').tokens).toEqual(['lowest', 'low', ',', 'low', '[UNK]'])
    expect(tokenizer.decode(tokenizer.encode('Lower low'))).toBe('lower low')
  })

  it.each<[string, Partial<CharacterBpeOptions>]>([
    ['an unknown token that is not special', { unkToken: '<unk>' }],
    ['an alphabet of words', { initialAlphabet: ['ab'] }],
    ['an alphabet of half characters', { initialAlphabet: ['\ud83d'] }],
    ['a limit that is no number', { limitAlphabet: -1 }],
    ['a longest token of nothing', { maxTokenLength: 0 }],
    ['an unknown component', { preTokenizer: 'Words' }],
    ['a component that lacks a field', { preTokenizer: { type: 'CharDelimiterSplit' } }],
    ['a vocabulary that special tokens fill', { vocabSize: 1, specialTokens: ['<a>', '<b>'] }],
    ['too little memory', { maxMemory: 5 }],
    ['unknown symbols', { symbols: 'words' as 'characters' }],
  ])('refuse %s', async (_, options) => {
    const error: unknown = await trainBpe('abc', { symbols: 'characters', ...options }).catch((thrown: unknown) => thrown)
    expect(
      codeOf(() => {
        throw error
      }),
    ).toBe('VALUE')
  })
})
