import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { analogy, nearestWords, wordVectors } from '@tesserae/transformer'
import { afterAll, expect, it } from 'vitest'
import { winkVectors } from './word-vectors.js'

const scratch = mkdtempSync(join(tmpdir(), 'tesserae-words-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

it('reads a file of words and vectors from the front, as far as words are wanted', async () => {
  const path = join(scratch, 'words.json')
  const words = ['the', '],"', 'whale', ...Array.from({ length: 1200 }, (_, i) => `word${i}`)]
  const entry = (_: unknown, at: number): number => Math.round(Math.sin(at) * 1e6) / 1e6
  const vectors = Object.fromEntries(
    words.map((word, row) => [word, [...Array.from({ length: 100 }, (__, i) => entry(0, row + i)), 1, row]]),
  )
  writeFileSync(path, JSON.stringify({ about: 'no vectors here', dimensions: 100, vectors, words }))
  const all = await winkVectors(path)
  expect(all.words).toEqual(words)
  const few = await winkVectors(path, { limit: 3 })
  expect(few.words).toEqual(words.slice(0, 3))
  // 710 is almost a multiple of 2π, so row 710 is almost row 0.
  expect(nearestWords(all, 'the', { k: 1 })[0]!.word).toBe(words[710])
  writeFileSync(path, readFileSync(path, 'utf8').slice(0, 2000))
  await expect(winkVectors(path)).rejects.toThrow('ended before its vectors did')
})

it('finds queen, berlin and its like by arithmetic on real word vectors', () => {
  // The documentation's 6,000: a float32 scale and a signed byte for each entry.
  const folder = new URL('../../apps/docs/site/public/words/', import.meta.url)
  const words = readFileSync(new URL('words.txt', folder), 'utf8').split('\n')
  const bytes = readFileSync(new URL('vectors.bin', folder))
  const record = bytes.length / words.length
  const vectors = wordVectors(
    words.map((word, row) => {
      const scale = bytes.readFloatLE(row * record)
      return [word, Float32Array.from({ length: record - 4 }, (_, i) => bytes.readInt8(row * record + 4 + i) * scale)] as const
    }),
  )
  const first = (positive: string[], negative: string[]): string[] =>
    analogy(vectors, { positive, negative }, { k: 3 }).map(({ word }) => word)
  expect(first(['king', 'woman'], ['man'])).toContain('queen')
  expect(first(['paris', 'germany'], ['france'])).toContain('berlin')
  expect(nearestWords(vectors, 'monday', { k: 10 }).map(({ word }) => word)).toContain('tuesday')
})
