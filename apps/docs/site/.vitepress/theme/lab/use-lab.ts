import { onBeforeUnmount } from 'vue'
import { withBase } from 'vitepress'
import type { CallEvent, CallInput, CallName, CallOutput, LabReply, LabRequest } from './protocol.js'

export interface CallOptions<Name extends CallName> {
  /** Ends the call within a step; it then rejects with an error named AbortError. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: CallEvent<Name>) => void
}

export interface Lab {
  call<Name extends CallName>(name: Name, input: CallInput<Name>, options?: CallOptions<Name>): Promise<CallOutput<Name>>
}

/** Address of a file of the site, absolute, as a worker needs it. */
export const fileUrl = (path: string): string => new URL(withBase(path), location.href).href

export const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

/** A worker of this component's own: started by the first call, ended with everything it holds when the component goes. */
export function useLab(): Lab {
  let worker: Worker | undefined
  let next = 0
  const waiting = new Map<number, (reply: LabReply) => void>()

  const start = (): Worker => {
    const started = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
    started.addEventListener('message', ({ data }: MessageEvent<LabReply>) => waiting.get(data.id)?.(data))
    started.addEventListener('error', (event) => {
      event.preventDefault()
      const message = `The worker could not go on: ${event.message || 'its code did not load'}. Reload the page to try again.`
      for (const [id, tell] of waiting) tell({ id, kind: 'failed', message, aborted: false })
    })
    return started
  }

  onBeforeUnmount(() => {
    worker?.terminate()
    for (const [id, tell] of waiting) tell({ id, kind: 'failed', message: 'The page was left', aborted: true })
  })

  return {
    call: (name, input, { signal, onEvent } = {}) =>
      new Promise((resolve, reject) => {
        worker ??= start()
        const target = worker
        const id = next++
        const cancel = (): void => target.postMessage({ cancel: id } satisfies LabRequest)
        signal?.addEventListener('abort', cancel, { once: true })
        waiting.set(id, (reply) => {
          if (reply.kind === 'event') return onEvent?.(reply.event as never)
          waiting.delete(id)
          signal?.removeEventListener('abort', cancel)
          if (reply.kind === 'done') return resolve(reply.output as never)
          const error = new Error(reply.message)
          if (reply.aborted) error.name = 'AbortError'
          reject(error)
        })
        target.postMessage({ id, name, input } satisfies LabRequest)
      }),
  }
}
