/** The worker's side: a model that answers messages. */
import type { Lm, LmOptions } from '../lm/types.js'
import { sentError, WINDOW, type FromWorker, type ToWorker } from './messages.js'

interface OpenCall {
  readonly controller: AbortController
  /** Parts that may still be sent. */
  credit: number
  wake: (() => void) | undefined
}

/** Answers messages until the last; gives back the handler of what comes. */
export function serveCalls(lm: Lm, post: (message: FromWorker) => void, onDispose: () => void): (message: ToWorker) => void {
  const calls = new Map<number, OpenCall>()
  const run = async (call: number, work: (open: OpenCall) => Promise<void>): Promise<void> => {
    const open: OpenCall = { controller: new AbortController(), credit: WINDOW, wake: undefined }
    calls.set(call, open)
    try {
      await work(open)
    } catch (error) {
      post({ type: 'error', call, error: sentError(error) })
    } finally {
      calls.delete(call)
    }
  }
  const stream = (
    call: number,
    prompt: Extract<ToWorker, { type: 'stream' }>['prompt'],
    options: Omit<LmOptions, 'signal'>,
  ): Promise<void> =>
    run(call, async (open) => {
      const { signal } = open.controller
      signal.addEventListener('abort', () => open.wake?.())
      for await (const part of lm.stream(prompt, { ...options, signal } as object)) {
        post({ type: 'part', call, part: part as never })
        open.credit--
        while (open.credit <= 0 && !signal.aborted) await new Promise<void>((resolve) => (open.wake = resolve))
      }
      post({ type: 'end', call })
    })
  return (message) => {
    if (message.type === 'stream') void stream(message.call, message.prompt, message.options)
    else if (message.type === 'tokenize')
      void run(message.call, async () => post({ type: 'ids', call: message.call, ids: await lm.tokenize(message.prompt, message.options) }))
    else if (message.type === 'dispose') void lm.dispose().then(onDispose, onDispose)
    else {
      const open = calls.get(message.call)
      if (open === undefined) return
      if (message.type === 'abort') return open.controller.abort()
      open.credit += message.parts
      open.wake?.()
    }
  }
}
