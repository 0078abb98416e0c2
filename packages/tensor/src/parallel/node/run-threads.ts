/** Groups of Node's worker threads: a module that all of them run, each with its rank. */
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { AbortedError, throwIfAborted } from '@tesserae/core'
import { PeerError, TensorError } from '../../errors.js'
import type { ProcessGroup } from '../group.js'
import { joinThreads, threadSeats, type JoinOptions, type ThreadSeat } from '../threads.js'

/** What Node's `Worker` takes of these names; written out, so that programs without Node's types can read it. */
export interface WorkerSettings {
  readonly argv?: unknown[]
  readonly env?: Record<string, string | undefined>
  readonly execArgv?: string[]
  readonly name?: string
  readonly stdin?: boolean
  readonly stdout?: boolean
  readonly stderr?: boolean
  /** In MiB. */
  readonly resourceLimits?: {
    readonly maxOldGenerationSizeMb?: number
    readonly maxYoungGenerationSizeMb?: number
    readonly codeRangeSizeMb?: number
    readonly stackSizeMb?: number
  }
}

export interface RunThreadsOptions {
  /** Threads, all of them workers: the calling thread only waits. */
  readonly size: number
  /** What each thread gets as `data`; copied. */
  readonly data?: unknown
  /** Called with what a thread posts by `parentPort.postMessage`. */
  readonly onMessage?: (rank: number, value: unknown) => void
  /** Ends all threads, at once, and with them the call, by an error named AbortError. */
  readonly signal?: AbortSignal
  /** Once a thread has failed, milliseconds that the others have to end by themselves; default 5,000. */
  readonly graceMs?: number
  /** For the workers. */
  readonly worker?: WorkerSettings
}

/** What a thread of {@link runThreads} is. */
export interface ThreadMember<Data> {
  readonly group: ProcessGroup
  readonly data: Data
}

const marker = 'tesserae.thread'

interface Passed {
  readonly [marker]: ThreadSeat
  readonly data: unknown
}

/**
 * Runs a module in threads that form a group: in it, `threadGroup()` tells which one this is. Resolves when all have ended.
 *
 * Errors: PEER naming the rank that failed first, its error being the `cause`; the others are told at once and ended after the grace period. AbortError; VALUE.
 */
export async function runThreads(module: URL | string, options: RunThreadsOptions): Promise<void> {
  const { size, data, onMessage, signal, graceMs = 5000, worker: workerOptions } = options
  throwIfAborted(signal, 'runThreads')
  const seats = threadSeats(size)
  const workers: Worker[] = []
  const failures: Failure[] = []
  let grace: ReturnType<typeof setTimeout> | undefined
  const endAll = (): void => workers.forEach((worker) => void worker.terminate())
  signal?.addEventListener('abort', endAll, { once: true })
  try {
    const ends = seats.map((seat, rank) => {
      const passed: Passed = { [marker]: seat, data }
      const worker = new Worker(module, { ...workerOptions, workerData: passed, transferList: [...seat.ports] as never })
      workers.push(worker)
      if (onMessage !== undefined) worker.on('message', (value: unknown) => onMessage(rank, value))
      let thrown: { readonly error: unknown } | undefined
      worker.on('error', (error: unknown) => (thrown = { error }))
      return new Promise<void>((resolve) =>
        worker.on('exit', (code) => {
          if (thrown !== undefined || code !== 0) {
            failures.push({ rank, thrown, code })
            grace ??= setTimeout(endAll, graceMs)
          }
          resolve()
        }),
      )
    })
    await Promise.all(ends)
  } finally {
    // Only a worker that could not be made leaves others behind.
    endAll()
    clearTimeout(grace)
    signal?.removeEventListener('abort', endAll)
  }
  if (signal?.aborted === true) throw new AbortedError('runThreads was aborted by its signal', { cause: signal.reason })
  // A thread that fails because of another one ends a moment before or after that one: the other's own error is the one to know.
  const first = failures.find(({ thrown }) => (thrown?.error as { code?: unknown } | undefined)?.code !== 'PEER') ?? failures[0]
  if (first === undefined) return
  const { rank, thrown, code } = first
  throw thrown === undefined
    ? new PeerError(`rank ${rank} has failed: it ended with exit code ${code}`, [rank], 'gone')
    : new PeerError(`rank ${rank} has failed: ${describe(thrown.error)}`, [rank], 'gone', { cause: thrown.error })
}

interface Failure {
  readonly rank: number
  readonly thrown: { readonly error: unknown } | undefined
  readonly code: number
}

const describe = (error: unknown): string => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))

/**
 * This thread's rank and data, in a module that {@link runThreads} runs. Once in each thread. An exception that nobody catches is told to the other ranks before the thread ends.
 * Errors: VALUE outside of such a thread.
 */
export function threadGroup<Data = unknown>(options: JoinOptions = {}): ThreadMember<Data> {
  const passed = workerData as Passed | null | undefined
  const seat = isMainThread ? undefined : passed?.[marker]
  if (passed === null || passed === undefined || seat === undefined)
    throw new TensorError(
      'VALUE',
      'threadGroup: this thread was not started by runThreads(); call it in the module that runThreads() is given',
    )
  const group = joinThreads(seat, options)
  process.on('uncaughtExceptionMonitor', (error) => group.abort(error))
  return { group, data: passed.data as Data }
}
