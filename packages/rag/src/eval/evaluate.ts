import { throwIfAborted, type OnProgress } from '@tesserae/core'
import { RagError } from '../errors.js'
import type { SearchOptions, SearchResult } from '../retrieve/search.js'
import { meanInterval, type BootstrapOptions, type Interval } from './interval.js'
import { ndcg, recall, reciprocalRank, type Relevance } from './measures.js'

/** Grades by source id; a plain object, a map, or a list of ids that all have grade 1. */
export type Judgements = ReadonlyMap<string, number> | Readonly<Record<string, number>> | readonly string[]

/** Questions with the sources that answer them. */
export type RetrievalDataset = Iterable<{ readonly id?: string; readonly query: string; readonly relevant: Judgements }>

/** Anything that searches: a {@link Rag}, or an object with a `search` of the same form. */
export interface Searcher {
  search(query: string, options: SearchOptions): Promise<Pick<SearchResult, 'hits'>>
}

export interface EvaluateOptions extends BootstrapOptions {
  /** How many sources count; default 10. */
  readonly k?: number
  /** How to search. */
  readonly search?: Omit<SearchOptions, 'k' | 'signal'>
  /** What to compare with: other options for the same system, or another evaluation of the same questions. */
  readonly baseline?: Omit<SearchOptions, 'k' | 'signal'> | RetrievalEvaluation
  readonly signal?: AbortSignal
  /** Task `evaluate`, counted in questions. */
  readonly onProgress?: OnProgress
}

/** What came of one question. */
export interface EvaluationResult {
  readonly id: string
  readonly query: string
  /** Sources, best first. */
  readonly ranked: readonly string[]
  readonly ndcg: number
  readonly recall: number
  readonly reciprocalRank: number
}

type Measure = 'ndcg' | 'recall' | 'mrr'

export interface RetrievalEvaluation {
  readonly k: number
  readonly ndcg: Interval
  readonly recall: Interval
  readonly mrr: Interval
  /** Questions with a relevant source; the others say nothing and are left out. */
  readonly questions: readonly EvaluationResult[]
  /** Questions left out. */
  readonly skipped: number
  /** Means of the differences from the baseline, question by question: an interval without 0 is a difference. */
  readonly difference?: Readonly<Record<Measure, Interval>>
}

/**
 * Measures how well a system finds sources: nDCG, recall and MRR of the first k with bootstrap intervals. A source counts once, at the place of its
 * best chunk.
 *
 * Errors: DATA for a dataset without a judged question or a baseline of other questions; those of the search; AbortError.
 */
export async function evaluateRetrieval(
  rag: Searcher,
  dataset: RetrievalDataset,
  options: EvaluateOptions = {},
): Promise<RetrievalEvaluation> {
  const { k = 10, search, baseline } = options
  if (!Number.isInteger(k) || k < 1) throw new RagError('OPTION', `k must be a positive integer, got ${k}`)
  const questions = Array.from(dataset, ({ id, query, relevant }, i) => ({
    id: id ?? String(i + 1),
    query,
    relevance: relevanceOf(relevant),
  }))
  const judged = questions.filter(({ relevance }) => [...relevance.values()].some((grade) => grade > 0))
  const results: EvaluationResult[] = []
  for (const question of judged) {
    throwIfAborted(options.signal, 'Evaluating')
    const ranked = await rankedSources(rag, question.query, k, {
      ...search,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
    const of = <T>(measure: (ids: readonly string[], relevance: Relevance, at: { readonly k: number }) => T) =>
      measure(ranked, question.relevance, { k })
    results.push({ id: question.id, query: question.query, ranked, ndcg: of(ndcg), recall: of(recall), reciprocalRank: of(reciprocalRank) })
    options.onProgress?.({ task: 'evaluate', completed: results.length, total: judged.length, unit: 'questions' })
  }
  const summary = {
    k,
    ...summarise(results, options),
    questions: results,
    skipped: questions.length - judged.length,
  }
  if (baseline === undefined) return summary
  const { baseline: _, ...same } = options
  const other =
    'questions' in baseline
      ? baseline
      : await evaluateRetrieval(
          rag,
          judged.map(({ id, query, relevance }) => ({ id, query, relevant: relevance })),
          { ...same, search: baseline },
        )
  return { ...summary, difference: summarise(differences(results, other), options) }
}

/** The first k different sources; asks for more chunks until there are enough or no more. */
async function rankedSources(rag: Searcher, query: string, k: number, options: SearchOptions): Promise<string[]> {
  for (let wanted = k; ; wanted *= 4) {
    const { hits } = await rag.search(query, { ...options, k: wanted })
    const sources = [...new Set(hits.map(({ chunk }) => chunk.sourceId))]
    if (sources.length >= k || hits.length < wanted) return sources.slice(0, k)
  }
}

type Scores = Pick<EvaluationResult, 'ndcg' | 'recall' | 'reciprocalRank'>

function summarise(results: readonly Scores[], options: BootstrapOptions): Record<Measure, Interval> {
  const interval = (of: (result: Scores) => number) => meanInterval(results.map(of), options)
  return {
    ndcg: interval((result) => result.ndcg),
    recall: interval((result) => result.recall),
    mrr: interval((result) => result.reciprocalRank),
  }
}

function differences(results: readonly EvaluationResult[], baseline: RetrievalEvaluation): Scores[] {
  const others = new Map(baseline.questions.map((result) => [result.id, result]))
  return results.map((result) => {
    const other = others.get(result.id)
    if (other === undefined || other.query !== result.query)
      throw new RagError(
        'DATA',
        `The baseline has no result for question ${JSON.stringify(result.id)}; compare evaluations of the same dataset`,
      )
    return {
      ndcg: result.ndcg - other.ndcg,
      recall: result.recall - other.recall,
      reciprocalRank: result.reciprocalRank - other.reciprocalRank,
    }
  })
}

function relevanceOf(judgements: Judgements): Relevance {
  if (judgements instanceof Map) return judgements
  if (Array.isArray(judgements)) return new Map((judgements as readonly string[]).map((id) => [id, 1]))
  return new Map(Object.entries(judgements as Readonly<Record<string, number>>))
}
