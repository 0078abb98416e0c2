import { RagError } from '../errors.js'

/** How relevant each document is to a question, by id; what is not named, and what has 0 or less, is not relevant. */
export type Relevance = ReadonlyMap<string, number>

/**
 * Normalised discounted cumulative gain of the first k: Σ grade / log₂(rank + 1), divided by that of the best possible order. From 0 to 1; NaN where
 * nothing is relevant.
 *
 * Source: K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), with gains equal to grades.
 *
 * @param ranked ids, best first; each counts once, where it comes first
 */
export function ndcg(ranked: readonly string[], relevance: Relevance, { k }: { readonly k: number }): number {
  const gain = (grade: number, i: number) => grade / Math.log2(i + 2)
  const ideal = positive(relevance)
    .sort((a, b) => b - a)
    .slice(0, k)
    .reduce((sum, grade, i) => sum + gain(grade, i), 0)
  const found = first(ranked, k).reduce((sum, id, i) => sum + gain(Math.max(0, relevance.get(id) ?? 0), i), 0)
  return found / ideal
}

/** The share of the relevant documents that is among the first k. From 0 to 1; NaN where nothing is relevant. */
export function recall(ranked: readonly string[], relevance: Relevance, { k }: { readonly k: number }): number {
  return first(ranked, k).filter((id) => (relevance.get(id) ?? 0) > 0).length / positive(relevance).length
}

/** 1 / rank of the first relevant document among the first k, 0 where there is none; its mean over questions is the MRR. NaN where nothing is relevant. */
export function reciprocalRank(ranked: readonly string[], relevance: Relevance, { k }: { readonly k: number }): number {
  if (positive(relevance).length === 0) return Number.NaN
  const i = first(ranked, k).findIndex((id) => (relevance.get(id) ?? 0) > 0)
  return i < 0 ? 0 : 1 / (i + 1)
}

function positive(relevance: Relevance): number[] {
  return [...relevance.values()].filter((grade) => grade > 0)
}

function first(ranked: readonly string[], k: number): string[] {
  if (!Number.isInteger(k) || k < 1) throw new RagError('OPTION', `k must be a positive integer, got ${k}`)
  return [...new Set(ranked)].slice(0, k)
}
