import type { AnswerPart, AnswerResult, Answer } from './types.js'
import { RagError } from '../errors.js'

/**
 * An answer made by `run`, which starts when somebody first wants to see something of it and runs once: every stream sees all
 * parts from the beginning. `run` gets a signal that is aborted when the only reader leaves early.
 */
export function answerOf(run: (signal: AbortSignal) => AsyncIterable<AnswerPart>): Answer {
  const parts: AnswerPart[] = []
  const controller = new AbortController()
  let state: { readonly ended: boolean; readonly error?: unknown } = { ended: false }
  let waiting: (() => void)[] = []
  let readers = 0
  let wholeWanted = false
  let started: Promise<void> | undefined

  const wake = (): void => {
    const woken = waiting
    waiting = []
    for (const resolve of woken) resolve()
  }
  const start = (): Promise<void> =>
    (started ??= (async () => {
      try {
        for await (const part of run(controller.signal)) {
          parts.push(part)
          wake()
        }
        state = { ended: true }
      } catch (error) {
        state = { ended: true, error }
      }
      wake()
    })())

  async function* stream(): AsyncGenerator<AnswerPart> {
    readers++
    let finished = false
    try {
      void start()
      for (let next = 0; ;) {
        const part = parts[next]
        if (part !== undefined) {
          next++
          yield part
        } else if (state.ended) {
          finished = true
          if ('error' in state) throw state.error
          return
        } else {
          await new Promise<void>((resolve) => waiting.push(resolve))
        }
      }
    } finally {
      readers--
      if (!finished && !state.ended && readers === 0 && !wholeWanted) controller.abort(new Error('The reader of the stream left'))
    }
  }

  return {
    stream,
    async result(): Promise<AnswerResult> {
      wholeWanted = true
      await start()
      if ('error' in state) throw state.error
      const last = parts.at(-1)
      if (last?.type !== 'finish') throw new RagError('MODEL', 'The answer ended without a result')
      return last.result
    },
  }
}
