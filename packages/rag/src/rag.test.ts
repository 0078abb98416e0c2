import { describe, expect, it } from 'vitest'
import { recursive } from './chunk/recursive.js'
import type { Document, DocumentSource } from './document.js'
import { documents } from './load/documents.js'
import { createRag, type RagOptions } from './rag.js'
import { memoryStore } from './store/memory.js'
import { wordEmbedder } from './testing/embedder.js'

const chunker = recursive({ maxTokens: 32, overlap: 0 })

/** A system whose embedder counts what it was asked for. */
async function setUp(options: RagOptions = {}) {
  const calls: (readonly string[])[] = []
  let failure: ((values: readonly string[]) => void) | undefined
  const onCall = (values: readonly string[]) => {
    failure?.(values)
    calls.push(values)
  }
  const rag = await createRag({ chunker, embedder: wordEmbedder({ onCall }), ...options })
  calls.length = 0
  const embedded = () => calls.splice(0).flat().length
  return { rag, calls, embedded, fail: (test: typeof failure) => (failure = test) }
}

const paragraphs = (...words: string[]) =>
  words.map((word) => `The ${word} paragraph talks about ${word} and about nothing else at all today.`).join('\n\n')
const page = (id: string, text: string, metadata = {}): Document => ({ id, text, metadata })
const pages = [page('a', paragraphs('wing', 'lift', 'drag'), { lang: 'en' }), page('b', paragraphs('heat', 'slab'), { lang: 'de' })]

