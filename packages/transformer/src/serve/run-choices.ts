/** The answers of one request, side by side. */
import type { Lm, LmPart, LmResult } from '../lm/types.js'
import type { Ticket } from './gate.js'
import { optionsOf, type GenerationRequest } from './generation-request.js'

export interface RunOptions {
  readonly signal: AbortSignal
  readonly tickets: readonly Ticket[]
  /** Called with each part but the last; the answer goes on when this has resolved. */
  readonly onPart: (index: number, part: LmPart) => void | Promise<void>
  /** Called where an answer's turn has come. */
  readonly onTurn: () => void
}

/** Runs them and gives the results in their order: prompt by prompt, n of each. The first that fails ends the others. */
export async function runChoices(lm: Lm, request: GenerationRequest, options: RunOptions): Promise<LmResult[]> {
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const run = async (ticket: Ticket, index: number): Promise<LmResult> => {
    try {
      await ticket.turn(signal)
      options.onTurn()
      const prompt = request.prompts[Math.floor(index / request.n)]!
      const parts = lm.stream(prompt, { ...optionsOf(request, index), signal } as object) as AsyncGenerator<LmPart, void, undefined>
      for await (const part of parts) {
        if (part.type === 'finish') return part.result
        await options.onPart(index, part)
      }
      throw new Error('the model ended without an end')
    } finally {
      ticket.release()
    }
  }
  const runs = options.tickets.map(run)
  try {
    return await Promise.all(runs)
  } catch (error) {
    failed.abort(error)
    await Promise.allSettled(runs)
    throw error
  }
}
