import { random } from '@tesserae/core'
import { RlhfError } from '../errors.js'
import {
  checkChoice,
  checkItems,
  type RankingChoice,
  type RankingItem,
  type RankingLine,
  type RankingRow,
  type RetractionRow,
} from './rows.js'

export interface RankingStoreOptions {
  readonly items: readonly RankingItem[]
  /** What was decided before, by this annotator and by others. */
  readonly rows?: readonly RankingLine[]
  /** Who ranks. Everybody sees every item once. */
  readonly annotator: string
  /** Draws the order of items and, for each, the order in which its completions are shown. */
  readonly seed: number | string
  /** The time of new rows, ISO 8601; default the clock's. */
  readonly now?: () => string
}

/** The item to decide about now, its completions in the order of `order`. */
export interface RankingTask {
  readonly item: RankingItem
  readonly order: readonly number[]
}

/**
 * Who ranked what, and what is next. It holds no file: {@link RankingStore.rank} and {@link RankingStore.retract} make the row to
 * append, {@link RankingStore.apply} takes it in once it is safe.
 */
export interface RankingStore {
  readonly total: number
  /** Items that this annotator has decided about, skips included. */
  readonly done: number
  readonly canUndo: boolean
  /** What to decide next; undefined when nothing is left. */
  next(): RankingTask | undefined
  /** The row of a decision about the current item. Errors: ROW for another item's id or a choice that is none. */
  rank(id: string, choice: RankingChoice): RankingRow
  /** The row that takes back this annotator's last standing decision; undefined when there is none. */
  retract(): RetractionRow | undefined
  apply(row: RankingLine): void
}

/**
 * The state of a ranking session, rebuilt from the rows that were kept.
 *
 * @throws RlhfError `ROW` for items that cannot be ranked, and for kept rows of an item whose text has changed since
 */
export function rankingStore({
  items,
  rows = [],
  annotator,
  seed,
  now = () => new Date().toISOString(),
}: RankingStoreOptions): RankingStore {
  if (annotator === '') throw new RlhfError('OPTION', 'rankingStore: annotator must name who ranks, got an empty string')
  checkItems(items)
  const byId = new Map(items.map((item) => [item.id, item]))
  const queue = [...random(seed).stream('items').permutation(items.length)].map((index) => items[index]!)
  /** Ids that this annotator decided about, the last one at the end. */
  const decided: string[] = []

  const next = (): RankingTask | undefined => {
    const item = queue.find(({ id }) => !decided.includes(id))
    return item && { item, order: displayOrder(item, { annotator, seed }) }
  }
  const apply = (row: RankingLine): void => {
    if (row.annotator !== annotator) return
    if (row.type === 'ranking') {
      const item = byId.get(row.id)
      if (item !== undefined && (item.prompt !== row.prompt || item.completions.join('\0') !== row.completions.join('\0')))
        throw new RlhfError('ROW', `the item '${row.id}' was ranked with another prompt or other completions; give the new one another id`)
      decided.push(row.id)
      return
    }
    const last = decided.lastIndexOf(row.id)
    if (last < 0) throw new RlhfError('ROW', `'${annotator}' retracts the item '${row.id}', of which no ranking stands`)
    decided.splice(last, 1)
  }
  for (const row of rows) apply(row)

  return {
    total: items.length,
    get done() {
      return decided.filter((id) => byId.has(id)).length
    },
    get canUndo() {
      return decided.length > 0
    },
    next,
    rank(id, choice) {
      const task = next()
      if (task?.item.id !== id)
        throw new RlhfError(
          'ROW',
          `'${id}' is not the item that is being ranked; ${task === undefined ? 'all are done' : `that is '${task.item.id}'`}`,
        )
      checkChoice(choice, task.item.completions.length, `item '${id}'`)
      const { prompt, completions } = task.item
      return { type: 'ranking', id, prompt, completions, order: task.order, choice, annotator, time: now(), seed }
    },
    retract() {
      const id = decided.at(-1)
      return id === undefined ? undefined : { type: 'retraction', id, annotator, time: now() }
    },
    apply,
  }
}

/** Differs between annotators, so that a habit of choosing the first does not favour the same answer in all their rankings. */
function displayOrder({ id, completions }: RankingItem, { annotator, seed }: { annotator: string; seed: number | string }): number[] {
  return [...random(seed).stream('display').fold(annotator).fold(id).permutation(completions.length)]
}
