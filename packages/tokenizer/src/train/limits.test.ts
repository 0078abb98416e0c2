import { describe, expect, it } from 'vitest'
import type { Tokenizer } from '../tokenizer.js'
import { trainBpe, type TrainBpeOptions } from './bpe.js'
import type { ComponentSpec } from './components.js'
import { trainWordPiece } from './wordpiece.js'

/** Words that are all different. */
const words = (count: number): string =>
  Array.from({ length: count }, (_, i) => ((i * 2654435761) % 2 ** 32).toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[+digit]!)).join(
    ' ',
  )

const failureOf = (training: Promise<unknown>): Promise<Error> =>
  training.then(
    () => expect.unreachable(),
    (error: Error) => error,
  )

describe('limits of training', () => {
  it('names what to do when distinct pieces take more memory than allowed', async () => {
    const error = await failureOf(trainBpe([words(60_000)], { vocabSize: 300, maxMemory: 2 ** 20 }))
    expect(error).toMatchObject({ code: 'MEMORY' })
    expect(error.message).toMatch(
      /more than maxMemory, 1\.0 MB: .* for distinct pieces.*\d+ distinct pieces; raise maxMemory, give fewer texts/s,
    )
  })

  it('does so for what merging takes too', async () => {
    const error = await failureOf(trainBpe([words(60_000)], { vocabSize: 20_000, maxMemory: 6e6 }))
    expect(error).toMatchObject({ code: 'MEMORY' })
    expect(error.message).toMatch(/symbols of distinct pieces/)
    await expect(trainBpe([words(6000)], { vocabSize: 300, maxMemory: 6e6 })).resolves.toHaveProperty('vocabSize', 300)
  })

  it('reads long texts in parts that make no difference', async () => {
    const text = Array.from({ length: 6000 }, (_, i) => `line ${i} of "text",\n  isn't it?\t\t  最初の文。次の文。\r\n`).join('')
    expect(text.length).toBeGreaterThan(280_000)
    const merges = async (options: TrainBpeOptions) => (await trainBpe(text, { vocabSize: 330, ...options })).toJSON().model.merges
    // A regular expression gets the text whole.
    const whole = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/u
    expect(await merges({ pattern: 'gpt2' })).toEqual(await merges({ pattern: whole }))
  })

  it('does so for components that do not look beyond blanks', async () => {
    const text = Array.from(
      { length: 4500 },
      (_, i) => `line ${i} of "text",\n  isn't it?\t\t  Σίσυφος Σ. 最初の文。次の文。 e\u0301 ª\r\n`,
    ).join('')
    expect(text.length).toBeGreaterThan(280_000)
    for (const options of [
      { preTokenizer: 'Whitespace', normalizer: ['NFC', 'Lowercase'] },
      { preTokenizer: 'BertPreTokenizer', normalizer: 'BertNormalizer' },
      { preTokenizer: 'Metaspace', normalizer: 'NFKD' },
      { preTokenizer: 'WhitespaceSplit' },
    ]) {
      const train = (preTokenizer: ComponentSpec) => trainBpe(text, { symbols: 'characters', vocabSize: 150, ...options, preTokenizer })
      const vocabOf = (tokenizer: Tokenizer) => tokenizer.toJSON().model.vocab
      // In a sequence the same component gets the text whole.
      expect(vocabOf(await train(options.preTokenizer))).toEqual(vocabOf(await train([options.preTokenizer])))
    }
  })

  it('stops when its signal is aborted, also inside one long text and while merging', async () => {
    const long = words(100_000)
    for (const task of ['count-pieces', 'train-bpe']) {
      const controller = new AbortController()
      const onProgress: TrainBpeOptions['onProgress'] = (event) => {
        if (event.task === task) controller.abort()
      }
      const error = await failureOf(trainBpe(long, { vocabSize: 5000, signal: controller.signal, onProgress }))
      expect(error).toMatchObject({ code: 'ABORTED' })
      expect(controller.signal.aborted).toBe(true)
    }
  })

  it.each([
    ['a number', 7 as unknown as string, /an iterable or an async iterable of strings, got 7/],
    ['a list with a buffer', ['text', new Uint8Array(2)] as unknown as string[], /strings, got object at index 1; decode/],
  ])('refuses %s for texts', async (_, texts, message) => {
    const error = await failureOf(trainBpe(texts, { vocabSize: 300 }))
    expect(error).toMatchObject({ code: 'VALUE' })
    expect(error.message).toMatch(message)
  })

  it('takes streams of texts for every kind of training', async () => {
    async function* stream() {
      yield 'one two two'
      await new Promise((resolve) => setTimeout(resolve, 1))
      yield 'two'
    }
    for (const train of [trainWordPiece, (texts: Iterable<string> | AsyncIterable<string>) => trainBpe(texts, { symbols: 'characters' })]) {
      expect((await train(stream())).toJSON()).toEqual((await train(['one two two', 'two'])).toJSON())
    }
  })
})
