/** The module worker that computes for a page: runs on WebAssembly block the thread they are on, so they are not on the page's. */
import { calls } from './calls.js'
import type { CallContext, LabReply, LabRequest } from './protocol.js'

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<LabRequest>) => void; postMessage(reply: LabReply): void }
const running = new Map<number, AbortController>()

scope.onmessage = ({ data }) => {
  if ('cancel' in data) running.get(data.cancel)?.abort()
  else void answer(data)
}

async function answer({ id, name, input }: Exclude<LabRequest, { cancel: number }>): Promise<void> {
  const controller = new AbortController()
  running.set(id, controller)
  const call = calls[name] as (input: unknown, context: CallContext<unknown>) => Promise<unknown>
  try {
    const emit = (event: unknown): void => scope.postMessage({ id, kind: 'event', event })
    scope.postMessage({ id, kind: 'done', output: await call(input, { signal: controller.signal, emit }) })
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    scope.postMessage({ id, kind: 'failed', message, aborted: error instanceof Error && error.name === 'AbortError' })
  } finally {
    running.delete(id)
  }
}
