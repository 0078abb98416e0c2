import { throwIfAborted, type RerankingModelLike } from '@tesserae/core'
import { passageText } from '../chunk/passage.js'
import type { Span } from '../document.js'
import type { Embedder } from '../embed/embedder.js'
import { RagError } from '../errors.js'
import type { Filter } from '../filter/types.js'
import type { Analyzer } from '../lexical/analyzer.js'
import type { Chunk, ChunkStore, StoreHit, StoreResult } from '../store/types.js'
import { diversify } from './diversify.js'
import { fuseRanks, type Fused, type RankedBy } from './fuse.js'

export type SearchMode = 'lexical' | 'vector' | 'hybrid'

export interface SearchOptions {
  /** How many hits; default 10. Fewer come back only where fewer match. */
  readonly k?: number
  /** By words, by meaning, or by both; default `hybrid` with an embedder, `lexical` without. */
  readonly mode?: SearchMode
  /** Which documents to look in. */
  readonly where?: Filter
  /** Candidates of each kind of search before they are fused, reranked or diversified; default 100, and k where that is more. */
  readonly candidates?: number
  /** Weights of the two kinds in `hybrid`; default 1 each. */
  readonly weights?: { readonly lexical?: number; readonly vector?: number }
  /** Constant of reciprocal rank fusion; default 60. */
  readonly rrf?: number
  /** BM25's parameters; default k1 1.2, b 0.75. */
  readonly bm25?: { readonly k1?: number; readonly b?: number }
  /** Width of the search in an approximate vector index; default max(40, 4k) for the k candidates. */
  readonly ef?: number
  /** Compare with every vector. */
  readonly exact?: boolean
  /** How many of the first candidates the reranking model sees, at least k; needs one in `createRag`. Default: none. */
  readonly rerank?: number
  /** Diversity by maximal marginal relevance: 1 is by relevance alone, 0 by difference alone. Needs an embedder. Default: off. */
  readonly mmr?: number
  /** Each hit's passage together with so many chunks before and after it. */
  readonly expand?: { readonly window: number }
  readonly signal?: AbortSignal
}

export interface SearchHit {
  readonly chunk: Chunk
  /** Larger is better. What it means depends: BM25 score, cosine, fused ranks, or the reranking model's score. */
  readonly score: number
  /** What to read: the chunk, or with `expand` the chunk and its neighbours. Exactly the source's text at these offsets. */
  readonly passage: Span & { readonly text: string }
  /** Where lexical search put it, if it did. */
  readonly lexical?: RankedBy
  /** Where vector search put it, if it did. */
  readonly vector?: RankedBy
}

export interface SearchResult {
  readonly hits: readonly SearchHit[]
  readonly mode: SearchMode
  /** False where an approximate index chose the candidates. */
  readonly exact: boolean
  readonly degraded?: { readonly missingShards: readonly string[] }
}

export interface SearchParts {
  readonly store: ChunkStore
  readonly analyzer: Analyzer
  readonly embedder?: Embedder
  readonly reranker?: RerankingModelLike
}

/** Searches an index. Errors: OPTION, FILTER, EMBEDDING, MODEL for the reranking model, and AbortError. */
export async function searchIndex(query: string, parts: SearchParts, options: SearchOptions = {}): Promise<SearchResult> {
  const { k = 10, mode = parts.embedder === undefined ? 'lexical' : 'hybrid', signal } = options
  check(query, parts, { ...options, k, mode })
  throwIfAborted(signal, 'Searching')
  const width = Math.max(k, options.candidates ?? 100, options.rerank ?? 0)
  const plain = options.rerank === undefined && options.mmr === undefined && mode !== 'hybrid'
  const base = {
    k: plain ? k : width,
    ...(options.where === undefined ? {} : { where: options.where }),
    ...(signal === undefined ? {} : { signal }),
  }
  const none: StoreResult = { hits: [], exact: true }
  const [lexical, vector] = await Promise.all([
    mode === 'vector' ? none : parts.store.lexical(parts.analyzer.analyze(query), { ...base, ...options.bm25 }),
    mode === 'lexical' ? none : searchVectors(query, parts, { ...options, ...base }),
  ])
  const degraded = missingShards(lexical, vector)
  let ranked = mode === 'hybrid' ? fuse(lexical.hits, vector.hits, options) : single(mode === 'lexical' ? lexical.hits : vector.hits, mode)
  if (options.rerank !== undefined) ranked = await rerank(query, ranked.slice(0, Math.max(k, options.rerank)), parts.reranker!, signal)
  if (options.mmr !== undefined) ranked = await choose(ranked, parts.store, { count: k, lambda: options.mmr })
  const hits = await Promise.all(
    ranked.slice(0, k).map(async (hit) => ({ ...hit, passage: await passageOf(hit.chunk, parts.store, options.expand?.window ?? 0) })),
  )
  return { hits, mode, exact: lexical.exact && vector.exact, ...(degraded.length === 0 ? {} : { degraded: { missingShards: degraded } }) }
}

