import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { resolveDevice, type DeviceName } from '@tesserae/tensor'
import { describe, expect, it } from 'vitest'
import { loadEmbedder, loadReranker } from './load.js'

const folder = fileURLToPath(new URL('../__fixtures__/', import.meta.url))

interface Answers {
  readonly texts: readonly string[]
  readonly pairs: readonly (readonly [string, string])[]
  readonly embedders: Record<string, { readonly vectors: readonly (readonly number[])[]; readonly query?: readonly (readonly number[])[] }>
  readonly rerankers: Record<string, { readonly scores: readonly number[]; readonly ranking: readonly number[] }>
}
const { texts, pairs, embedders, rerankers } = JSON.parse(readFileSync(join(folder, 'answers.json'), 'utf8')) as Answers

const furthest = (ours: ArrayLike<number>, theirs: readonly number[]): number => {
  expect(ours.length).toBe(theirs.length)
  return Math.max(...theirs.map((value, i) => Math.abs(value - ours[i]!)))
}

describe.each(Object.entries(embedders))('%s, as sentence-transformers has it', (name, { vectors, query }) => {
  it.each<DeviceName>(['cpu', 'reference'])('gives its vectors on %s', async (device) => {
    using embedder = await loadEmbedder(join(folder, name), { device: await resolveDevice(device) })
    const found = await embedder.embed(texts)
    expect(embedder.width).toBe(vectors[0]!.length)
    vectors.forEach((vector, i) => expect(furthest(found.vectors[i]!, vector)).toBeLessThan(1e-5))
    if (query === undefined) return
    const asked = await embedder.embed(texts, { promptName: 'query' })
    query.forEach((vector, i) => expect(furthest(asked.vectors[i]!, vector)).toBeLessThan(1e-5))
  })
})

it('a BERT out of GGUF has the same vectors', async () => {
  using embedder = await loadEmbedder(join(folder, 'bert.gguf'), { maxTokens: 24 })
  const found = await embedder.embed(texts)
  embedders['bert']!.vectors.forEach((vector, i) => expect(furthest(found.vectors[i]!, vector)).toBeLessThan(1e-5))
  await expect(loadEmbedder(join(folder, '../../checkpoints/__fixtures__/llama.gguf'))).rejects.toThrow(
    'general.architecture is "llama"; expected "bert"',
  )
})

describe.each(Object.entries(rerankers))('%s, as sentence-transformers has it', (name, { scores, ranking }) => {
  it('gives its scores and its order', async () => {
    using reranker = await loadReranker(join(folder, name))
    expect(furthest(await reranker.score(pairs), scores)).toBeLessThan(1e-5)
    const ranked = await reranker.rank(pairs[0]![0], texts)
    expect(ranked.map(({ index }) => index)).toEqual(ranking)
    expect(ranked[0]!.document).toBe(texts[ranking[0]!])
  })
})
