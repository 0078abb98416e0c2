import { checks } from './checks.js'
import type { CheckReply, CheckRequest, CheckRunner } from './protocol.js'

let worker: Worker | undefined
let nextId = 0

/** The worker is started by the first call, so that a page without one is a page without one. */
function inWorker(name: CheckRequest['name'], input: unknown): Promise<unknown> {
  worker ??= new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  const target = worker
  const id = nextId++
  return new Promise((resolve, reject) => {
    target.addEventListener('message', function listen({ data }: MessageEvent<CheckReply>) {
      if (data.id !== id) return
      target.removeEventListener('message', listen)
      if (data.error === undefined) resolve(data.output)
      else reject(new Error(data.error))
    })
    target.addEventListener('error', (event) => reject(new Error(`the worker failed: ${event.message}`)), { once: true })
    target.postMessage({ id, name, input } satisfies CheckRequest)
  })
}

const run = (place: 'page' | 'worker', name: CheckRequest['name'], input: unknown): Promise<unknown> =>
  place === 'worker' ? inWorker(name, input) : (checks[name] as (input: unknown) => Promise<unknown>)(input)

;(globalThis as unknown as { runCheck: CheckRunner }).runCheck = run as CheckRunner
