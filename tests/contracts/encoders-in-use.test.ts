/** Embedders and rerankers out of checkpoints where they are used: in AI SDK's own functions and in `rag`. */
import { join } from 'node:path'
import { createRag, documents, memoryStore } from '@tesserae/rag'
import { embeddingModel, rerankingModel } from '@tesserae/transformer'
import { loadEmbedder, loadReranker } from '@tesserae/transformer/node'
import * as ai6 from 'ai'
import * as ai7 from 'ai7'
import { expect, it } from 'vitest'

const fixtures = join(import.meta.dirname, '../../packages/transformer/src/encoders/__fixtures__')
const texts = ['The whale is white.', 'The captain sails over the calm sea.', 'Where did the ship go?']

const sdks = [
  ['ai 6', ai6],
  ['ai 7', ai7 as unknown as typeof ai6],
] as const

it.each(sdks)('%s embeds and reranks with them', async (_, { cosineSimilarity, embed, embedMany, rerank }) => {
  using embedder = await loadEmbedder(join(fixtures, 'bert'))
  using reranker = await loadReranker(join(fixtures, 'bert-reranker'))
  const model = embeddingModel(embedder, { modelId: 'tiny' })
  const { embeddings, usage } = await embedMany({ model, values: texts })
  expect(embeddings.map(({ length }) => length)).toEqual([16, 16, 16])
  expect(usage.tokens).toBeGreaterThan(10)
  const { embedding } = await embed({ model, value: texts[1]! })
  expect(cosineSimilarity(embedding, embeddings[1]!)).toBeCloseTo(1, 5)

  const expected = await reranker.rank('where is the ship ?', texts, { topK: 2 })
  const { ranking, rerankedDocuments } = await rerank({
    model: rerankingModel(reranker),
    query: 'where is the ship ?',
    documents: texts,
    topN: 2,
  })
  expect(ranking.map(({ originalIndex, score }) => [originalIndex, score])).toEqual(expected.map(({ index, score }) => [index, score]))
  expect(rerankedDocuments).toEqual(expected.map(({ document }) => document))
})

it('rag finds with the one and orders with the other', async () => {
  using embedder = await loadEmbedder(join(fixtures, 'bert'))
  using reranker = await loadReranker(join(fixtures, 'bert-reranker'))
  await using rag = await createRag({
    store: memoryStore(),
    embedder: embeddingModel(embedder, { modelId: 'tiny' }),
    reranker: rerankingModel(reranker),
  })
  await rag.sync(documents(texts.map((text, i) => ({ id: String(i), text }))))
  const near = await rag.search(texts[0]!, { mode: 'vector', k: 1 })
  expect(near.hits[0]?.chunk.sourceId).toBe('0')
  const best = await rag.search('where is the ship ?', { mode: 'vector', k: 3, rerank: 3 })
  const [first] = await reranker.rank('where is the ship ?', texts)
  expect(best.hits.map(({ chunk }) => chunk.sourceId)[0]).toBe(String(first!.index))
})