function check(query: string, parts: SearchParts, options: SearchOptions & { readonly k: number; readonly mode: SearchMode }): void {
  const { k, mode, candidates = 100, rerank: first, mmr, expand, rrf = 60, weights = {} } = options
  if (typeof query !== 'string') throw new RagError('OPTION', `search takes a string, got ${typeof query}`)
  if (!['lexical', 'vector', 'hybrid'].includes(mode))
    throw new RagError('OPTION', `mode must be 'lexical', 'vector' or 'hybrid', got ${JSON.stringify(mode)}`)
  if (mode !== 'lexical' && parts.embedder === undefined)
    throw new RagError(
      'OPTION',
      `mode '${mode}' needs an embedder: give one to createRag and sync again into a new index, or search with mode 'lexical'`,
    )
  for (const [name, value] of Object.entries({ k, candidates, ...(first === undefined ? {} : { rerank: first }) }))
    if (!Number.isInteger(value) || value < 1) throw new RagError('OPTION', `${name} must be a positive integer, got ${value}`)
  if (first !== undefined && parts.reranker === undefined)
    throw new RagError('OPTION', 'rerank needs a reranking model: give createRag a reranker')
  if (mmr !== undefined && !(mmr >= 0 && mmr <= 1)) throw new RagError('OPTION', `mmr must lie between 0 and 1, got ${mmr}`)
  if (mmr !== undefined && parts.embedder === undefined)
    throw new RagError('OPTION', 'mmr compares vectors, and this index has none: give createRag an embedder')
  if (expand !== undefined && (!Number.isInteger(expand.window) || expand.window < 0))
    throw new RagError('OPTION', `expand.window must be a non-negative integer, got ${expand.window}`)
  if (!(rrf >= 0 && rrf < Infinity)) throw new RagError('OPTION', `rrf must be a number of at least 0, got ${rrf}`)
  const { lexical = 1, vector = 1 } = weights
  if (!(lexical >= 0 && vector >= 0 && lexical + vector > 0 && lexical + vector < Infinity))
    throw new RagError('OPTION', `weights must be at least 0 and not both 0, got ${JSON.stringify(weights)}`)
}

async function searchVectors(
  query: string,
  { store, embedder }: SearchParts,
  { k, where, ef, exact, signal }: SearchOptions & { readonly k: number },
): Promise<StoreResult> {
  if (query.trim() === '') return { hits: [], exact: true }
  const [vector] = await embedder!.queries([query], signal)
  return store.vector(vector!, {
    k,
    ...(where === undefined ? {} : { where }),
    ...(ef === undefined ? {} : { ef }),
    ...(exact === undefined ? {} : { exact }),
    ...(signal === undefined ? {} : { signal }),
  })
}

function fuse(lexical: readonly StoreHit[], vector: readonly StoreHit[], { rrf = 60, weights = {} }: SearchOptions): Fused[] {
  return fuseRanks({ lexical, vector }, { constant: rrf, weights: { lexical: 1, vector: 1, ...weights } })
}

function single(hits: readonly StoreHit[], mode: 'lexical' | 'vector'): Fused[] {
  return hits.map(({ chunk, score }, i) => ({ chunk, score, [mode]: { rank: i + 1, score } }))
}

async function rerank(
  query: string,
  candidates: readonly Fused[],
  model: RerankingModelLike,
  signal: AbortSignal | undefined,
): Promise<Fused[]> {
  if (candidates.length === 0) return []
  const values = candidates.map(({ chunk }) => passageText(chunk))
  let ranking
  try {
    const call = {
      query,
      documents: { type: 'text' as const, values },
      topN: values.length,
      ...(signal === undefined ? {} : { abortSignal: signal }),
    }
    ranking = (await model.doRerank(call)).ranking
  } catch (cause) {
    throwIfAborted(signal, 'Reranking')
    throw new RagError(
      'MODEL',
      `The reranking model ${model.provider}/${model.modelId} failed: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    )
  }
  const ranked = new Map<number, number>()
  for (const { index, relevanceScore } of ranking) {
    if (candidates[index] === undefined || !Number.isFinite(relevanceScore))
      throw new RagError(
        'MODEL',
        `The reranking model ${model.provider}/${model.modelId} returned index ${index} with score ${relevanceScore} for ${values.length} passages`,
      )
    ranked.set(index, relevanceScore)
  }
  const order = [...ranked].sort(([a, x], [b, y]) => y - x || a - b).map(([index, score]) => ({ ...candidates[index]!, score }))
  // What the model left out keeps its place behind.
  const least = order.at(-1)?.score ?? 0
  return [...order, ...candidates.filter((_, i) => !ranked.has(i)).map((hit) => ({ ...hit, score: Math.min(least, hit.score) }))]
}

async function choose(
  ranked: readonly Fused[],
  store: ChunkStore,
  options: { readonly count: number; readonly lambda: number },
): Promise<Fused[]> {
  if (ranked.length === 0) return []
  const vectors = await store.vectors(ranked.map(({ chunk }) => chunk.id))
  // Brought to 0 … 1: by the best where scores have a natural zero, by best and worst where some are negative.
  const best = ranked[0]!.score
  const worst = Math.min(0, ranked.at(-1)!.score)
  const relevance = ranked.map(({ score }) => (best === worst ? 1 : (score - worst) / (best - worst)))
  return diversify(relevance, vectors, options).map((i) => ranked[i]!)
}

/** The text around a chunk as far as neighbours join on to each other. */
async function passageOf(chunk: Chunk, store: ChunkStore, window: number): Promise<SearchHit['passage']> {
  let { start, end, text } = chunk
  if (window === 0) return { start, end, text }
  const around = await store.neighbours(chunk.id, { window })
  for (const { index, start: first, end: last, text: next } of around)
    if (index > chunk.index && first <= end && last > end) {
      text += next.slice(end - first)
      end = last
    }
  for (const { index, start: first, end: last, text: before } of around.toReversed())
    if (index < chunk.index && last >= start && first < start) {
      text = before.slice(0, start - first) + text
      start = first
    }
  return { start, end, text }
}

function missingShards(...results: readonly StoreResult[]): string[] {
  return [...new Set(results.flatMap(({ degraded }) => degraded?.missingShards ?? []))]
}
