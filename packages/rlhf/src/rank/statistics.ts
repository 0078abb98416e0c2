import { RlhfError } from '../errors.js'
import { rankedPairs } from './preferences.js'
import { standingRankings, type RankingChoice, type RankingLine } from './rows.js'

/** How far two annotators agree on the items that both decided. */
export interface Agreement {
  readonly annotators: readonly [string, string]
  /** Items that both decided, skips left out. */
  readonly items: number
  /** Share of them with the same decision, 0 to 1; NaN without items. */
  readonly observed: number
  /** Cohen's κ: 1 for full agreement, 0 for what chance gives, NaN where it is not defined. */
  readonly kappa: number
}

/**
 * Cohen's κ of two lists of labels: (p_o − p_e) / (1 − p_e), where p_e is the agreement of two raters who draw from their own label
 * frequencies (Cohen 1960, A coefficient of agreement for nominal scales). 1 when both always gave one same label; NaN for empty lists.
 */
export function cohenKappa(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  if (a.length !== b.length)
    throw new RlhfError('OPTION', `cohenKappa: both raters need a label for each item, got ${a.length} and ${b.length}`)
  const n = a.length
  if (n === 0) return NaN
  const observed = a.filter((label, i) => label === b[i]).length / n
  const share = (labels: readonly (string | number)[], label: string | number): number => labels.filter((one) => one === label).length / n
  const expected = [...new Set(a)].reduce<number>((sum, label) => sum + share(a, label) * share(b, label), 0)
  return expected === 1 ? 1 : (observed - expected) / (1 - expected)
}

/** The agreement of every two annotators about which completion is best; a tie and “all bad” are decisions of their own. */
export function agreement(rows: readonly RankingLine[]): Agreement[] {
  const labels = new Map<string, Map<string, string | number>>()
  for (const { annotator, id, choice } of standingRankings(rows)) {
    const label = labelOf(choice)
    if (label === undefined) continue
    if (!labels.has(annotator)) labels.set(annotator, new Map())
    labels.get(annotator)!.set(id, label)
  }
  const names = [...labels.keys()].sort()
  return names.flatMap((one, i) =>
    names.slice(i + 1).map((other): Agreement => {
      const ids = [...labels.get(one)!.keys()].filter((id) => labels.get(other)!.has(id))
      const a = ids.map((id) => labels.get(one)!.get(id)!)
      const b = ids.map((id) => labels.get(other)!.get(id)!)
      const same = a.filter((label, k) => label === b[k]).length
      return { annotators: [one, other], items: ids.length, observed: same / ids.length, kappa: cohenKappa(a, b) }
    }),
  )
}

/** How often the completion at each place of the screen was taken as the best. */
export interface PositionBias {
  /** Rankings with a best completion. */
  readonly rankings: number
  /** Times that the best stood at each place. */
  readonly chosen: readonly number[]
  /** Times to be expected at each place if the place did not matter. */
  readonly expected: readonly number[]
  /** Pearson's χ² of the two, with `chosen.length − 1` degrees of freedom when all items have as many completions. */
  readonly chiSquare: number
}

/** Position bias over all standing rankings with a best completion. */
export function positionBias(rows: readonly RankingLine[]): PositionBias {
  const decided = standingRankings(rows).flatMap(({ choice, order }) => {
    const best = bestOf(choice)
    return best === undefined ? [] : [{ place: order.indexOf(best), places: order.length }]
  })
  const places = Math.max(0, ...decided.map((one) => one.places))
  const chosen = Array.from({ length: places }, (_, place) => decided.filter((one) => one.place === place).length)
  const expected = Array.from({ length: places }, (_, place) =>
    decided.reduce((sum, one) => sum + (place < one.places ? 1 / one.places : 0), 0),
  )
  const chiSquare = chosen.reduce((sum, count, place) => sum + (count - expected[place]!) ** 2 / expected[place]!, 0)
  return { rankings: decided.length, chosen, expected, chiSquare }
}

/** How often the longer of two completions was preferred. */
export interface LengthBias {
  /** Pairs of different length in which one was preferred. */
  readonly pairs: number
  /** Share of them in which the longer one was, 0 to 1; 0.5 is no preference, NaN without pairs. */
  readonly longerPreferred: number
  /** Its 95 % interval (Wilson 1927). Pairs of one item are not independent, so with many completions an item it is somewhat narrow. */
  readonly interval: readonly [low: number, high: number]
}

/** Length bias over all pairs that the standing rankings state; length is counted in characters. */
export function lengthBias(rows: readonly RankingLine[]): LengthBias {
  const longer = standingRankings(rows).flatMap((row) =>
    rankedPairs(row)
      .map(([better, worse]) => row.completions[better]!.length - row.completions[worse]!.length)
      .filter((difference) => difference !== 0)
      .map((difference) => difference > 0),
  )
  const n = longer.length
  const share = longer.filter(Boolean).length / n
  return { pairs: n, longerPreferred: share, interval: wilson(share, n) }
}

function wilson(share: number, n: number): [number, number] {
  const z = 1.959964
  const middle = (share + z ** 2 / (2 * n)) / (1 + z ** 2 / n)
  const half = (z / (1 + z ** 2 / n)) * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2))
  return [middle - half, middle + half]
}

const bestOf = (choice: RankingChoice): number | undefined =>
  choice.kind === 'best' ? choice.best : choice.kind === 'order' ? choice.ranking[0] : undefined

const labelOf = (choice: RankingChoice): string | number | undefined => bestOf(choice) ?? (choice.kind === 'skip' ? undefined : choice.kind)
