import type { CallFailure, CallName, EventOf, FromWorker, InputOf, OutputOf, ToWorker } from './protocol.js'

/** A call that failed in the worker. `code` is that of the package's error, where it was one. */
export class CallError extends Error {
  readonly code: string | undefined

  constructor({ name, message, code }: CallFailure) {
    super(message)
    this.name = name
    this.code = code
  }
}

export const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError'

export interface CallOptions<Name extends CallName> {
  /** Stops the work at its next step; the promise then rejects with an error named AbortError. */
  readonly signal?: AbortSignal
  readonly onEvent?: (event: EventOf<Name>) => void
}

interface Pending {
  resolve(output: unknown): void
  reject(error: Error): void
  onEvent?: ((event: unknown) => void) | undefined
}

let worker: Worker | undefined
let nextId = 0
const pending = new Map<number, Pending>()

function started(): Worker {
  if (worker !== undefined) return worker
  const target = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'models' })
  target.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
    const call = pending.get(data.id)
    if (call === undefined) return
    if (data.kind === 'event') return call.onEvent?.(data.event)
    pending.delete(data.id)
    if (data.kind === 'output') call.resolve(data.output)
    else call.reject(new CallError(data.error))
  })
  target.addEventListener('error', (event) => {
    // The script itself failed: nothing that waits will be answered, and the next call starts another worker.
    const reason = new CallError({
      name: 'WorkerError',
      message: `The worker stopped: ${event.message || 'its script could not be loaded. Check the connection and reload the page'}`,
    })
    for (const call of pending.values()) call.reject(reason)
    pending.clear()
    target.terminate()
    if (worker === target) worker = undefined
  })
  worker = target
  return target
}

const send = (target: Worker, message: ToWorker): void => target.postMessage(message)

/** Calls the worker, which is started by the first call. */
export function call<Name extends CallName>(name: Name, input: InputOf<Name>, options: CallOptions<Name> = {}): Promise<OutputOf<Name>> {
  const { signal, onEvent } = options
  return new Promise<OutputOf<Name>>((resolve, reject) => {
    if (signal?.aborted === true) return reject(new CallError({ name: 'AbortError', message: 'Stopped before it began' }))
    const target = started()
    const id = nextId++
    const abort = (): void => send(target, { kind: 'abort', id })
    signal?.addEventListener('abort', abort, { once: true })
    const settle = (): void => signal?.removeEventListener('abort', abort)
    pending.set(id, {
      resolve: (output) => (settle(), resolve(output as OutputOf<Name>)),
      reject: (error) => (settle(), reject(error)),
      onEvent: onEvent as ((event: unknown) => void) | undefined,
    })
    send(target, { kind: 'call', id, name, input })
  })
}
