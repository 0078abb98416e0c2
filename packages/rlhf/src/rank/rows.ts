import { RlhfError } from '../errors.js'

/** Answers to one prompt that a person shall compare. Which model wrote what stays with the caller: it is not shown. */
export interface RankingItem {
  /** Unique among the items, and the same whenever they are shown again. */
  readonly id: string
  readonly prompt: string
  /** At least two answers. */
  readonly completions: readonly string[]
}

/** What somebody decided about an item; numbers are indices into its completions, whatever order they were shown in. */
export type RankingChoice =
  | { readonly kind: 'best'; readonly best: number }
  /** All completions, the best first. */
  | { readonly kind: 'order'; readonly ranking: readonly number[] }
  | { readonly kind: 'tie' }
  | { readonly kind: 'bad' }
  | { readonly kind: 'skip' }

/** One decision, as one line of the file of rankings. */
export interface RankingRow extends RankingItem {
  readonly type: 'ranking'
  /** `order[place]` is the index of the completion that was shown at that place. */
  readonly order: readonly number[]
  readonly choice: RankingChoice
  readonly annotator: string
  /** When it was decided, ISO 8601. */
  readonly time: string
  /** The seed that the display order was drawn with. */
  readonly seed: number | string
}

/** Takes back an annotator's last ranking of an item. Lines are only ever added, so that the file tells what happened. */
export interface RetractionRow {
  readonly type: 'retraction'
  readonly id: string
  readonly annotator: string
  readonly time: string
}

export type RankingLine = RankingRow | RetractionRow

/**
 * The lines of a file of rankings.
 *
 * @param name what the text is, for messages; default `rankings`
 * @throws RlhfError `ROW` that names the line which is not a ranking or a retraction, or which retracts what was not ranked
 */
export function parseRankings(text: string, options: { readonly name?: string } = {}): RankingLine[] {
  const { name = 'rankings' } = options
  const rows: RankingLine[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    rows.push(parseLine(line, `${name}, line ${index + 1}`))
  }
  return rows
}

/** The rankings that stand: those that were not retracted, in the order in which they were made. */
export function standingRankings(rows: readonly RankingLine[]): RankingRow[] {
  const standing: RankingRow[] = []
  for (const row of rows) {
    if (row.type === 'ranking') {
      standing.push(row)
      continue
    }
    const last = standing.findLastIndex(({ id, annotator }) => id === row.id && annotator === row.annotator)
    if (last < 0)
      throw new RlhfError(
        'ROW',
        `rankings: '${row.annotator}' retracts the item '${row.id}', of which no ranking by '${row.annotator}' stands`,
      )
    standing.splice(last, 1)
  }
  return standing
}

/** The items of a JSONL text, one `{ id?, prompt, completions }` a line; a missing id becomes `line-N`. Errors name the line. */
export function parseRankingItems(text: string, options: { readonly name?: string } = {}): RankingItem[] {
  const { name = 'items' } = options
  const items: RankingItem[] = []
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const where = `${name}, line ${index + 1}`
    const { id = `line-${index + 1}`, prompt, completions } = objectOf(line, where)
    const item = { id, prompt, completions } as RankingItem
    checkItem(item, where)
    items.push(item)
  }
  checkItems(items)
  return items
}

/** Throws `ROW` unless all items can be ranked and told apart. */
export function checkItems(items: readonly RankingItem[]): void {
  const seen = new Set<string>()
  for (const [index, item] of items.entries()) {
    checkItem(item, `item ${index}`)
    if (seen.has(item.id)) throw new RlhfError('ROW', `item ${index}: the id '${item.id}' is another item's too; each needs its own`)
    seen.add(item.id)
  }
}

function checkItem({ id, prompt, completions }: RankingItem, where: string): void {
  if (typeof id !== 'string' || id === '') throw new RlhfError('ROW', `${where}: id must be a non-empty string, got ${shown(id)}`)
  if (typeof prompt !== 'string') throw new RlhfError('ROW', `${where}: prompt must be a string, got ${shown(prompt)}`)
  if (!Array.isArray(completions) || completions.length < 2 || !completions.every((one) => typeof one === 'string'))
    throw new RlhfError('ROW', `${where}: completions must be at least two strings, got ${shown(completions)}`)
}

function parseLine(line: string, where: string): RankingLine {
  const row = objectOf(line, where) as Partial<Omit<RankingRow, 'type'>> & { readonly type?: unknown }
  for (const key of ['annotator', 'time'] as const)
    if (typeof row[key] !== 'string') throw new RlhfError('ROW', `${where}: ${key} must be a string, got ${shown(row[key])}`)
  if (row.type === 'retraction') {
    if (typeof row.id !== 'string') throw new RlhfError('ROW', `${where}: id must be a string, got ${shown(row.id)}`)
    return row as RetractionRow
  }
  if (row.type !== 'ranking') throw new RlhfError('ROW', `${where}: type must be 'ranking' or 'retraction', got ${shown(row.type)}`)
  checkItem(row as RankingItem, where)
  const count = row.completions!.length
  if (!isPermutation(row.order, count))
    throw new RlhfError('ROW', `${where}: order must hold 0 to ${count - 1} once each, got ${shown(row.order)}`)
  if (typeof row.seed !== 'string' && !Number.isSafeInteger(row.seed))
    throw new RlhfError('ROW', `${where}: seed must be an integer or a string, got ${shown(row.seed)}`)
  checkChoice(row.choice, count, where)
  return row as RankingRow
}

/** Throws `ROW` unless `choice` decides about `count` completions. */
export function checkChoice(choice: unknown, count: number, where: string): asserts choice is RankingChoice {
  const { kind, best, ranking } = (typeof choice === 'object' && choice !== null ? choice : {}) as Record<string, unknown>
  const valid =
    kind === 'best'
      ? Number.isInteger(best) && (best as number) >= 0 && (best as number) < count
      : kind === 'order'
        ? isPermutation(ranking, count)
        : kind === 'tie' || kind === 'bad' || kind === 'skip'
  if (!valid)
    throw new RlhfError(
      'ROW',
      `${where}: choice must be {kind: 'best', best: 0 to ${count - 1}}, {kind: 'order', ranking: each once}, or of kind tie, bad or skip; got ${shown(choice)}`,
    )
}

const isPermutation = (value: unknown, count: number): boolean =>
  Array.isArray(value) &&
  value.length === count &&
  new Set(value).size === count &&
  value.every((i) => Number.isInteger(i) && i >= 0 && i < count)

function objectOf(line: string, where: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new RlhfError('ROW', `${where} is not JSON (${(cause as Error).message}): ${line.slice(0, 80)}`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RlhfError('ROW', `${where} must be a JSON object, got ${shown(value)}`)
  return value as Record<string, unknown>
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? String(value)).slice(0, 80)
