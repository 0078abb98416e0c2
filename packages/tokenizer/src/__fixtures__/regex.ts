import { readFileSync } from 'node:fs'

/** `[pattern, matches in each of the texts]`, or `[pattern, text, matches]`; matches are start and end in code points, empty ones left out. */
type MatchRow = readonly [string, readonly Matches[]] | readonly [string, string, Matches]
type Matches = readonly (readonly [number, number])[]

/** What other engines made of patterns; see tools/tokenizer/generate-regex-fixtures.py. */
export interface RegexFixtures {
  readonly texts: readonly string[]
  readonly splitTexts: readonly string[]
  readonly oniguruma: readonly MatchRow[]
  readonly fancy: readonly MatchRow[]
  /** Kind of pattern, pattern, behaviour, whether inverted, number of the text among `splitTexts`, and starts and ends of the pieces in code points. */
  readonly split: readonly (readonly ['String' | 'Regex', string, string, boolean, number, readonly number[]])[]
  /** Kind of pattern, pattern, content, number of the text among `texts`, and result. */
  readonly replace: readonly (readonly ['String' | 'Regex', string, string, number, string])[]
}

export const regexFixtures = (): RegexFixtures => JSON.parse(readFileSync(new URL('regex.json', import.meta.url), 'utf8')) as RegexFixtures

/** Every pattern of an engine with a text, and its matches as UTF-16 units. */
export function* matchCases(fixtures: RegexFixtures, engine: 'oniguruma' | 'fancy'): Generator<{ source: string; text: string; expected: number[] }> {
  for (const row of fixtures[engine]) {
    if (row.length === 3) yield { source: row[0], text: row[1], expected: inUnits(row[1], row[2].flat()) }
    else for (const [i, matches] of row[1].entries()) yield { source: row[0], text: fixtures.texts[i]!, expected: inUnits(fixtures.texts[i]!, matches.flat()) }
  }
}

/** Positions in code points as positions in UTF-16 units. */
export function inUnits(text: string, positions: readonly number[]): number[] {
  const units = [0]
  for (const char of text) units.push(units.at(-1)! + char.length)
  return positions.map((position) => units[position]!)
}
