/** From rows to tokens. */
import { RlhfError } from '../errors.js'
import { checkRows, pairOf, turnsOf, type PreferenceRow, type SftRow } from './rows.js'
import { renderTurns, type Rendered, type RenderOptions } from './template.js'

export interface PrepareOptions extends RenderOptions {
  /** Longest example in tokens: the model's context, or less. */
  readonly maxLength: number
  /**
   * What becomes of longer ones: `error` (default) names the first, `drop` leaves them out, `truncate` cuts off their ends, with which the stop token goes.
   */
  readonly overflow?: 'error' | 'drop' | 'truncate'
}

/** Two answers to one prompt, in tokens. The mask is 1 on the answer. */
export interface RenderedPair {
  readonly chosen: Rendered
  readonly rejected: Rendered
  readonly margin?: number
}

/** Conversations, or prompts with completions, as tokens. Errors: ROW and LENGTH, naming the row; TEMPLATE. */
export function prepareSft(rows: readonly SftRow[], options: PrepareOptions): Rendered[] {
  return checkRows(rows, 'sft').flatMap((row, i) => {
    // Of a conversation every answer is learnt; a completion row learns its completion alone.
    const turns = 'messages' in row ? { prompt: [], completion: row.messages } : turnsOf(row)
    const fitted = fit(renderTurns(turns, options), `row ${i + 1}`, options)
    return fitted === undefined ? [] : [fitted]
  })
}

/** Preferences as tokens; a pair is left out when one of its answers is. Errors: ROW and LENGTH, naming the row; TEMPLATE. */
export function preparePreferences(rows: readonly PreferenceRow[], options: PrepareOptions): RenderedPair[] {
  return checkRows(rows, 'preference').flatMap((row, i) => {
    const where = `row ${i + 1}`
    const pair = pairOf(row, where)
    const chosen = fit(renderTurns(pair.chosen, options), where, options)
    const rejected = fit(renderTurns(pair.rejected, options), where, options)
    if (chosen === undefined || rejected === undefined) return []
    return [{ chosen, rejected, ...(row.margin === undefined ? {} : { margin: row.margin }) }]
  })
}

function fit(rendered: Rendered, where: string, { maxLength, overflow = 'error' }: PrepareOptions): Rendered | undefined {
  if (!Number.isInteger(maxLength) || maxLength < 2)
    throw new RlhfError('OPTION', `maxLength must be an integer of at least 2, got ${maxLength}`)
  const { ids, mask } = rendered
  if (ids.length <= maxLength) return rendered
  if (overflow === 'error')
    throw new RlhfError(
      'LENGTH',
      `${where} has ${ids.length} tokens, more than the ${maxLength} allowed; shorten it, raise maxLength up to the model's context, or choose overflow: 'drop' or 'truncate'`,
    )
  const cut = { ids: ids.slice(0, maxLength), mask: mask.slice(0, maxLength) }
  // Nothing of the answer is left of a row whose prompt alone is too long.
  return overflow === 'drop' || !cut.mask.includes(1) ? undefined : cut
}
