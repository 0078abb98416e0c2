import { standingRankings, type RankingLine, type RankingRow } from './rows.js'

/** A pair that the preference trainers take. */
export interface RankedPair {
  readonly prompt: string
  readonly chosen: string
  readonly rejected: string
}

/**
 * Preference rows from rankings: the best over each of the others, or, of a full order, every completion over all that come after it.
 * Ties, “all bad” and skips say nothing about a pair and give no row; neither do two completions of the same text.
 */
export function toPreferences(rows: readonly RankingLine[]): RankedPair[] {
  return standingRankings(rows).flatMap((row) =>
    rankedPairs(row).map(([better, worse]) => ({
      prompt: row.prompt,
      chosen: row.completions[better]!,
      rejected: row.completions[worse]!,
    })),
  )
}

/** The pairs [better, worse] of indices that a ranking states. */
export function rankedPairs({ choice, completions }: RankingRow): [better: number, worse: number][] {
  const different = ([a, b]: [number, number]): boolean => completions[a] !== completions[b]
  if (choice.kind === 'best') {
    const { best } = choice
    return completions.map((_, other): [number, number] => [best, other]).filter(different)
  }
  if (choice.kind === 'order') {
    const { ranking } = choice
    return ranking.flatMap((better, i) => ranking.slice(i + 1).map((worse): [number, number] => [better, worse])).filter(different)
  }
  return []
}