describe('sync', () => {
  it('adds, leaves alone, changes and deletes, and embeds nothing twice', async () => {
    const { rag, embedded } = await setUp()
    const first = await rag.sync(pages, { mode: 'full' })
    expect(first).toMatchObject({ added: 2, changed: 0, unchanged: 0, deleted: 0, chunks: 5, embedded: 5, reused: 0, failed: [] })
    expect(embedded()).toBe(5)
    expect(await rag.sync(pages, { mode: 'full' })).toMatchObject({ added: 0, changed: 0, unchanged: 2, embedded: 0, chunks: 0 })
    expect(embedded()).toBe(0)

    const changed = page('a', paragraphs('gust', 'wing', 'drag'), { lang: 'en' })
    expect(await rag.sync([changed, pages[1]!])).toMatchObject({ changed: 1, unchanged: 1, embedded: 1, reused: 2 })
    expect(embedded()).toBe(1)
    expect((await rag.search('lift', { mode: 'lexical' })).hits).toEqual([])
    const [hit] = (await rag.search('drag', { mode: 'lexical' })).hits
    expect(changed.text.slice(hit!.chunk.start, hit!.chunk.end)).toBe(hit!.chunk.text)

    expect(await rag.sync([changed])).toMatchObject({ deleted: 0, unchanged: 1 })
    expect(await rag.sync([changed], { mode: 'full' })).toMatchObject({ deleted: 1, unchanged: 1 })
    expect((await rag.sources()).map(({ sourceId }) => sourceId)).toEqual(['a'])
    // What was deleted is still in the cache.
    expect(await rag.sync(pages)).toMatchObject({ added: 1, changed: 1, embedded: 0 })
    expect(embedded()).toBe(0)
  })

  it('notices changes of metadata, title, chunker and headings', async () => {
    const store = memoryStore()
    const { rag, embedded } = await setUp({ store })
    await rag.sync(pages)
    embedded()
    expect(await rag.sync([page('a', pages[0]!.text, { lang: 'fr' })])).toMatchObject({ changed: 1, embedded: 0, reused: 3 })
    expect((await rag.search('wing', { where: { eq: ['lang', 'fr'] } })).hits.length).toBe(3)
    // A title stands above each chunk, so all are embedded anew.
    expect(await rag.sync([{ ...pages[0]!, title: 'New title' }])).toMatchObject({ changed: 1, embedded: 3 })
    expect((await rag.search('title', { mode: 'lexical' })).hits.length).toBe(3)
  })

  it('puts texts of many documents into few calls, as large as the model takes', async () => {
    const many = Array.from({ length: 50 }, (_, i) => page(`p${i}`, paragraphs(`word${i}`)))
    const { rag, calls } = await setUp()
    await rag.sync(many)
    expect(calls.map((values) => values.length)).toEqual([50])
    const sizes: number[] = []
    const small = await createRag({
      chunker,
      embedder: wordEmbedder({ maxEmbeddingsPerCall: 7, onCall: (values) => sizes.push(values.length) }),
    })
    await small.sync(many)
    expect(sizes.slice(1)).toEqual([7, 7, 7, 7, 7, 7, 7, 1])
  })

  it('keeps scopes apart', async () => {
    const { rag } = await setUp()
    await rag.sync([pages[0]!], { scope: 'one', mode: 'full' })
    await rag.sync([pages[1]!], { scope: 'two', mode: 'full' })
    expect(await rag.sync([], { scope: 'one', mode: 'full' })).toMatchObject({ deleted: 1 })
    expect((await rag.sources()).map(({ sourceId }) => sourceId)).toEqual(['b'])
    await expect(rag.sync([pages[1]!], { scope: 'one' })).rejects.toMatchObject({
      code: 'DOCUMENT',
      message: expect.stringContaining('"two"'),
    })
  })

  const lazy = (id: string, load: () => Promise<Document>) => ({ id, load })

  it('fails by name, deletes nothing then, or skips what cannot be read and keeps its former state', async () => {
    const { rag } = await setUp()
    await rag.sync(pages)
    const source: DocumentSource = [page('c', 'Something new.'), lazy('a', async () => page('a', 'binary \0 data'))]
    await expect(rag.sync(source, { mode: 'full' })).rejects.toMatchObject({ code: 'NOT_TEXT', message: expect.stringContaining('"a"') })
    expect((await rag.sources()).map(({ sourceId }) => sourceId)).toEqual(['a', 'b'])
    const result = await rag.sync(source, { mode: 'full', onError: 'skip' })
    expect(result).toMatchObject({ added: 1, deleted: 1, failed: [{ sourceId: 'a', error: { code: 'NOT_TEXT' } }] })
    expect((await rag.sources()).map(({ sourceId }) => sourceId)).toEqual(['a', 'c'])
    await expect(rag.sync([page('x', 'a'), page('x', 'b')])).rejects.toThrow(/Two documents/)
  })

  it('loses only the source whose text the embedder refuses', async () => {
    const { rag, fail } = await setUp()
    fail((values) => {
      if (values.some((text) => text.includes('heat'))) throw new Error('too hot')
    })
    await expect(rag.sync(pages)).rejects.toMatchObject({ code: 'EMBEDDING', message: expect.stringContaining('too hot') })
    expect((await rag.stats()).sources).toBe(0)
    expect(await rag.sync(pages, { onError: 'skip' })).toMatchObject({ added: 1, failed: [{ sourceId: 'b' }] })
    fail(undefined)
    expect(await rag.sync(pages)).toMatchObject({ added: 1, unchanged: 1 })
  })

  it('stops at its signal and goes on from there', async () => {
    const { rag } = await setUp()
    const controller = new AbortController()
    const source = async function* () {
      yield pages[0]!
      controller.abort()
      yield pages[1]!
    }
    await expect(rag.sync(source(), { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(await rag.sync(pages)).toMatchObject({ added: 2 })
  })

  it('reports progress that never goes back', async () => {
    const { rag } = await setUp()
    const seen: number[] = []
    await rag.sync(pages, { onProgress: ({ task, completed }) => task === 'sync' && seen.push(completed) })
    expect(seen.at(-1)).toBe(2)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })

  it('runs concurrent syncs one after another', async () => {
    const { rag, embedded } = await setUp()
    const results = await Promise.all([rag.sync(pages), rag.sync(pages)])
    expect(results.map(({ added, unchanged }) => [added, unchanged])).toEqual([
      [2, 0],
      [0, 2],
    ])
    expect(embedded()).toBe(5)
  })

  it.each<[string, Partial<Document>, string]>([
    ['no id', { id: '' }, 'DOCUMENT'],
    ['text that is no string', { text: 5 as unknown as string }, 'NOT_TEXT'],
    ['half a surrogate pair', { text: 'a\ud800b' }, 'NOT_TEXT'],
    ['metadata that is an object', { metadata: { x: {} as unknown as string } }, 'DOCUMENT'],
    ['metadata that is not finite', { metadata: { x: Number.NaN } }, 'DOCUMENT'],
    ['a reserved key', { metadata: { $source: 'x' } }, 'DOCUMENT'],
  ])('refuses %s', async (_, part, code) => {
    const { rag } = await setUp()
    await expect(rag.sync([{ ...pages[0]!, ...part }])).rejects.toMatchObject({ code })
    expect(() => documents([{ ...pages[0]!, ...part }])).toThrow(expect.objectContaining({ code }))
  })
})

describe('search', () => {
  const corpus = Array.from({ length: 30 }, (_, i) =>
    page(`d${String(i).padStart(2, '0')}`, paragraphs(`topic${i}`, i % 2 === 0 ? 'wing' : 'heat'), { n: i }),
  )

  it('fuses both kinds by reciprocal ranks', async () => {
    const { rag } = await setUp()
    await rag.sync(corpus)
    const options = { k: 60, candidates: 60 }
    const [lexical, vector, hybrid] = await Promise.all(
      (['lexical', 'vector', 'hybrid'] as const).map((mode) => rag.search('wing topic4', { ...options, mode })),
    )
    for (const { chunk, score, ...ranks } of hybrid!.hits) {
      const at = (hits: typeof lexical) => hits!.hits.findIndex((hit) => hit.chunk.id === chunk.id)
      const parts = [at(lexical), at(vector)].map((i) => (i < 0 ? 0 : 1 / (61 + i)))
      expect(score).toBeCloseTo(parts[0]! + parts[1]!, 12)
      expect(ranks.lexical?.rank ?? 0).toBe(at(lexical) + 1)
      expect(ranks.vector?.rank ?? 0).toBe(at(vector) + 1)
    }
    const weighted = await rag.search('wing topic4', { ...options, weights: { vector: 0 } })
    expect(weighted.hits.map(({ chunk }) => chunk.id)).toEqual(lexical!.hits.map(({ chunk }) => chunk.id))
  })

  it('returns k under filters, in every mode', async () => {
    const { rag } = await setUp()
    await rag.sync(corpus)
    for (const mode of ['vector', 'hybrid'] as const) {
      const { hits } = await rag.search('paragraph about nothing', { k: 6, mode, where: { gte: ['n', 27] } })
      expect(hits.length).toBe(6)
      expect(hits.every(({ chunk }) => (chunk.metadata['n'] as number) >= 27)).toBe(true)
    }
  })

  it('expands a hit by its neighbours to exactly the text of the source', async () => {
    const { rag } = await setUp()
    const text = paragraphs('one', 'two', 'three', 'four', 'five')
    await rag.sync([page('a', text)])
    for (const window of [0, 1, 2, 9]) {
      const [hit] = (await rag.search('three', { mode: 'lexical', expand: { window }, k: 1 })).hits
      const { start, end, text: passage } = hit!.passage
      expect(passage).toBe(text.slice(start, end))
      expect(passage.match(/The \w+ paragraph/g)!.length).toBe(Math.min(5, 1 + 2 * window))
    }
  })

  it('chooses unlike passages by mmr', async () => {
    const { rag } = await setUp()
    await rag.sync([
      ...Array.from({ length: 5 }, (_, i) => page(`same${i}`, 'The wing makes lift.')),
      page('other', 'A wing on a bird of prey.'),
    ])
    const sources = async (mmr?: number) =>
      (await rag.search('wing lift', { k: 2, mode: 'vector', ...(mmr === undefined ? {} : { mmr }) })).hits.map(
        ({ chunk }) => chunk.sourceId,
      )
    expect(await sources()).not.toContain('other')
    expect(await sources(0.5)).toContain('other')
  })

  it('reranks the first candidates by a model, and says when it returns nonsense', async () => {
    const model = (ranking: { index: number; relevanceScore: number }[]) => ({
      specificationVersion: 'v3' as const,
      provider: 'test',
      modelId: 'r',
      doRerank: async () => ({ ranking }),
    })
    const { rag } = await setUp({
      reranker: model([
        { index: 1, relevanceScore: 0.9 },
        { index: 0, relevanceScore: 0.1 },
      ]),
    })
    await rag.sync(corpus)
    const plain = await rag.search('wing', { mode: 'lexical', k: 3 })
    const reranked = await rag.search('wing', { mode: 'lexical', k: 3, rerank: 3 })
    expect(reranked.hits.map(({ chunk }) => chunk.id)).toEqual([1, 0, 2].map((i) => plain.hits[i]!.chunk.id))
    const { rag: broken } = await setUp({ reranker: model([{ index: 99, relevanceScore: Number.NaN }]) })
    await broken.sync(corpus)
    await expect(broken.search('wing', { rerank: 5 })).rejects.toMatchObject({ code: 'MODEL' })
  })

  it('works by words alone without an embedder', async () => {
    const rag = await createRag({ chunker })
    await rag.sync(corpus)
    const { hits, mode, exact } = await rag.search('topic7')
    expect([mode, exact, hits[0]!.chunk.sourceId]).toEqual(['lexical', true, 'd07'])
    await expect(rag.search('x', { mode: 'hybrid' })).rejects.toMatchObject({ code: 'OPTION' })
    await expect(rag.search('x', { mmr: 0.5 })).rejects.toMatchObject({ code: 'OPTION' })
  })

  it('finds by words alone what a query of nothing means nothing for', async () => {
    const { rag } = await setUp()
    await rag.sync(corpus)
    expect((await rag.search('', { k: 3 })).hits).toEqual([])
    for (const options of [
      { k: 0 },
      { mmr: 2 },
      { rrf: -1 },
      { weights: { lexical: 0, vector: 0 } },
      { expand: { window: 0.5 } },
      { rerank: 5 },
      { mode: 'x' as 'hybrid' },
    ])
      await expect(rag.search('wing', options)).rejects.toMatchObject({ code: 'OPTION' })
  })
})

describe('createRag', () => {
  it('refuses an embedder that returns what is no set of vectors', async () => {
    const broken = (embeddings: number[][]) => ({ ...wordEmbedder(), doEmbed: async () => ({ embeddings }) })
    for (const embeddings of [[], [[]], [[0, 0]], [[Number.NaN, 1]], [[1], [1]]])
      await expect(createRag({ embedder: broken(embeddings) })).rejects.toMatchObject({ code: 'EMBEDDING' })
  })

  it('deletes by id and by filter', async () => {
    const { rag } = await setUp()
    await rag.sync(pages)
    expect(await rag.delete({ sourceId: 'a' })).toBe(1)
    expect(await rag.delete({ where: { eq: ['lang', 'de'] } })).toBe(1)
    expect(await rag.stats()).toEqual({ sources: 0, chunks: 0, vectors: 0, terms: 0 })
    await expect(rag.delete({} as { where: never })).rejects.toMatchObject({ code: 'OPTION' })
  })

  it('answers from what it found', async () => {
    const { rag } = await setUp()
    await rag.sync(pages)
    const { text, citations } = await rag.answer('What does the heat paragraph talk about?').result()
    expect(text).toContain('heat')
    const [citation] = citations
    expect(citation!.verdict).toBe('verbatim')
    expect(pages[1]!.text.slice(citation!.span!.start, citation!.span!.end)).toBe(citation!.quote)
  })

  it('refuses everything after close, and closes its store', async () => {
    const store = memoryStore()
    const { rag } = await setUp({ store })
    await rag.close()
    await expect(rag.search('x')).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(rag.sync([])).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(store.stats()).rejects.toMatchObject({ code: 'CLOSED' })
    await rag.close()
  })
})
