/** Searches for the most likely text, all beams in one step. */
import { beamSearch, type BeamResult, type BeamSearchOptions } from '@tesserae/sampling'
import { TransformerError } from '../errors.js'
import type { Row } from './row.js'
import { checkRoom, type StreamContext } from './stream.js'

/** Settings of `beamSearch` in `@tesserae/sampling`. */
export interface ModelBeamOptions extends Omit<BeamSearchOptions, 'logits' | 'maxTokens'> {
  /** Tokens of a text at most; default as many as there is room for. */
  readonly maxTokens?: number
}

/** A text that was found. */
export interface ModelBeam extends BeamResult {
  /** With a tokenizer only: without the token that stopped it. */
  readonly text?: string
}

/** Errors: OPTION, CAPACITY, `VALUE` of `@tesserae/sampling`, AbortError. */
export async function searchBeams(context: StreamContext, prompt: readonly number[], options: ModelBeamOptions): Promise<ModelBeam[]> {
  const { engine, capacity, tokenizer } = context
  const { beams = 4, signal } = options
  checkRoom(prompt.length, capacity, options.maxTokens)
  const maxTokens = options.maxTokens ?? capacity - prompt.length + 1
  if (Number.isInteger(beams) && beams > engine.places)
    throw new TransformerError(
      'OPTION',
      `${beams} beams take as many places, and the model has ${engine.places}; make it with maxStreams: ${beams}`,
    )
  const rows = engine.openTogether(Array.from({ length: Math.max(1, Math.min(beams, engine.places)) }, (_, i) => (i === 0 ? prompt : [])))
  /** The rows of the beams of the call before. */
  let before: readonly Row[] = []
  try {
    const found = await beamSearch({
      ...options,
      maxTokens,
      logits: (running) => {
        if (before.length === 0) before = [rows[0]!]
        else {
          const parents = running.map(({ parent }) => before[parent]!)
          const spare = rows.filter((row) => !parents.includes(row))
          const taken = new Set<Row>()
          before = running.map(({ ids }, i) => {
            const parent = parents[i]!
            const row = taken.has(parent) ? spare.pop()! : parent
            if (row !== parent) row.copy(parent)
            else taken.add(row)
            row.ids.splice(prompt.length, Infinity, ...ids)
            return row
          })
        }
        return Promise.all(before.map((row) => row.next(signal)))
      },
    })
    return found.map((result) => ({
      ...result,
      ...(tokenizer === undefined ? {} : { text: tokenizer.decode(result.stopped ? result.ids.slice(0, -1) : result.ids) }),
    }))
  } finally {
    for (const row of rows) row.close()
  }
}
