import { TransformerError } from '../errors.js'
import { streamingLm } from '../lm/streaming-lm.js'
import type { Lm, LmHealth, LmOptions, LmPart, LmPrompt } from '../lm/types.js'

/** Milliseconds. */
const COOL_DOWN = 10_000

/**
 * Several copies of one model as one: each call goes to the copy with the fewest under way, of equals to the one that has waited longest. A dead worker is
 * passed over until it has been started again, and a copy of which nothing is known but that it failed with REMOTE, such as a server that cannot be reached, for ten seconds, where others are left. Disposing disposes all.
 *
 * Errors: OPTION for none; those of the copies.
 *
 * @example
 * const lm = balance([await remoteModel({ url: 'http://one:8000/v1' }), await remoteModel({ url: 'http://two:8000/v1' })])
 */
export function balance(copies: readonly Lm[]): Lm {
  const [first] = copies
  if (first === undefined) throw new TransformerError('OPTION', 'balance was given no model')
  const seats = copies.map((lm) => ({ lm, calls: 0, last: 0, failedAt: -Infinity }))
  let count = 0
  const next = () => {
    const recent = performance.now() - COOL_DOWN
    const isOut = ({ lm, failedAt }: (typeof seats)[number]): number =>
      Number(lm.health === undefined ? failedAt > recent : lm.health().ready === 0)
    return seats.reduce((best, seat) => {
      const order = isOut(seat) - isOut(best) || seat.calls - best.calls || seat.last - best.last
      return order < 0 ? seat : best
    })
  }
  const on = async <T>(work: (lm: Lm) => Promise<T>): Promise<T> => {
    const seat = next()
    try {
      return await work(seat.lm)
    } catch (error) {
      if (isGone(error)) seat.failedAt = performance.now()
      throw error
    }
  }
  async function* stream(prompt: LmPrompt, options: LmOptions): AsyncGenerator<LmPart, void, undefined> {
    const seat = next()
    seat.calls++
    seat.last = ++count
    try {
      yield* seat.lm.stream(prompt, options as object) as AsyncGenerator<LmPart, void, undefined>
    } catch (error) {
      if (isGone(error)) seat.failedAt = performance.now()
      throw error
    } finally {
      seat.calls--
    }
  }
  return streamingLm({
    info: first.info,
    stream,
    health: () => {
      const all = copies.map(({ health }) => health?.() ?? { copies: 1, ready: 1, restarts: 0, reasons: [] })
      const sum = (read: (one: LmHealth) => number): number => all.reduce((total, one) => total + read(one), 0)
      return {
        copies: sum((one) => one.copies),
        ready: sum((one) => one.ready),
        restarts: sum((one) => one.restarts),
        reasons: all.flatMap(({ reasons }) => reasons),
      }
    },
    tokenize: (prompt, options) => on((lm) => lm.tokenize(prompt, options)),
    dispose: async () => void (await Promise.all(copies.map((lm) => lm.dispose()))),
  })
}

const isGone = (error: unknown): boolean => TransformerError.isInstance(error) && error.code === 'REMOTE'
