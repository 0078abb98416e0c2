import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { createRag } from '../rag.js'
import { recursive } from '../chunk/recursive.js'
import { wordEmbedder } from '../testing/embedder.js'
import { cranfieldFolder, readCranfield } from '../testing/cranfield.js'
import { evaluateRetrieval } from './evaluate.js'
import { meanInterval } from './interval.js'
import { ndcg, recall, reciprocalRank } from './measures.js'

describe('measures', () => {
  // The worked example of Järvelin and Kekäläinen's measure with gains 3, 2, 3, 0, 1, 2 at ranks 1 to 6, and 3 and 2 not found.
  const relevance = new Map(Object.entries({ a: 3, b: 2, c: 3, d: 0, e: 1, f: 2, g: 3, h: 2, i: -1 }))
  const ranked = ['a', 'b', 'c', 'd', 'e', 'f']

  it('nDCG', () => {
    const dcg = 3 + 2 / Math.log2(3) + 3 / 2 + 1 / Math.log2(6) + 2 / Math.log2(7)
    const ideal = 3 + 3 / Math.log2(3) + 3 / 2 + 2 / Math.log2(5) + 2 / Math.log2(6) + 2 / Math.log2(7)
    expect(ndcg(ranked, relevance, { k: 6 })).toBeCloseTo(dcg / ideal, 12)
    expect(ndcg(['i', 'x'], relevance, { k: 5 })).toBe(0)
    expect(
      ndcg(
        ['a', 'a', 'c', 'g'],
        new Map([
          ['a', 1],
          ['c', 1],
        ]),
        { k: 2 },
      ),
    ).toBe(1)
    expect(ndcg(ranked, new Map(), { k: 5 })).toBeNaN()
  })

  it('recall and reciprocal rank', () => {
    expect(recall(ranked, relevance, { k: 3 })).toBeCloseTo(3 / 7, 12)
    expect(recall(ranked, relevance, { k: 100 })).toBeCloseTo(5 / 7, 12)
    expect(reciprocalRank(['i', 'd', 'e'], relevance, { k: 10 })).toBeCloseTo(1 / 3, 12)
    expect(reciprocalRank(['i', 'd', 'e'], relevance, { k: 2 })).toBe(0)
    expect(reciprocalRank(['a'], new Map(), { k: 2 })).toBeNaN()
    expect(() => recall([], relevance, { k: 0 })).toThrow(expect.objectContaining({ code: 'OPTION' }))
  })
})

describe('meanInterval', () => {
  it('covers what the normal approximation says, and is the same for a seed', () => {
    const values = Array.from({ length: 400 }, (_, i) => (i * 7919) % 101)
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length
    const error = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length / values.length)
    const interval = meanInterval(values, { seed: 3 })
    expect(interval.mean).toBeCloseTo(mean, 10)
    expect(interval.low).toBeCloseTo(mean - 1.96 * error, -0.5)
    expect(Math.abs(interval.low - (mean - 1.96 * error))).toBeLessThan(0.2 * error)
    expect(Math.abs(interval.high - (mean + 1.96 * error))).toBeLessThan(0.2 * error)
    expect(meanInterval(values, { seed: 3 })).toEqual(interval)
    expect(meanInterval(values, { seed: 4 })).not.toEqual(interval)
    expect(meanInterval([0.5])).toEqual({ mean: 0.5, low: 0.5, high: 0.5 })
  })

  it('refuses nothing, and what is not a number', () => {
    expect(() => meanInterval([])).toThrow(expect.objectContaining({ code: 'DATA' }))
    expect(() => meanInterval([1, Number.NaN])).toThrow(/number 1 is NaN/)
    expect(() => meanInterval([1], { confidence: 1 })).toThrow(expect.objectContaining({ code: 'OPTION' }))
  })
})

describe('evaluateRetrieval', () => {
  const dataset = [
    { id: 'q1', query: 'wing lift', relevant: ['a'] },
    { query: 'heat', relevant: { b: 2, c: 1, a: 0 } },
    { id: 'none', query: 'nothing judged', relevant: [] },
    { id: 'q4', query: 'submarine', relevant: new Map([['a', 1]]) },
  ]

  async function build() {
    const rag = await createRag({ embedder: wordEmbedder(), chunker: recursive({ maxTokens: 16, overlap: 0 }) })
    const long = 'The wing makes lift. Another wing makes lift. A third wing gives much lift. '.repeat(6)
    await rag.sync([
      { id: 'a', text: long },
      { id: 'b', text: 'Heat flows. Heat flows on.' },
      { id: 'c', text: 'A slab without any warmth.' },
    ])
    return rag
  }

  it('counts sources once, leaves unjudged questions out and compares with a baseline', async () => {
    const rag = await build()
    const result = await evaluateRetrieval(rag, dataset, { k: 3, search: { mode: 'lexical' }, baseline: { mode: 'vector' } })
    expect(result.skipped).toBe(1)
    expect(result.questions.map(({ id, ranked, reciprocalRank: rank }) => [id, ranked, rank])).toEqual([
      ['q1', ['a'], 1],
      ['2', ['b'], 1],
      ['q4', [], 0],
    ])
    expect(result.mrr.mean).toBeCloseTo(2 / 3, 12)
    expect(result.recall.mean).toBeCloseTo((1 + 0.5 + 0) / 3, 12)
    // By vectors every source is found, so lexical search recalls less.
    expect(result.difference!.recall.mean).toBeCloseTo((0 - 0.5 - 1) / 3, 12)
    const vector = await evaluateRetrieval(rag, dataset, { k: 3, search: { mode: 'vector' } })
    expect(vector.recall).toEqual({ mean: 1, low: 1, high: 1 })
    expect((await evaluateRetrieval(rag, dataset, { k: 3, search: { mode: 'lexical' }, baseline: vector })).difference).toEqual(
      result.difference,
    )
  })

  it('refuses what it cannot measure or compare', async () => {
    const rag = await build()
    await expect(evaluateRetrieval(rag, [{ query: 'x', relevant: [] }])).rejects.toMatchObject({ code: 'DATA' })
    const other = await evaluateRetrieval(rag, [{ id: 'z', query: 'wing', relevant: ['a'] }])
    await expect(evaluateRetrieval(rag, dataset, { baseline: other })).rejects.toMatchObject({ code: 'DATA' })
    await expect(evaluateRetrieval(rag, dataset, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe('Cranfield', () => {
  const missing = 'needs cranfield/ in ../shared/data, which is not part of the repository'

  it('BM25 with the English analyzer reaches nDCG@10 .515', async ({ skip }) => {
    skip(!existsSync(new URL('cran.all', cranfieldFolder)), missing)
    const read = (name: string) => readFileSync(new URL(name, cranfieldFolder), 'utf8')
    const { documents, questions } = readCranfield({
      documents: read('cran.all'),
      queries: read('cran.qry'),
      judgements: read('cran.qrel'),
    })
    expect([documents.length, questions.length]).toEqual([1400, 225])
    // Abstracts are ranked whole, as the collection's judgements are of whole abstracts.
    await using rag = await createRag({ chunker: recursive({ maxTokens: 4096, overlap: 0 }) })
    await rag.sync(documents)
    expect((await rag.stats()).chunks).toBe(1398) // two abstracts are empty
    const { ndcg: figure } = await evaluateRetrieval(rag, questions, { k: 10 })
    expect(figure.mean).toBeGreaterThanOrEqual(0.515)
  })
})
