import type { ThreadPort } from './serve.js'
import type { WorkerLike } from './thread.js'

// Neither the library of pages nor that of workers is among this package's types.
interface Scope {
  readonly navigator?: { readonly hardwareConcurrency?: number }
  addEventListener(event: 'message', listener: (event: { readonly data: unknown }) => void): void
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void
}

const scope = (): Scope => globalThis as unknown as Scope

// By its own name: bundlers that look for the words below follow no other.
declare const Worker: new (url: URL, options: { readonly type: 'module'; readonly name: string }) => WorkerLike

/** Starts a thread that serves. Bundlers look for exactly this form of words. */
export function startThread(): WorkerLike {
  return new Worker(new URL('../batch-worker.js', import.meta.url), { type: 'module', name: 'tokenizer' })
}

/** How many threads can run at a time. */
export const processors = (): number => scope().navigator?.hardwareConcurrency ?? 2

/** The port of the thread that this is called in. */
export function ownPort(): ThreadPort {
  return {
    receive: (handle) => scope().addEventListener('message', ({ data }) => handle(data)),
    send: (message, transfer) => scope().postMessage(message, transfer),
  }
}
