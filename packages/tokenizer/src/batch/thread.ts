/** A thread as Node's `worker_threads` and browsers have it. */
export type WorkerLike = NodeWorker | WebWorker

interface NodeWorker {
  postMessage(message: unknown): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number) => void): unknown
  ref(): void
  unref(): void
  terminate(): Promise<unknown>
}

interface WebWorker {
  postMessage(message: unknown): void
  addEventListener(event: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(event: 'error' | 'messageerror', listener: (event: unknown) => void): void
  terminate(): void
}

export interface Thread {
  send(message: unknown): void
  /** Whether the process stays for what the thread does, where there is a process. */
  keepsProcess(keeps: boolean): void
  stop(): Promise<void>
}

export interface ThreadEvents {
  message(message: unknown): void
  /** The thread is of no use any more. */
  lost(why: string): void
}

export function threadOf(worker: WorkerLike, events: ThreadEvents): Thread {
  let stopped = false
  const lost = (why: string): void => {
    if (!stopped) events.lost(why)
  }
  if ('on' in worker) {
    worker.on('message', (message) => events.message(message))
    worker.on('error', (error) => lost(error.message))
    worker.on('exit', (code) => lost(`it ended with code ${code}`))
    return {
      send: (message) => worker.postMessage(message),
      keepsProcess: (keeps) => (keeps ? worker.ref() : worker.unref()),
      stop: async () => {
        stopped = true
        await worker.terminate()
      },
    }
  }
  worker.addEventListener('message', ({ data }) => events.message(data))
  // A script that does not load says nothing but that.
  worker.addEventListener('error', (event) => lost((event as { readonly message?: string }).message ?? 'its script could not be loaded'))
  worker.addEventListener('messageerror', () => lost('a message could not be read'))
  return {
    send: (message) => worker.postMessage(message),
    keepsProcess: () => {},
    stop: () => {
      stopped = true
      worker.terminate()
      return Promise.resolve()
    },
  }
}
